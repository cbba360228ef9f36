using Microsoft.Extensions.Logging;

namespace Grid.Client;

/// <summary>
/// The client and pool of a cache, opened when it is first used, so that a grid that is down keeps no program from starting. Callers that come meanwhile wait for one attempt and share what comes
/// of it; after a failure the next call tries again.
/// </summary>
internal sealed class CacheConnection(GridCacheOptions options, ILogger logger) : IAsyncDisposable
{
    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _gate = new();
    private GridClient? _client;
    private Task<CachePages>? _opening;
    private volatile CachePages? _pages;
    private volatile bool _isDisposed;

    /// <summary>The pool. Joined or created if need be.</summary>
    /// <exception cref="ObjectDisposedException">The cache was disposed.</exception>
    /// <exception cref="NoSuchPoolException">There is no such pool, and none may be created.</exception>
    /// <exception cref="GridException">The grid cannot be reached or refuses.</exception>
    public ValueTask<CachePages> OpenAsync(CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isDisposed, typeof(GridDistributedCache));
        cancellationToken.ThrowIfCancellationRequested();
        return _pages is { } pages ? new ValueTask<CachePages>(pages) : new ValueTask<CachePages>(Opening().WaitAsync(cancellationToken));
    }

    /// <summary>Forgets a pool that was destroyed, so that the next call opens or creates one. Always true.</summary>
    public bool Forget(CachePages pages)
    {
        Interlocked.CompareExchange(ref _pages, null, pages);
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        Task? opening;
        lock (_gate)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            opening = _opening;
        }

        await _closing.CancelAsync().ConfigureAwait(false);
        // What came of the attempt its callers know.
        if (opening is not null) await opening.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _pages = null;
        if (_client is not null && options.ClientFactory is null) await _client.DisposeAsync().ConfigureAwait(false);
        _closing.Dispose();
    }

    private Task<CachePages> Opening()
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(GridDistributedCache));
            if (_opening is { IsCompleted: false }) return _opening;
            return _opening = Task.Run(OpenOnceAsync);
        }
    }

    private async Task<CachePages> OpenOnceAsync()
    {
        if (_pages is { } opened) return opened;
        _client ??= options.ClientFactory is { } factory
            ? await factory(_closing.Token).ConfigureAwait(false)
            : await GridClient.ConnectAsync(options.Connection(), _closing.Token).ConfigureAwait(false);
        var pool = await JoinAsync(_client).ConfigureAwait(false);
        logger.Opened(pool.Name, pool.Info.Options.Kind, pool.PageSizeBytes);
        return _pages = new CachePages(pool, options.ValueBits, logger);
    }

    private async ValueTask<Pool> JoinAsync(GridClient client)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return await client.OpenPoolAsync(options.Pool, _closing.Token).ConfigureAwait(false);
            }
            catch (NoSuchPoolException) when (options.NewPool is not null && attempt < 3)
            {
                // Created here, or by another program at the same time.
            }

            try
            {
                return await client.CreatePoolAsync(options.Pool, options.NewPool, _closing.Token).ConfigureAwait(false);
            }
            catch (PoolExistsException)
            {
                // Another program was faster: its pool is as good.
            }
        }
    }
}
