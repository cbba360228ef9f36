using System.Text.Json.Nodes;

namespace Grid.Cli.Cluster;

/// <summary>What an operator should know first, the worst first.</summary>
internal static class StatusWarnings
{
    /// <summary>One line each.</summary>
    public static IReadOnlyList<string> Of(ClusterReport report) => [.. Lines(report)];

    private static IEnumerable<string> Lines(ClusterReport report)
    {
        if (Json.Integer(report.Asked["cluster"]?["membersOwed"]) is > 0 and var owed)
            yield return $"fewer than half of {owed} members are left: nothing is served until {(owed / 2) + 1} are up";
        foreach (var node in report.Nodes.Where(node => node.Status == "down"))
            yield return $"{node.Label} is down: the cluster removes it";
        foreach (var node in report.Nodes.Where(node => !node.IsReachable && node.Status != "down"))
            yield return $"{node.Label} is unreachable: unless it comes back within seconds it is removed and its shards open elsewhere";
        foreach (var node in report.Nodes.Where(node => Json.Text(node.Figures?["cluster"]?["lease"]) == "expired"))
            yield return $"{node.Label} has no lease: no majority answers its pings, so it serves nothing";
        foreach (var (text, names) in Failures(report)) yield return $"{string.Join(", ", names)}: {text}";
        foreach (var node in report.Nodes.Where(node => node is { IsReachable: true, Silence: not null } && node.Status != "down"))
            yield return $"{node.Label} gives no figures: {node.Silence}";
        var versions = report.Nodes.Select(node => node.Version).Where(version => version.Length > 0).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal).ToArray();
        if (versions.Length > 1) yield return $"several versions are in the cluster: {string.Join(", ", versions)}";
    }

    /// <summary>Failed readiness checks, nodes with the same words together; the phase has a column, and the lease a line of its own.</summary>
    private static IEnumerable<(string Text, string[] Names)> Failures(ClusterReport report)
    {
        var failures =
            from node in report.Nodes.Count > 0 ? report.Nodes.Select(node => (node.Label, node.Figures)) : [(Json.Text(report.Asked["name"]), report.Asked)]
            from check in Json.Objects(node.Figures?["readiness"]?["checks"])
            where check["ready"] is not null && !Json.Flag(check["ready"]) && IsNews(Json.Text(check["name"]), node.Figures)
            group node.Label by $"{Json.Text(check["name"])}: {Json.Text(check["detail"])}";
        return failures.Select(group => (group.Key, group.ToArray()));
    }

    private static bool IsNews(string check, JsonObject? figures) => check switch
    {
        "phase" => false,
        "cluster" => Json.Text(figures?["cluster"]?["lease"]) != "expired" && Json.Text(figures?["phase"]) == "serving",
        _ => true,
    };
}
