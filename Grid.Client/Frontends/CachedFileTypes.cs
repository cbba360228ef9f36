namespace Grid.Client.Frontends;

/// <summary>How a <see cref="CachedFile"/> uses the grid. Processes that share a file may differ in it.</summary>
public sealed record CachedFileOptions
{
    /// <summary>How many pages are read from the origin at least when one is missing: 1 to 64, a power of two; 16 by default. At most a segment of 256 KiB is.</summary>
    public int FetchPages { get; init; } = 16;

    /// <summary>How long a read waits for the grid before it goes to the origin; 500 ms by default.</summary>
    public TimeSpan CacheTimeout { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long a write waits for each invalidation; 10 s by default.</summary>
    public TimeSpan InvalidateTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long reads leave the grid alone after it has failed; 1 s by default.</summary>
    public TimeSpan PauseAfterFailure { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The clock; the system's by default.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}

/// <summary>Counters of a <see cref="CachedFile"/>.</summary>
/// <param name="Hits">Pages read from the grid.</param>
/// <param name="Misses">Pages that were asked for and read from the origin.</param>
/// <param name="OriginReads">Requests to the origin.</param>
/// <param name="OriginPages">Pages that those read.</param>
/// <param name="PagesPut">Pages put into the grid.</param>
/// <param name="PagesNotPut">Pages that were not: refused, changed meanwhile, being written, or the grid failed.</param>
/// <param name="CacheFailures">Calls to the grid that failed.</param>
/// <param name="LastFailure">What the last of them said; null where none has failed.</param>
public sealed record CachedFileCounters(
    long Hits, long Misses, long OriginReads, long OriginPages, long PagesPut, long PagesNotPut, long CacheFailures, string? LastFailure);
