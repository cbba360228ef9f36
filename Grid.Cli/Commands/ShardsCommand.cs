using System.CommandLine;
using System.Globalization;
using Grid.Cli.Cluster;

namespace Grid.Cli.Commands;

/// <summary><c>grid shards</c>: which node serves which shards, as one node knows it.</summary>
internal static class ShardsCommand
{
    /// <summary>What help shows below.</summary>
    public const string Examples = """
        Examples:
          grid shards
          grid shards --ranges
          grid shards --admin 127.0.0.2:7071 --json
        """;

    /// <summary>The command.</summary>
    /// <param name="global">The global options.</param>
    public static Command Create(GlobalOptions global)
    {
        var ranges = new Option<bool>("--ranges") { Description = "The shards of each node by number, instead of the map." };
        var command = new Command("shards", "Shows which node serves which shards, and how even that is (over --admin).") { ranges };
        global.SetAction(command, async (parse, session) =>
        {
            using var http = AdminClient.For(session);
            var status = await http.StatusAsync(session.Admin, session.Cancellation) ?? throw AdminClient.Nobody(session.Admin);
            var report = new ClusterReport(status, [.. Json.Objects(status["cluster"]?["nodes"]).Select(MemberReport.Of)]);
            if (report.ShardCount == 0) throw CliException.Failed($"the node at {session.Admin} does not know the shards (yet)");
            Write(session.Output, MapOf(report), parse.GetValue(ranges));
            return ExitCodes.Ok;
        });
        return command;
    }

    /// <summary>The map of a report.</summary>
    public static ShardMap MapOf(ClusterReport report) => new(report.ShardCount, report.Nodes.Where(node => node.Status != "down").Select(node => (node.Label, node.Shards)));

    /// <summary>Prints a map.</summary>
    public static void Write(Output output, ShardMap map, bool ranges)
    {
        if (output.Json)
        {
            output.WriteJson(new
            {
                shards = map.Count,
                unowned = map.Unowned,
                evenShare = Math.Round(map.EvenShare, 2),
                spreadPercent = Math.Round(map.SpreadPercent, 1),
                nodes = map.Nodes.Select(node => new { name = node.Name, count = node.Shards.Count, offPercent = Math.Round(map.OffPercent(node), 1), ranges = ShardMap.Ranges(node.Shards), shards = node.Shards }),
            });
            return;
        }

        var moving = map.Moving > 0 ? $", {map.Moving} moving (!)" : "";
        output.Standard.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{map.Count} shards: {map.Count - map.Unowned} open, {map.Unowned} unowned (.){moving}; even share {map.EvenShare:0.#}, spread {map.SpreadPercent:0.#} %"));
        output.Standard.WriteLine();
        output.WriteTable(["NODE", "MARK", ">SHARDS", ">OFF EVEN"], map.Nodes.Select(node => (IReadOnlyList<string>)
            [node.Name, $"{node.Mark}", $"{node.Shards.Count}", string.Create(CultureInfo.InvariantCulture, $"{map.OffPercent(node):+0.0;-0.0;0.0} %")]));
        output.Standard.WriteLine();
        if (ranges) output.WritePairs(map.Nodes.Select(node => (node.Name, node.Shards.Count == 0 ? "none" : ShardMap.Ranges(node.Shards))));
        else foreach (var line in map.Lines()) output.Standard.WriteLine(line);
    }
}
