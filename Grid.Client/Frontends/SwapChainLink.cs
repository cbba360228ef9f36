namespace Grid.Client.Frontends;

/// <summary>A backend in <see cref="Frontswap"/>'s chain, with its counts. It turns what a backend throws into what is known then of the page.</summary>
internal sealed class SwapChainLink(IFrontswapBackend backend, int place, Pause pause)
{
    private long _pages;
    private long _stores;
    private long _refusals;
    private long _failures;
    private string? _lastFailure;

    public IFrontswapBackend Backend => backend;

    public FrontswapBackendStatus Status => new(
        backend.Name, Interlocked.Read(ref _pages), Interlocked.Read(ref _stores), Interlocked.Read(ref _refusals), Interlocked.Read(ref _failures), Volatile.Read(ref _lastFailure));

    public static bool IsFailure(Exception e) => e is GridException or IOException;

    /// <param name="e">What failed.</param>
    /// <param name="pauses">Whether to leave the backend out for a while: not where it has answered.</param>
    public void Failed(Exception e, bool pauses = true)
    {
        Interlocked.Increment(ref _failures);
        Volatile.Write(ref _lastFailure, e.Message);
        if (pauses) pause.Begin();
    }

    /// <summary>From now on loads of the page go here.</summary>
    public void Hold(SwapDevice device, uint offset, bool writtenThrough)
    {
        device.SetHolder(offset, place, writtenThrough);
        Interlocked.Increment(ref _pages);
    }

    /// <summary>No load of the page goes here any more.</summary>
    public void LetGo(SwapDevice device, uint offset)
    {
        device.ClearHolder(offset);
        Interlocked.Decrement(ref _pages);
    }

    public void LetGoOfAll(long pages) => Interlocked.Add(ref _pages, -pages);

    /// <summary>Tries to store; whether the page is here now.</summary>
    public async ValueTask<bool> TryStoreAsync(SwapDevice device, uint offset, ReadOnlyMemory<byte> page, CancellationToken cancellationToken)
    {
        if (pause.IsOn) return false;
        var mayHoldOlder = device.MayHold(offset, place);
        device.SetMayHold(offset, place);
        try
        {
            if (await backend.StoreAsync(device.Type, offset, page, cancellationToken).ConfigureAwait(false))
            {
                Interlocked.Increment(ref _stores);
                return true;
            }

            Interlocked.Increment(ref _refusals);
            device.ClearMayHold(offset, place);
        }
        catch (Exception e) when (IsFailure(e))
        {
            Failed(e);
            if (!mayHoldOlder && e is GridException { Outcome: CallOutcome.NotApplied }) device.ClearMayHold(offset, place);
        }

        return false;
    }

    /// <summary>Removes the page if it may be here. If that fails the device goes on noting that it may be.</summary>
    public async ValueTask InvalidateAsync(SwapDevice device, uint offset, CancellationToken cancellationToken)
    {
        if (!device.MayHold(offset, place) || pause.IsOn) return;
        try
        {
            await backend.InvalidatePageAsync(device.Type, offset, cancellationToken).ConfigureAwait(false);
            device.ClearMayHold(offset, place);
        }
        catch (Exception e) when (IsFailure(e))
        {
            Failed(e);
        }
    }

    /// <summary>Removes all pages of a device. They are found no more whatever comes of it.</summary>
    public async ValueTask InvalidateAreaAsync(int type, CancellationToken cancellationToken)
    {
        try
        {
            await backend.InvalidateAreaAsync(type, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (IsFailure(e))
        {
            Failed(e);
        }
    }
}
