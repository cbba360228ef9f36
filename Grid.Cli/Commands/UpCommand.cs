using System.CommandLine;
using System.Globalization;
using Grid.Cli.Local;

namespace Grid.Cli.Commands;

/// <summary><c>grid up</c>: a cluster of nodes on this machine, until Ctrl-C.</summary>
internal static class UpCommand
{
    private const int NodesMax = 16;
    private const string ConnectionVariable = "GRID__JOURNAL__CONNECTION_STRING";

    /// <summary>What help shows below.</summary>
    public const string Examples = """
        Examples:
          grid up --nodes 3
          grid up --nodes 3 --set grid.memory.limit=512MiB
          grid up --nodes 3 --postgres 'Host=db;Username=grid;Password=...;Database=grid'

        The nodes listen on 127.0.0.1, 127.0.0.2 …, ports 7070 (data), 7071 (admin), 7072 (cluster).
        Ctrl-C stops them gracefully, then the PostgreSQL that was started for them; a second one ends them at once.
        """;

    /// <summary>The command.</summary>
    /// <param name="global">The global options.</param>
    public static Command Create(GlobalOptions global)
    {
        var nodes = new Option<int>("--nodes", "-n") { Description = $"How many, 2 to {NodesMax}.", HelpName = "N", DefaultValueFactory = _ => 3 };
        nodes.Validators.Add(CommonArguments.Between(2, NodesMax, " (one node: ./run)"));
        var data = new Option<string>("--data") { Description = "Folder of everything they keep.", HelpName = "DIR", DefaultValueFactory = _ => "data" };
        var postgres = new Option<string?>("--postgres") { Description = $"The journal's database; else {ConnectionVariable}, else a PostgreSQL is started in DIR/postgres.", HelpName = "CONNECTION" };
        var config = new Option<string[]>("--config") { Description = "A configuration file for each node; repeatable.", HelpName = "FILE" };
        var set = new Option<string[]>("--set") { Description = "One setting for each node; repeatable.", HelpName = "NAME=VALUE" };
        var command = new SelfStoppingCommand("up", "Starts a cluster of nodes on this machine and runs it until Ctrl-C.") { nodes, data, postgres, config, set };
        global.SetAction(command, (parse, session) => RunAsync(session.Output, new UpOptions(
            parse.GetValue(nodes),
            Path.GetFullPath(parse.GetValue(data)!),
            parse.GetValue(postgres) ?? Environment.GetEnvironmentVariable(ConnectionVariable),
            [
                .. (parse.GetValue(config) ?? []).SelectMany(file => (string[])["--config", file]),
                .. (parse.GetValue(set) ?? []).SelectMany(setting => (string[])["--set", setting]),
            ])));
        return command;
    }

    private static async Task<int> RunAsync(Output output, UpOptions options)
    {
        using var interrupts = new Interrupts();
        Directory.CreateDirectory(options.Folder);
        using var only = LockFolder(options.Folder);
        var server = options.ConnectionString is { Length: > 0 } ? null : await StartPostgresAsync(output, options, interrupts.Stop);
        try
        {
            await using var cluster = new LocalCluster(new LocalLayout
            {
                Nodes = options.Nodes,
                Network = "127.0.0",
                Folder = options.Folder,
                ConnectionString = server?.ConnectionString ?? options.ConnectionString!,
                NodeArguments = options.NodeArguments,
            });
            return await ServeAsync(output, cluster, interrupts);
        }
        finally
        {
            if (server is not null)
            {
                await server.StopAsync();
                await output.Standard.WriteLineAsync("PostgreSQL stopped");
            }
        }
    }

    /// <summary>One at a time: the next one would take the PostgreSQL of this one for a leftover.</summary>
    private static FileStream LockFolder(string folder)
    {
        try
        {
            return new FileStream(Path.Combine(folder, "up.lock"), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException e)
        {
            throw CliException.Failed($"another grid up runs in {folder}, or the folder cannot be used: {e.Message}");
        }
    }

    private static async Task<LocalPostgres> StartPostgresAsync(Output output, UpOptions options, CancellationToken cancellation)
    {
        var folder = Path.Combine(options.Folder, "postgres");
        var server = await LocalPostgres.StartAsync(folder, options.Nodes, cancellation);
        await output.Standard.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"PostgreSQL serves the journal on 127.0.0.1:{server.Port} ({folder})"));
        return server;
    }

    private static async Task<int> ServeAsync(Output output, LocalCluster cluster, Interrupts interrupts)
    {
        var stoppedWell = true;
        var all = Task.CompletedTask;
        try
        {
            await cluster.StartAsync(node => output.Standard.WriteLine($"{node.Name} serves data on {node.DataAddress}, admin on {node.Admin.GetLeftPart(UriPartial.Authority)} (log {node.LogFile})"), interrupts.Stop);
            await output.Standard.WriteLineAsync($"""
                All {cluster.Nodes.Count} nodes serve. Look with ./grid status and ./grid shards; stop with Ctrl-C.
                Clients connect to {cluster.ConnectionString}
                """);
            all = Task.WhenAll(cluster.Nodes.Select(node => WatchAsync(output, cluster, node, interrupts.Stop)));
            await all;
        }
        catch (OperationCanceledException) when (interrupts.Stop.IsCancellationRequested)
        {
            await output.Standard.WriteLineAsync("Stopping the nodes (again to end them at once)");
        }
        finally
        {
            stoppedWell = await cluster.StopAsync(interrupts.Hurry);
        }

        if (interrupts.Stop.IsCancellationRequested) await output.Standard.WriteLineAsync(stoppedWell ? "All nodes stopped" : "Nodes stopped, not all of them gracefully: see their logs");
        else await output.Standard.WriteLineAsync("No node is left");
        return stoppedWell ? ExitCodes.Ok : ExitCodes.Failed;
    }

    /// <summary>Says when a node ends, and starts one again that the cluster removed: it asks for that.</summary>
    private static async Task WatchAsync(Output output, LocalCluster cluster, LocalNode node, CancellationToken stop)
    {
        const int Removed = 4;
        while (true)
        {
            var how = await node.EndAsync(stop);
            var left = cluster.Nodes.Count(other => !other.HasExited);
            await output.Standard.WriteLineAsync($"{node.Name} ended with {how}; {(left == 1 ? "1 node goes" : $"{left} nodes go")} on (its log: {node.LogFile})");
            if (node.ExitCode != Removed) return;
            await output.Standard.WriteLineAsync($"{node.Name} was removed by the cluster and starts again");
            try
            {
                await node.StartAsync(stop);
                await output.Standard.WriteLineAsync($"{node.Name} serves again");
            }
            catch (CliException e)
            {
                await output.Standard.WriteLineAsync(e.Message);
            }
        }
    }

    private sealed record UpOptions(int Nodes, string Folder, string? ConnectionString, IReadOnlyList<string> NodeArguments);
}
