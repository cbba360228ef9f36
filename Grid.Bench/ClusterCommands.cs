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
        var sizes = new Option<int[]>("--nodes") { Description = "Nodes to scale over, a run each; repeatable. By default 1, 3, 5.", HelpName = "N", AllowMultipleArgumentsPerToken = true };
        var command = new Command("cluster", "Several nodes on this machine: what a page operation costs on 1, 3 and 5 nodes, and how long a killed node's objects are away. Bounds are checked.") { quick, kills, sizes };
        command.SetAction((parse, cancellation) => BenchCommand.GuardAsync(cancellation, token => ClusterRun.RunAsync(
            new ClusterOptions
            {
                NodePath = parse.GetValue(node),
                JsonPath = parse.GetValue(json),
                Seconds = parse.GetValue(quick) ? 5 : 15,
                Kills = parse.GetValue(kills) ?? (parse.GetValue(quick) ? 3 : 10),
                Sizes = parse.GetValue(sizes) is { Length: > 0 } some ? some : [1, 3, 5],
            },
            token)));
        return command;
    }
}
