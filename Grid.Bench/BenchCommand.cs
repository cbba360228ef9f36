using System.CommandLine;
using System.Runtime.InteropServices;
using Grid.Bench.Commands;
using Grid.Bench.Servers;

namespace Grid.Bench;

/// <summary>The <c>bench</c> command.</summary>
internal static class BenchCommand
{
    /// <summary>Runs a command line; 0 done, 1 failed, 2 wrong usage.</summary>
    /// <param name="args">The arguments.</param>
    public static async Task<int> RunAsync(string[] args)
    {
        var node = new Option<string?>("--node") { Description = "Grid.Node.dll to start; by default the one built beside this program.", HelpName = "FILE", Recursive = true };
        var json = new Option<string?>("--json") { Description = "Also write the results there.", HelpName = "FILE", Recursive = true };
        var root = new RootCommand("Benchmarks of the Grid, side by side with its peers. docs/benchmarks.md explains every case.") { node, json };
        root.Add(Compare(node, json));
        root.Add(Durable(node, json));
        root.Add(JournalCommands.Recover(node, json));
        root.Add(JournalCommands.Overwrite(node, json));
        root.Add(NbdCommands.Nbd(node, json));
        root.Add(ClusterCommands.Cluster(node, json));
        root.Add(ClusterCommands.Load());
        root.Add(Alloc(node, json));
        root.Add(GarnetServer());
        var parse = root.Parse(args);
        var code = await parse.InvokeAsync();
        return parse.Errors.Count > 0 ? 2 : code;
    }

    private static Command Compare(Option<string?> node, Option<string?> json)
    {
        var quick = new Option<bool>("--quick") { Description = "Short rounds: under a minute for everything, noisier." };
        var names = new Option<string[]>("--case") { Description = $"Only this case; repeatable. Cases: {string.Join(", ", BenchCase.All.Select(c => c.Name))}.", HelpName = "NAME", AllowMultipleArgumentsPerToken = true };
        var peers = new Option<string[]>("--peer") { Description = "Only this peer; repeatable: redis, garnet, none. Both by default.", HelpName = "NAME" };
        var rounds = new Option<int?>("--rounds") { Description = "Rounds of each case; 5 by default, 3 with --quick.", HelpName = "N" };
        var oneObject = new Option<bool>("--one-object") { Description = "Put all of the Grid's pages into one object instead of one object for 64 pages." };
        names.AcceptOnlyFromAmong([.. BenchCase.All.Select(c => c.Name)]);
        peers.AcceptOnlyFromAmong("redis", "garnet", "none");
        var command = new Command("compare", "The Grid, Redis and Garnet: same loops, same payload, loopback TCP, one connection each.") { quick, names, peers, rounds, oneObject };
        command.SetAction((parse, cancellation) => GuardAsync(cancellation, token => CompareRun.RunAsync(
            new CompareOptions
            {
                NodePath = parse.GetValue(node),
                JsonPath = parse.GetValue(json),
                Quick = parse.GetValue(quick),
                Cases = parse.GetValue(names) is { Length: > 0 } chosen ? BenchCase.All.Where(c => chosen.Contains(c.Name)).ToArray() : BenchCase.All,
                Peers = parse.GetValue(peers) is { Length: > 0 } some ? some : ["redis", "garnet"],
                Rounds = parse.GetValue(rounds),
                OneObject = parse.GetValue(oneObject),
            },
            token)));
        return command;
    }

    private static Command Durable(Option<string?> node, Option<string?> json)
    {
        var quick = new Option<bool>("--quick") { Description = "Short rounds, noisier." };
        var names = new Option<string[]>("--case") { Description = $"Only this case; repeatable. Cases: {string.Join(", ", DurableCase.All.Select(c => c.Name))}.", HelpName = "NAME", AllowMultipleArgumentsPerToken = true };
        var stores = new Option<DurableStore[]>("--store") { Description = "The Grid on this database only: sqlite, postgres. Both by default.", HelpName = "NAME" };
        var rounds = new Option<int?>("--rounds") { Description = "Rounds of each case; 5 by default, 3 with --quick.", HelpName = "N" };
        var (directory, settings) = (JournalCommands.Directory("all servers keep their"), JournalCommands.Settings("the Grid's nodes"));
        names.AcceptOnlyFromAmong([.. DurableCase.All.Select(c => c.Name)]);
        var command = new Command("durable", "Acknowledged, durable puts: a persistent pool on SQLite and on PostgreSQL beside Redis with appendfsync always.") { quick, names, stores, rounds, directory, settings };
        command.SetAction((parse, cancellation) => GuardAsync(cancellation, token => DurableRun.RunAsync(
            new DurableOptions
            {
                NodePath = parse.GetValue(node),
                JsonPath = parse.GetValue(json),
                Quick = parse.GetValue(quick),
                Cases = parse.GetValue(names) is { Length: > 0 } chosen ? DurableCase.All.Where(c => chosen.Contains(c.Name)).ToArray() : DurableCase.All,
                Stores = parse.GetValue(stores) is { Length: > 0 } some ? some : [DurableStore.Sqlite, DurableStore.Postgres],
                Rounds = parse.GetValue(rounds),
                Parent = parse.GetRequiredValue(directory),
                Settings = parse.GetValue(settings) ?? [],
            },
            token)));
        return command;
    }

    private static Command Alloc(Option<string?> node, Option<string?> json)
    {
        var operations = new Option<int>("--operations") { Description = "Operations of each kind that are measured.", HelpName = "N", DefaultValueFactory = _ => 500_000 };
        var command = new Command("alloc", "Bytes allocated on the managed heap per get and per put, in the node and in the client, in the steady state.") { operations };
        command.SetAction((parse, cancellation) => GuardAsync(cancellation, token => AllocRun.RunAsync(parse.GetValue(node), parse.GetValue(json), Math.Max(1000, parse.GetValue(operations)), token)));
        return command;
    }

    private static Command GarnetServer()
    {
        var port = new Option<int>("--port") { Required = true };
        var command = new Command("garnet-server", "Runs an embedded Garnet until the standard input ends.") { port };
        command.Hidden = true;
        command.SetAction((parse, cancellation) => GarnetHost.RunAsync(parse.GetValue(port), cancellation));
        return command;
    }

    /// <summary>Errors become one line; whatever ends the run, the processes that it started end too.</summary>
    internal static async Task<int> GuardAsync(CancellationToken cancellation, Func<CancellationToken, Task<int>> run)
    {
        // A closed terminal is no reason to leave servers behind.
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var hangUp = PosixSignalRegistration.Create(PosixSignal.SIGHUP, context =>
        {
            context.Cancel = true;
            stop.Cancel();
        });
        try
        {
            return await run(stop.Token);
        }
        catch (BenchException e)
        {
            await Console.Error.WriteLineAsync($"bench: {e.Message}");
            return 1;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            await Console.Error.WriteLineAsync("bench: interrupted");
            return 130;
        }
        finally
        {
            ChildProcess.KillAll();
        }
    }
}
