using Grid.Client;

namespace Grid.Node.Frontends.Nbd;

/// <summary>
/// The time a request has. What is not applied is repeated by the client until then, and what may have been applied as well: a block device's requests that are under way at the same
/// time have no order, so one that takes effect twice is the later of the two. docs/nbd.md says what follows.
/// </summary>
/// <param name="timeout">How long, from now.</param>
internal readonly struct RequestClock(TimeSpan timeout)
{
    private readonly long _deadlineMs = Environment.TickCount64 + (long)timeout.TotalMilliseconds;

    /// <summary>Whether there is time left.</summary>
    public bool IsOver => Environment.TickCount64 >= _deadlineMs;

    /// <summary>How the next call is made.</summary>
    public CallOptions Call() => new() { Timeout = TimeSpan.FromMilliseconds(Math.Max(1, _deadlineMs - Environment.TickCount64)), AtLeastOnce = true };
}
