using Microsoft.Extensions.Logging;

namespace Grid.Client;

/// <summary>
/// The client and pool of a cache, opened when it is first used, so that a grid that is down keeps no program from starting. What fails is tried again by the next call.
/// </summary>
internal sealed class CacheConnection(GridCacheOptions options, ILogger logger) : IAsyncDisposable
{
    private readonly SemaphoreSlim _gate = new(1, 1);
    private GridClient? _client;
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
        return _pages is { } pages ? new ValueTask<CachePages>(pages) : OpenSlowlyAsync(cancellationToken);
    }

    /// <summary>Forgets a pool that was destroyed, so that the next call opens or creates one. Always true.</summary>
    public bool Forget(CachePages pages)
    {
        Interlocked.CompareExchange(ref _pages, null, pages);
        return true;
    }

    public async ValueTask DisposeAsync()
    {
        await _gate.WaitAsync().ConfigureAwait(false);
        try
        {
            _isDisposed = true;
            _pages = null;
            if (_client is not null && options.ClientFactory is null) await _client.DisposeAsync().ConfigureAwait(false);
            _client = null;
        }
        finally
        {
            _gate.Release();
        }
    }

    private async ValueTask<CachePages> OpenSlowlyAsync(CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            ObjectDisposedException.ThrowIf(_isDisposed, typeof(GridDistributedCache));
            if (_pages is { } others) return others;
            _client ??= options.ClientFactory is { } factory
                ? await factory(cancellationToken).ConfigureAwait(false)
                : await GridClient.ConnectAsync(options.Connection(), cancellationToken).ConfigureAwait(false);
            var pool = await JoinAsync(_client, cancellationToken).ConfigureAwait(false);
            logger.Opened(pool.Name, pool.Info.Options.Kind, pool.PageSizeBytes);
            return _pages = new CachePages(pool, logger);
        }
        catch (ObjectDisposedException) when (!_isDisposed && options.ClientFactory is not null)
        {
            // The factory's client was closed by its owner: the next call asks for another.
            _client = null;
            throw;
        }
        finally
        {
            _gate.Release();
        }
    }

    private async ValueTask<Pool> JoinAsync(GridClient client, CancellationToken cancellationToken)
    {
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                return await client.OpenPoolAsync(options.Pool, cancellationToken).ConfigureAwait(false);
            }
            catch (NoSuchPoolException) when (options.NewPool is not null && attempt < 3)
            {
                // Created here, or by another program at the same time.
            }

            try
            {
                return await client.CreatePoolAsync(options.Pool, options.NewPool, cancellationToken).ConfigureAwait(false);
            }
            catch (PoolExistsException)
            {
                // Another program was faster: its pool is as good.
            }
        }
    }
}
