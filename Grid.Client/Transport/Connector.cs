namespace Grid.Client;

/// <summary>Opens a link's connections: one at a time, addresses in order, with growing delays while none answers.</summary>
/// <param name="link">Whose.</param>
/// <param name="router">Who greets.</param>
/// <param name="addresses">Where to, in the order in which they are tried.</param>
internal sealed class Connector(NodeLink link, Router router, IReadOnlyList<NodeAddress> addresses)
{
    /// <summary>A connection that lasted this long was a good one: the next is tried at once.</summary>
    private const long GoodAfterMs = 1_000;

    private Task _run = Task.CompletedTask;
    private bool _isRunning;
    private int _attempts;
    private int _next;
    private long _openedMs;
    private long _triedMs;

    /// <summary>Why there is no connection.</summary>
    public Exception? LastFailure
    {
        get => Volatile.Read(ref field);
        set => Volatile.Write(ref field, value);
    }

    /// <summary>Begins to connect, unless that is under way. Under the link's gate.</summary>
    /// <param name="skipFirst">Whether the address that is connected comes last this time.</param>
    public void Begin(bool skipFirst = false)
    {
        if (_isRunning || router.IsClosed) return;
        _isRunning = true;
        if (!skipFirst) _next = 0;
        var nowMs = Deadlines.NowMs;
        if (_openedMs != 0 && nowMs - _openedMs >= GoodAfterMs) _attempts = 0;
        // An owner is tried only when somebody is sent to it: after a while it may well be back.
        if (!link.IsHome && nowMs - _triedMs >= GoodAfterMs) _attempts = 0;
        using (ExecutionContext.SuppressFlow()) _run = Task.Run(RunAsync);
    }

    /// <summary>The connection stands. Under the link's gate.</summary>
    public void End()
    {
        _isRunning = false;
        _openedMs = Deadlines.NowMs;
    }

    /// <summary>Tries each address once.</summary>
    /// <exception cref="GridException">None answered. An answer that refuses counts more than silence.</exception>
    public async Task ConnectOnceAsync(CancellationToken cancellationToken)
    {
        var failures = new List<GridException>();
        for (var i = 0; i < addresses.Count; i++)
        {
            try
            {
                await OpenAsync(i, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (GridException failure)
            {
                failures.Add(failure);
            }
        }

        throw failures.Count == 1
            ? failures[0]
            : failures.Find(failure => failure is not GridUnavailableException)
                ?? new GridUnavailableException(string.Join(' ', failures.Select(failure => failure.Message)), failures[0]);
    }

    /// <summary>Waits until a running attempt has ended.</summary>
    public Task StoppedAsync()
    {
        lock (link.Gate) return _run;
    }

    private async Task RunAsync()
    {
        while (!router.IsClosed)
        {
            try
            {
                await Task.Delay(Backoff.ConnectMs(_attempts++), router.Closing).ConfigureAwait(false);
                if (await TryEachAsync().ConfigureAwait(false)) return;
            }
            catch (OperationCanceledException)
            {
                // The client is being disposed of.
                return;
            }

            if (link.IsHome) continue;
            lock (link.Gate) (_isRunning, _triedMs) = (false, Deadlines.NowMs);
            link.GiveUp(LastFailure?.Message ?? "its node cannot be reached");
            return;
        }
    }

    private async Task<bool> TryEachAsync()
    {
        var first = _next;
        for (var i = 0; i < addresses.Count; i++)
        {
            try
            {
                await OpenAsync((first + i) % addresses.Count, router.Closing).ConfigureAwait(false);
                return true;
            }
            catch (Exception failure) when (failure is not OperationCanceledException)
            {
                LastFailure = failure;
            }
        }

        return false;
    }

    private async Task OpenAsync(int index, CancellationToken cancellationToken)
    {
        var greeted = await router.GreetAsync(addresses[index], cancellationToken).ConfigureAwait(false);
        // Where a node that leaves is followed by the next one.
        _next = (index + 1) % addresses.Count;
        if (!link.Attach(greeted)) greeted.Socket.Dispose();
    }
}
