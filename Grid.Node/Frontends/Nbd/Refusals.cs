using Grid.Protocol;

namespace Grid.Node.Frontends.Nbd;

/// <summary>What a pool's refusal of a page means for a block device. The refusal has left the pages empty: they read as zeros until they are written again.</summary>
internal static class Refusals
{
    /// <summary>Between attempts of what was refused for want of memory, or met other writers.</summary>
    public static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Waits before the next attempt.</summary>
    /// <param name="reason">Why the last one was refused.</param>
    /// <param name="pool">The pool.</param>
    /// <param name="clock">The request's time.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="NbdException">Another attempt is of no use, or there is no time for one.</exception>
    public static Task WaitAsync(RefusalReason reason, string pool, RequestClock clock, CancellationToken cancellation) => reason switch
    {
        RefusalReason.Capacity when !clock.IsOver => Task.Delay(Pause, cancellation),
        RefusalReason.Capacity => throw new NbdException(NbdError.NoSpace, $"pool '{pool}' refused pages for want of memory; they are empty now"),
        RefusalReason.Quota => throw new NbdException(NbdError.NoSpace, $"pool '{pool}' refused pages over its quota; they are empty now"),
        RefusalReason.Frozen => throw new NbdException(NbdError.Perm, $"pool '{pool}' is frozen; the pages written to are empty now"),
        _ => throw new NbdException(NbdError.Io, $"pool '{pool}' refused pages ({reason}); they are empty now"),
    };
}
