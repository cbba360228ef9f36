namespace Grid.Client.Frontends;

/// <summary>Locks for pages, many pages to a lock: calls about one page run one after another. Who holds one waits for no other, but in <see cref="EnterAllAsync"/>, which goes in order.</summary>
internal sealed class PageStripes
{
    private readonly SemaphoreSlim[] _stripes;

    /// <param name="count">How many locks; a power of two.</param>
    public PageStripes(int count)
    {
        _stripes = new SemaphoreSlim[count];
        for (var i = 0; i < count; i++) _stripes[i] = new SemaphoreSlim(1, 1);
    }

    /// <summary>Enters the lock of a page.</summary>
    public async ValueTask<Hold> EnterAsync(uint hash, CancellationToken cancellationToken)
    {
        var stripe = _stripes[hash & (uint)(_stripes.Length - 1)];
        await stripe.WaitAsync(cancellationToken).ConfigureAwait(false);
        return new Hold(stripe);
    }

    /// <summary>Keeps everybody out.</summary>
    public async ValueTask EnterAllAsync(CancellationToken cancellationToken)
    {
        var entered = 0;
        try
        {
            for (; entered < _stripes.Length; entered++) await _stripes[entered].WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            for (var i = 0; i < entered; i++) _stripes[i].Release();
            throw;
        }
    }

    public void ExitAll()
    {
        foreach (var stripe in _stripes) stripe.Release();
    }

    /// <summary>A lock that is held until this is disposed.</summary>
    public readonly struct Hold(SemaphoreSlim stripe) : IDisposable
    {
        public void Dispose() => stripe.Release();
    }
}
