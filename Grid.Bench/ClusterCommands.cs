using System.CommandLine;
using Grid.Bench.Commands;

namespace Grid.Bench;

/// <summary>The commands that try several nodes.</summary>
internal static class ClusterCommands
{
    /// <summary><c>bench cluster</c>.</summary>
    public static Command Cluster(Option<string?> node, Option<string?> json)
    {
        var quick = new Option<bool>("--quick") { Description = "Short rounds, three kills." };
        var kills = new Option<int?>("--kills") { Description = "How often a node is killed; 10 by default, 3 with --quick, 0 for none.", HelpName = "N" };
        var restarts = new Option<int>("--restarts") { Description = "How often a node is restarted under load; 0 for never.", HelpName = "N", DefaultValueFactory = _ => 3 };
        var sizes = new Option<int[]>("--nodes") { Description = "Nodes to scale over, a run each; repeatable. By default 1, 3, 5; 0 for none.", HelpName = "N", AllowMultipleArgumentsPerToken = true };
        var command = new Command("cluster", "Several nodes on this machine: what a page operation costs on 1, 3 and 5 nodes, what a rolling restart does to clients, and how long a killed node's objects are away. Bounds are checked.") { quick, kills, restarts, sizes };
        command.SetAction((parse, cancellation) => BenchCommand.GuardAsync(cancellation, token => ClusterRun.RunAsync(
            new ClusterOptions
            {
                NodePath = parse.GetValue(node),
                JsonPath = parse.GetValue(json),
                Seconds = parse.GetValue(quick) ? 5 : 15,
                Kills = parse.GetValue(kills) ?? (parse.GetValue(quick) ? 3 : 10),
                Restarts = parse.GetValue(restarts),
                Sizes = parse.GetValue(sizes) is { Length: > 0 } some ? [.. some.Where(nodes => nodes > 0)] : [1, 3, 5],
            },
            token)));
        return command;
    }

    /// <summary>The clients of <c>bench cluster</c>, each a process of its own as programs elsewhere are.</summary>
    public static Command Load()
    {
        var connection = new Option<string>("--connection") { Required = true };
        var client = new Option<uint>("--client") { Required = true };
        var command = new Command(LoadProcess.Command, "Load on a cluster, every answer checked, until the standard input ends.") { connection, client };
        command.Hidden = true;
        command.SetAction((parse, cancellation) => BenchCommand.GuardAsync(cancellation, token => LoadProcess.RunAsync(parse.GetRequiredValue(connection), parse.GetValue(client), token)));
        return command;
    }
}
