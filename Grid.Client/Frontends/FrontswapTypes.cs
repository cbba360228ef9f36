namespace Grid.Client.Frontends;

/// <summary>The kernel's counters of frontswap, counted as the kernel does (<c>/sys/kernel/debug/frontswap</c>).</summary>
/// <param name="Loads">Pages that were found.</param>
/// <param name="SuccStores">Stores that a backend accepted, those of write-through included.</param>
/// <param name="FailedStores">Stores that no backend accepted.</param>
/// <param name="Invalidates">Pages invalidated one by one: not those that a store replaced, that an exclusive get removed or that went with their area.</param>
public readonly record struct FrontswapCounters(long Loads, long SuccStores, long FailedStores, long Invalidates);

/// <summary>How a backend of <see cref="Frontswap"/> fares.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Pages">Pages that would be loaded from it now.</param>
/// <param name="Stores">Pages it has accepted.</param>
/// <param name="Refusals">Pages it has refused.</param>
/// <param name="Failures">Calls to it that failed.</param>
/// <param name="LastFailure">What the last of them said; null where none has failed.</param>
public sealed record FrontswapBackendStatus(string Name, long Pages, long Stores, long Refusals, long Failures, string? LastFailure);

/// <summary>Takes a page that leaves frontswap (<see cref="Frontswap.ShrinkAsync"/>). The buffer is the callee's until its task has ended.</summary>
/// <param name="type">The device.</param>
/// <param name="offset">The page's number in it.</param>
/// <param name="page">The page.</param>
/// <param name="cancellationToken">Gives the call up.</param>
public delegate ValueTask SwapPageReceiver(int type, uint offset, ReadOnlyMemory<byte> page, CancellationToken cancellationToken);

/// <summary>
/// A backend has accepted a page, and does not have it any more although nobody invalidated it: its pool was destroyed, or somebody else flushes in it. The page is lost, and every
/// load of it fails so until it is stored or invalidated.
/// </summary>
public sealed class SwapPageLostException : IOException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">Which page, and of which backend.</param>
    public SwapPageLostException(string message)
        : base(message)
    {
    }
}
