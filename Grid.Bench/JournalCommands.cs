using System.CommandLine;
using Grid.Bench.Commands;
using Grid.Bench.Servers;

namespace Grid.Bench;

/// <summary>The commands that try a node's journal alone.</summary>
internal static class JournalCommands
{
    private static readonly int[] Sizes = [1_000, 10_000, 100_000, 1_000_000];

    /// <summary><c>bench recover</c>.</summary>
    public static Command Recover(Option<string?> node, Option<string?> json)
    {
        var quick = new Option<bool>("--quick") { Description = "Without the million." };
        var pages = new Option<int[]>("--pages") { Description = $"Pages of the object, a run each; repeatable. By default {string.Join(", ", Sizes)}.", HelpName = "N", AllowMultipleArgumentsPerToken = true };
        var (directory, settings) = (Directory(), Settings());
        var command = new Command("recover", "One large object on SQLite: put, kill -9, start again, first get, read everything back. Bounds are checked.") { quick, pages, directory, settings };
        command.SetAction((parse, cancellation) => BenchCommand.GuardAsync(cancellation, token => RecoverRun.RunAsync(
            new RecoverOptions
            {
                NodePath = parse.GetValue(node),
                JsonPath = parse.GetValue(json),
                Pages = parse.GetValue(pages) is { Length: > 0 } some ? some : parse.GetValue(quick) ? Sizes[..^1] : Sizes,
                Parent = parse.GetRequiredValue(directory),
                Settings = parse.GetValue(settings) ?? [],
            },
            token)));
        return command;
    }

    /// <summary><c>bench overwrite</c>.</summary>
    public static Command Overwrite(Option<string?> node, Option<string?> json)
    {
        var live = new Option<int>("--live") { Description = "Pages that are alive.", HelpName = "N", DefaultValueFactory = _ => Harness.Payload.Keys };
        var times = new Option<int>("--times") { Description = "How often as much as that is written.", HelpName = "N", DefaultValueFactory = _ => 21 };
        var (directory, settings) = (Directory(), Settings());
        var command = new Command("overwrite", "Pages of one object on SQLite, overwritten at random: how large the files become, and what cleaning costs. Bounds are checked.") { live, times, directory, settings };
        command.SetAction((parse, cancellation) => BenchCommand.GuardAsync(cancellation, token => OverwriteRun.RunAsync(
            new OverwriteOptions
            {
                NodePath = parse.GetValue(node),
                JsonPath = parse.GetValue(json),
                LivePages = Math.Max(1024, parse.GetValue(live)),
                Times = Math.Max(2, parse.GetValue(times)),
                Parent = parse.GetRequiredValue(directory),
                Settings = parse.GetValue(settings) ?? [],
            },
            token)));
        return command;
    }

    /// <summary>The option that says where files lie.</summary>
    /// <param name="who">Whose files.</param>
    internal static Option<DirectoryInfo> Directory(string who = "the node keeps its")
    {
        var directory = new Option<DirectoryInfo>("--directory") { Description = $"Where {who} files: the disk that is measured. By default the folder for temporary files.", HelpName = "DIR", DefaultValueFactory = _ => TemporaryDirectory.Default };
        directory.AcceptExistingOnly();
        return directory;
    }

    /// <summary>The option that sets what a node is told.</summary>
    /// <param name="whose">Whose settings.</param>
    internal static Option<string[]> Settings(string whose = "the node") => new("--set") { Description = $"A setting of {whose}, as grid.journal.event-target=1MiB; repeatable.", HelpName = "NAME=VALUE" };
}
