using System.CommandLine;
using Grid.Bench.Commands;

namespace Grid.Bench;

/// <summary>The command that tries block devices.</summary>
internal static class NbdCommands
{
    /// <summary><c>bench nbd</c>.</summary>
    public static Command Nbd(Option<string?> node, Option<string?> json)
    {
        var quick = new Option<bool>("--quick") { Description = "Short rounds, noisier." };
        var rounds = new Option<int?>("--rounds") { Description = "Rounds of each case; 5 by default, 3 with --quick.", HelpName = "N" };
        var (directory, settings) = (JournalCommands.Directory("the servers keep their"), JournalCommands.Settings());
        var command = new Command("nbd", "Block devices: fio's random reads and writes on an export of a persistent pool beside nbdkit in memory and nbd-server in memory and synced to the disk.") { quick, rounds, directory, settings };
        command.SetAction((parse, cancellation) => BenchCommand.GuardAsync(cancellation, token => NbdRun.RunAsync(
            new NbdOptions
            {
                NodePath = parse.GetValue(node),
                JsonPath = parse.GetValue(json),
                Quick = parse.GetValue(quick),
                Rounds = parse.GetValue(rounds),
                Parent = parse.GetRequiredValue(directory),
                Settings = parse.GetValue(settings) ?? [],
            },
            token)));
        return command;
    }
}
