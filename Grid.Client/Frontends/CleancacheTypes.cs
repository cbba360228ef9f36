namespace Grid.Client.Frontends;

/// <summary>The kernel's counters of cleancache, counted as the kernel does (<c>/sys/kernel/debug/cleancache</c>). Calls on a file system without a pool are not counted.</summary>
/// <param name="SuccGets">Gets that hit.</param>
/// <param name="FailedGets">Gets that did not, for whatever reason.</param>
/// <param name="Puts">Puts, whatever became of them.</param>
/// <param name="Invalidates">Pages invalidated one by one: not inodes, not file systems.</param>
public readonly record struct CleancacheCounters(long SuccGets, long FailedGets, long Puts, long Invalidates);

/// <summary>How a <see cref="Cleancache"/> treats the grid.</summary>
public sealed record CleancacheOptions
{
    /// <summary>How long a get or put may take, 500 ms by default: what takes longer is a miss, or is not cached.</summary>
    public TimeSpan CacheTimeout { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long an invalidation may take; 5 s by default.</summary>
    public TimeSpan InvalidateTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long gets and puts leave the grid alone after it has failed; 1 s by default.</summary>
    public TimeSpan PauseAfterFailure { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The clock; the system's by default.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
