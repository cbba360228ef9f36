using Grid.Client;

namespace Grid.Node.Frontends.Nbd;

/// <summary>
/// The time a request has. What is not applied is repeated by the client until then, and what may have been applied as well: a block device's requests that are under way at the same
/// time have no order, so one that takes effect twice is the later of the two. docs/nbd.md says what follows.
/// </summary>
/// <param name="timeout">How long, from now.</param>
internal readonly struct RequestClock(TimeSpan timeout)
{
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);

    private readonly long _deadlineMs = Environment.TickCount64 + (long)timeout.TotalMilliseconds;

    /// <summary>Whether there is time left.</summary>
    public bool IsOver => Environment.TickCount64 >= _deadlineMs;

    /// <summary>The time there is left; a millisecond at least.</summary>
    public TimeSpan Left => TimeSpan.FromMilliseconds(Math.Max(1, _deadlineMs - Environment.TickCount64));

    /// <summary>Does what may fail for a while: what was not applied because its owner could not (its journal is away), and is not repeated by the client, is begun anew.</summary>
    /// <param name="action">What is done. Doing it again must do no harm.</param>
    /// <param name="cancellation">Gives up.</param>
    public async ValueTask<T> RepeatAsync<T>(Func<ValueTask<T>> action, CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                return await action().ConfigureAwait(false);
            }
            catch (GridException failure) when (failure.GetType() == typeof(GridException) && failure.Outcome == CallOutcome.NotApplied && !IsOver)
            {
                await Task.Delay(Pause, cancellation).ConfigureAwait(false);
            }
        }
    }

    /// <summary>How the next call is made.</summary>
    public CallOptions Call() => new() { Timeout = Left, AtLeastOnce = true };
}
