namespace Grid.Protocol;

/// <summary>Counters of a pool, summed over the nodes that hold its objects. Counts since the nodes started; gauges are of now.</summary>
public sealed record PoolStat
{
    /// <summary>The pool.</summary>
    public required PoolInfo Pool { get; init; }

    /// <summary>Gauge: objects with an actor in memory.</summary>
    public ulong Objects { get; init; }

    /// <summary>Gauge: pages in memory (ephemeral pools) or pages of the resident objects (persistent pools).</summary>
    public ulong Pages { get; init; }

    /// <summary>Gauge: bytes those pages have for their users (pages × page size).</summary>
    public ulong LogicalBytes { get; init; }

    /// <summary>Gauge: bytes they take in memory after compression and same-filled detection.</summary>
    public ulong StoredBytes { get; init; }

    /// <summary>Gauge: pages held without a frame because one 64-bit word fills them.</summary>
    public ulong SameFilledPages { get; init; }

    /// <summary>Puts that were stored.</summary>
    public ulong Puts { get; init; }

    /// <summary>Puts that were refused.</summary>
    public ulong Refusals { get; init; }

    /// <summary>Gets.</summary>
    public ulong Gets { get; init; }

    /// <summary>Gets that found their page.</summary>
    public ulong Hits { get; init; }

    /// <summary>Pages flushed.</summary>
    public ulong Flushes { get; init; }

    /// <summary>Ephemeral pages evicted for want of memory.</summary>
    public ulong Evictions { get; init; }
}
