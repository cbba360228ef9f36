using System.Text.Json.Nodes;

namespace Grid.Cli.Cluster;

/// <summary>What one node says of the cluster, and what each member says of itself.</summary>
/// <param name="Asked">The status of the node that was asked.</param>
/// <param name="Nodes">The members.</param>
internal sealed record ClusterReport(JsonObject Asked, IReadOnlyList<MemberReport> Nodes)
{
    /// <summary>Shards there are.</summary>
    public int ShardCount => Json.Integer(Asked["cluster"]?["shardCount"]);

    /// <summary>A member's name by its cluster address; the address where it has none yet.</summary>
    public string NameOf(string address) => Nodes.FirstOrDefault(node => node.Address == address)?.Label ?? MemberReport.Short(address);
}

/// <summary>A member: how the node that was asked sees it, and what it says of itself.</summary>
internal sealed record MemberReport
{
    /// <summary>Its name; empty until it has said.</summary>
    public required string Name { get; init; }

    /// <summary>Its cluster address.</summary>
    public required string Address { get; init; }

    /// <summary>Where clients reach it.</summary>
    public required string DataAddress { get; init; }

    /// <summary>Its HTTP for operators; null until it has said.</summary>
    public Uri? Admin { get; init; }

    /// <summary>Its program's version.</summary>
    public required string Version { get; init; }

    /// <summary>joining, up, leaving or down.</summary>
    public required string Status { get; init; }

    /// <summary>Whether nobody misses it.</summary>
    public required bool IsReachable { get; init; }

    /// <summary>Whether it is the node that was asked.</summary>
    public required bool IsSelf { get; init; }

    /// <summary>The shards it serves.</summary>
    public required IReadOnlyList<int> Shards { get; init; }

    /// <summary>Its own status; null: it did not answer.</summary>
    public JsonObject? Figures { get; init; }

    /// <summary>Why there are no figures.</summary>
    public string? Silence { get; init; }

    /// <summary>What people call it.</summary>
    public string Label => Name.Length > 0 ? Name : Short(Address);

    /// <summary>Host and port of a cluster address.</summary>
    public static string Short(string address) => address[(address.LastIndexOf('@') + 1)..];

    /// <summary>Of one entry of a status' <c>cluster.nodes</c>.</summary>
    public static MemberReport Of(JsonObject node)
    {
        var address = Json.Text(node["address"]);
        return new MemberReport
        {
            Name = node["name"]?.ToString() ?? "",
            Address = address,
            DataAddress = node["dataAddress"]?.ToString() ?? "",
            Admin = AdminOf(node["adminAddress"]?.ToString() ?? "", Short(address)),
            Version = Json.Text(node["version"]),
            Status = Json.Text(node["status"]),
            IsReachable = Json.Flag(node["reachable"]),
            IsSelf = Json.Flag(node["self"]),
            Shards = node["shards"] is JsonArray shards ? [.. shards.Select(Json.Integer)] : [],
        };
    }

    /// <summary>A node that listens on every interface says so; its cluster address has a host that others reach.</summary>
    private static Uri? AdminOf(string admin, string cluster)
    {
        if (!Uri.TryCreate($"http://{admin}", UriKind.Absolute, out var uri)) return null;
        if (uri.Host is not ("0.0.0.0" or "[::]") || !Uri.TryCreate($"http://{cluster}", UriKind.Absolute, out var other)) return uri;
        return new UriBuilder(uri) { Host = other.Host }.Uri;
    }
}
