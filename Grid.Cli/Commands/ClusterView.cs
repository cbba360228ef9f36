using System.Globalization;
using System.Text.Json.Nodes;
using Grid.Cli.Cluster;

namespace Grid.Cli.Commands;

/// <summary>The status of a cluster of several nodes as tables.</summary>
internal static class ClusterView
{
    /// <summary>Prints it, without the warnings.</summary>
    public static void Write(Output output, ClusterReport report)
    {
        var (asked, map) = (report.Asked, ShardsCommand.MapOf(report));
        output.WritePairs(
        [
            ("cluster", $"{report.Nodes.Count} nodes, {report.Nodes.Count(node => node is { IsReachable: true, Status: "up" })} up"),
            ("asked", $"{Json.Text(asked["name"])} {Json.Text(asked["version"])}, {Json.Text(asked["phase"])} for {StatusView.Duration(Json.Number(asked["uptimeSeconds"]))}"),
            ("shards", string.Create(CultureInfo.InvariantCulture, $"{map.Count - map.Unowned} of {map.Count} open, spread {map.SpreadPercent:0.#} % of the even share")),
        ]);
        output.Standard.WriteLine();
        output.WriteTable(
            ["NODE", "ADDRESS", "STATUS", ">LEASE", ">SHARDS", ">OBJECTS", ">MEMORY", ">LIMIT", ">CONNS", "VERSION"],
            report.Nodes.Select(Row),
            dispensable: ["VERSION", "CONNS", "LIMIT", "ADDRESS", "OBJECTS"]);
        WriteWaiting(output, report);
        StatusView.WritePools(output, asked);
    }

    private static IReadOnlyList<string> Row(MemberReport node)
    {
        var (own, memory) = (node.Figures, node.Figures?["memory"]);
        return
        [
            node.IsSelf ? $"{node.Label} *" : node.Label, node.DataAddress, Status(node), Lease(own?["cluster"]), $"{node.Shards.Count}",
            Json.Count(own?["objects"]), Json.Size(memory?["usedBytes"]), Json.Size(memory?["limitBytes"]), Json.Count(own?["connections"]), node.Version,
        ];
    }

    private static string Status(MemberReport node)
    {
        if (!node.IsReachable && node.Status != "down") return node.Status == "up" ? "unreachable" : $"{node.Status}, unreachable";
        return node.Status == "up" && Json.Text(node.Figures?["phase"]) == "draining" ? "draining" : node.Status;
    }

    private static string Lease(JsonNode? cluster) => Json.Text(cluster?["lease"]) switch
    {
        "running" => string.Create(CultureInfo.InvariantCulture, $"{Json.Number(cluster?["leaseLeftMilliseconds"]) / 1000:0.0} s"),
        var state => state,
    };

    /// <summary>Shards that wait to be opened, those that wait for the same members together.</summary>
    private static void WriteWaiting(Output output, ClusterReport report)
    {
        var waiting =
            from node in report.Nodes
            from shard in Json.Objects(node.Figures?["cluster"]?["waiting"])
            let missing = shard["waitsFor"] is JsonArray names ? string.Join(", ", names.Select(name => report.NameOf(Json.Text(name)))) : ""
            group Json.Integer(shard["shard"]) by (node.Label, missing) into claims
            select (IReadOnlyList<string>)[claims.Key.Label, $"{claims.Count()}", claims.Key.missing.Length > 0 ? claims.Key.missing : "a removed member's lease", ShardMap.Ranges([.. claims.Order()])];
        var rows = waiting.ToArray();
        if (rows.Length == 0) return;
        output.Standard.WriteLine();
        output.WriteTable(["WAIT TO OPEN ON", ">COUNT", "FOR", "SHARDS"], rows, dispensable: ["SHARDS"]);
    }
}
