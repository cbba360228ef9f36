using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Grid.Cli.Demo;
using Grid.Cli.Local;

namespace Grid.Cli.Commands;

/// <summary><c>grid demo</c>: what a cluster of three nodes does when one crashes and one is drained.</summary>
internal static class DemoCommand
{
    private const int Nodes = 3;
    private const string Network = "127.0.9";

    /// <summary>What help shows below.</summary>
    public const string Examples = """
        Examples:
          grid demo

        Takes about a minute, needs PostgreSQL's programs (apt-get install postgresql), keeps everything in a temporary folder
        and on 127.0.9.1 to 127.0.9.3, and removes it at the end. Exit code 0: every check held.
        """;

    /// <summary>The command.</summary>
    /// <param name="global">The global options.</param>
    public static Command Create(GlobalOptions global)
    {
        var command = new SelfStoppingCommand("demo", "Starts three nodes, writes pages, kills a node, reads everything back, drains another, and explains each step.");
        global.SetAction(command, (_, session) => RunAsync(session.Output));
        return command;
    }

    private static async Task<int> RunAsync(Output output)
    {
        using var interrupts = new Interrupts();
        var clock = Stopwatch.StartNew();
        var teller = new DemoTeller(output);
        // PostgreSQL's user passes through it.
        var folder = Directory.CreateTempSubdirectory("grid-demo-");
        File.SetUnixFileMode(folder.FullName, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        LocalPostgres? server = null;
        try
        {
            await output.Standard.WriteLineAsync($"Everything lies in {folder.FullName} and is removed at the end. Ctrl-C ends it early.");
            server = await LocalPostgres.StartAsync(Path.Combine(folder.FullName, "postgres"), Nodes, interrupts.Stop);
            await using var cluster = new LocalCluster(new LocalLayout { Nodes = Nodes, Network = Network, Folder = folder.FullName, ConnectionString = server.ConnectionString });
            await new DemoRun(teller, cluster, interrupts.Stop).RunAsync();
        }
        finally
        {
            if (server is not null) await server.StopAsync();
            folder.Delete(recursive: true);
        }

        await output.Standard.WriteLineAsync();
        var seconds = clock.Elapsed.TotalSeconds.ToString("0", CultureInfo.InvariantCulture);
        output.WriteStyled(teller.Failed == 0 ? $"Every check held ({teller.Held} of {teller.Held}, {seconds} s). Everything is removed." : $"{teller.Failed} of {teller.Failed + teller.Held} checks FAILED. Everything is removed.", teller.Failed == 0 ? "green bold" : "red bold");
        return teller.Failed == 0 ? ExitCodes.Ok : ExitCodes.Failed;
    }
}
