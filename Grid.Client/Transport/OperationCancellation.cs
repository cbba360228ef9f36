namespace Grid.Client;

/// <summary>Watches a caller's token on behalf of an operation. Registers only with tokens that can be cancelled.</summary>
/// <remarks>
/// A cancellation that comes while the operation is between two places finds no place: whoever places it next asks <see cref="IsRequested"/> under the link's gate,
/// after having written <see cref="Operation.Link"/>. Either the cancellation sees the link or the placer sees the request.
/// </remarks>
internal sealed class OperationCancellation(Operation operation)
{
    private CancellationTokenRegistration _registration;
    private volatile bool _requested;
    private bool _mayStillRun;

    public CancellationToken Token { get; private set; }

    /// <summary>Whether the token was cancelled while it was watched. A full fence stands before the look.</summary>
    public bool IsRequested
    {
        get
        {
            if (!Token.CanBeCanceled) return false;
            Interlocked.MemoryBarrier();
            return _requested;
        }
    }

    public void Watch(CancellationToken token)
    {
        if (!token.CanBeCanceled) return;
        Token = token;
        _registration = token.UnsafeRegister(static state => ((OperationCancellation)state!).Cancel(), this);
    }

    /// <summary>Ends the watch, without waiting for a callback that runs just now.</summary>
    public void Unwatch()
    {
        if (Token.CanBeCanceled && !_registration.Unregister()) _mayStillRun = true;
    }

    /// <summary>Makes ready for another life; false where a callback may still look at this one.</summary>
    public bool TryReset()
    {
        if (_mayStillRun) return false;
        Token = default;
        _registration = default;
        return true;
    }

    private void Cancel()
    {
        _requested = true;
        Interlocked.MemoryBarrier();
        // The operation can move on between the look and the gate: then look again.
        while (operation.Link is { } link && !link.TryCancel(operation))
        {
        }
    }
}
