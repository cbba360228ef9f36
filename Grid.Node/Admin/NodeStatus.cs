using Grid.Protocol;

namespace Grid.Node.Admin;

/// <summary>Where a node listens.</summary>
/// <param name="Data">The data plane, <c>host:port</c> as it listens.</param>
/// <param name="Public">The same as clients are told.</param>
/// <param name="Admin">HTTP for operators.</param>
/// <param name="Cluster">The control plane; empty until it listens.</param>
public sealed record NodeAddresses(string Data, string Public, string Admin, string Cluster);

/// <summary>What /api/v1/status answers.</summary>
public sealed record NodeStatus
{
    /// <summary>The node's name.</summary>
    public required string Name { get; init; }

    /// <summary>The program's version.</summary>
    public required string Version { get; init; }

    /// <summary>Starting, serving or draining.</summary>
    public required NodePhase Phase { get; init; }

    /// <summary>Seconds since the node started.</summary>
    public required long UptimeSeconds { get; init; }

    /// <summary>Where it listens.</summary>
    public required NodeAddresses Addresses { get; init; }

    /// <summary>Whether it is ready, check by check.</summary>
    public required ReadinessReport Readiness { get; init; }

    /// <summary>Client connections open now.</summary>
    public required long Connections { get; init; }

    /// <summary>Objects with an actor on this node.</summary>
    public required long Objects { get; init; }

    /// <summary>Its memory.</summary>
    public required MemoryStatus Memory { get; init; }

    /// <summary>Resident memory of the process, bytes.</summary>
    public required long ResidentBytes { get; init; }

    /// <summary>The cluster as this node sees it.</summary>
    public required IReadOnlyList<MemberStatus> Members { get; init; }

    /// <summary>Who serves what, and whether this node may serve.</summary>
    public required ClusterStatus Cluster { get; init; }

    /// <summary>The pools it knows.</summary>
    public required IReadOnlyList<PoolStatus> Pools { get; init; }
}

/// <summary>A pool as the status shows it.</summary>
public sealed record PoolStatus(ulong Id, string Name, string Tenant, PoolKind Kind, PoolSharing Sharing, int PageSizeBytes, PageCompression Compression, ulong QuotaPages, bool Frozen, int Members)
{
    /// <summary>Of what the registry knows.</summary>
    public static PoolStatus Of(PoolInfo pool)
    {
        var options = pool.Options;
        return new PoolStatus(pool.Id.Value, pool.Name, pool.Tenant, options.Kind, options.Sharing, options.PageSizeBytes, options.Compression, options.QuotaPages, pool.Frozen, pool.Members);
    }
}
