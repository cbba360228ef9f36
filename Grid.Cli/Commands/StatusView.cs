using System.Text.Json.Nodes;
using Grid.Cli.Cluster;

namespace Grid.Cli.Commands;

/// <summary>A node's status as tables. What an older or newer node leaves out is left out here.</summary>
internal static class StatusView
{
    /// <summary>Prints a status: what needs attention first, then the cluster or, where there is no other node, the node.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="report">What the nodes said.</param>
    public static void Write(Output output, ClusterReport report)
    {
        var warnings = StatusWarnings.Of(report);
        foreach (var warning in warnings) output.WriteWarning(warning);
        if (warnings.Count > 0) output.Standard.WriteLine();
        if (report.Nodes.Count > 1) ClusterView.Write(output, report);
        else WriteNode(output, report.Asked);
    }

    /// <summary>Prints the pools.</summary>
    public static void WritePools(Output output, JsonObject status)
    {
        var pools = Json.Objects(status["pools"]).ToArray();
        if (pools.Length == 0) return;
        output.Standard.WriteLine();
        output.WriteTable(["POOL", "KIND", "SHARING", ">PAGE", "COMPRESSION", ">QUOTA", "STATE", ">ID"], pools.Select(pool => (IReadOnlyList<string>)
        [
            Json.Text(pool["name"]), Json.Text(pool["kind"]), Json.Text(pool["sharing"]), Json.Size(pool["pageSizeBytes"]), Json.Text(pool["compression"]),
            Json.Number(pool["quotaPages"]) == 0 ? "-" : SizeText.Format(Json.Number(pool["quotaPages"]) * Json.Number(pool["pageSizeBytes"])),
            Json.Flag(pool["frozen"]) ? "frozen" : "open", Json.Text(pool["id"]),
        ]), dispensable: ["ID", "COMPRESSION", "SHARING"]);
    }

    /// <summary>A time for people.</summary>
    public static string Duration(double seconds)
    {
        var span = TimeSpan.FromSeconds(seconds);
        if (span.TotalMinutes < 1) return $"{span.Seconds} s";
        if (span.TotalHours < 1) return $"{span.Minutes} min {span.Seconds} s";
        return span.TotalDays < 1 ? $"{span.Hours} h {span.Minutes} min" : $"{span.Days} d {span.Hours} h";
    }

    private static void WriteNode(Output output, JsonObject status)
    {
        var addresses = status["addresses"];
        var memory = status["memory"];
        output.WritePairs(
        [
            ("node", $"{Json.Text(status["name"])} {Json.Text(status["version"])}, {Json.Text(status["phase"])} for {Duration(Json.Number(status["uptimeSeconds"]))}"),
            ("data", Json.Text(addresses?["public"])),
            ("admin", Json.Text(addresses?["admin"])),
            ("ready", status["readiness"] is not JsonObject readiness ? "?" : Json.Flag(readiness["ready"]) ? "yes" : "no"),
            ("memory", $"{Json.Size(memory?["usedBytes"])} of {Json.Size(memory?["limitBytes"])} used, {Json.Size(status["residentBytes"])} resident"),
            ("pages", $"{Json.Count(memory?["pages"])} ({Json.Size(memory?["storedBytes"])} stored), {Json.Count(memory?["evictions"])} evicted"),
            ("objects", Json.Count(status["objects"])),
            ("connections", Json.Count(status["connections"])),
        ]);
        WritePools(output, status);
    }
}
