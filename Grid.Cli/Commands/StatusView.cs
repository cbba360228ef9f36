using System.Globalization;
using System.Text.Json.Nodes;

namespace Grid.Cli.Commands;

/// <summary>A node's status as tables. What an older or newer node leaves out is left out here.</summary>
internal static class StatusView
{
    /// <summary>Prints a status.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="status">What the node said.</param>
    public static void Write(Output output, JsonObject status)
    {
        var addresses = status["addresses"];
        var memory = status["memory"];
        output.WritePairs(
        [
            ("node", $"{Text(status["name"])} {Text(status["version"])}, {Text(status["phase"])} for {Duration(Number(status["uptimeSeconds"]))}"),
            ("data", Text(addresses?["public"])),
            ("admin", Text(addresses?["admin"])),
            ("ready", Readiness(status["readiness"])),
            ("memory", $"{Size(memory?["usedBytes"])} of {Size(memory?["limitBytes"])} used, {Size(status["residentBytes"])} resident"),
            ("pages", $"{Count(memory?["pages"])} ({Size(memory?["storedBytes"])} stored), {Count(memory?["evictions"])} evicted"),
            ("objects", Count(status["objects"])),
            ("connections", Count(status["connections"])),
        ]);
        WriteSection(output, ["MEMBER", "STATUS", "REACHABLE"], status["members"],
            member => [$"{Text(member["address"])}{(Flag(member["self"]) ? " (this node)" : "")}", Text(member["status"]), Flag(member["reachable"]) ? "yes" : "no"]);
        WriteSection(output, ["POOL", "KIND", "SHARING", ">PAGE", "COMPRESSION", ">QUOTA", "STATE", ">ID"], status["pools"], pool =>
        [
            Text(pool["name"]), Text(pool["kind"]), Text(pool["sharing"]), Size(pool["pageSizeBytes"]), Text(pool["compression"]),
            Number(pool["quotaPages"]) == 0 ? "-" : SizeText.Format(Number(pool["quotaPages"]) * Number(pool["pageSizeBytes"])),
            Flag(pool["frozen"]) ? "frozen" : "open", Text(pool["id"]),
        ]);
    }

    private static void WriteSection(Output output, IReadOnlyList<string> columns, JsonNode? rows, Func<JsonObject, IReadOnlyList<string>> row)
    {
        if (rows is not JsonArray { Count: > 0 } array) return;
        output.Standard.WriteLine();
        output.WriteTable(columns, array.OfType<JsonObject>().Select(row));
    }

    private static string Readiness(JsonNode? readiness)
    {
        if (readiness is not JsonObject report) return "?";
        var failed = report["checks"] is JsonArray checks
            ? checks.OfType<JsonObject>().Where(check => check["ready"] != null && !Flag(check["ready"])).Select(check => $"{Text(check["name"])}: {Text(check["detail"])}").ToArray()
            : [];
        return Flag(report["ready"]) ? "yes" : failed.Length == 0 ? "no" : $"no ({string.Join("; ", failed)})";
    }

    private static string Duration(double seconds)
    {
        var span = TimeSpan.FromSeconds(seconds);
        if (span.TotalMinutes < 1) return $"{span.Seconds} s";
        if (span.TotalHours < 1) return $"{span.Minutes} min {span.Seconds} s";
        return span.TotalDays < 1 ? $"{span.Hours} h {span.Minutes} min" : $"{span.Days} d {span.Hours} h";
    }

    private static double Number(JsonNode? node) => node is JsonValue value && value.TryGetValue(out double number) ? number : 0;

    private static bool Flag(JsonNode? node) => node is JsonValue value && value.TryGetValue(out bool flag) && flag;

    private static string Text(JsonNode? node) => node?.ToString() ?? "?";

    private static string Size(JsonNode? node) => node == null ? "?" : SizeText.Format(Number(node));

    private static string Count(JsonNode? node) => node == null ? "?" : Number(node).ToString("#,0", CultureInfo.InvariantCulture);
}
