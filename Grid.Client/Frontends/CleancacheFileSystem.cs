using Grid.Protocol;

namespace Grid.Client.Frontends;

/// <summary>A file system of a <see cref="Cleancache"/>: its inodes are objects, its pages are theirs. Safe for use by any number of threads at once.</summary>
/// <remarks>
/// <para>A get that fails is a miss, a put that fails is not cached. What must not fail is an invalidation. In a file system of one process, what was not acknowledged is remembered here: all
/// pages of that inode are misses until the grid has flushed it. In a shared one the others cannot know, so there an invalidation that was not acknowledged is an exception: the caller must not change the
/// page before a repetition succeeds.</para>
/// <para>A put that was given up cannot take effect after a later invalidation: each is conditional on a version of before it.</para>
/// </remarks>
public sealed class CleancacheFileSystem
{
    /// <summary>The most inodes that are remembered for invalidations that failed: 65536. With more, the file system goes on without its pool.</summary>
    public const int MaxInodesInDoubt = 65_536;

    private readonly Cleancache _cleancache;
    private readonly GridClient _client;
    private readonly GuardedWrites? _writes;
    private readonly KeyedLocks<(ObjectId Inode, uint Index)> _locks = new();
    private readonly InodeDoubts _doubts = new();
    private readonly CallOptions _cacheOptions;
    private readonly CallOptions _invalidateOptions;
    private readonly Pause _pause;
    private readonly bool _isShared;
    private volatile Pool? _pool;
    private volatile string? _lastFailure;

    internal CleancacheFileSystem(Cleancache cleancache, GridClient client, Pool? pool, int pageSizeBytes, CleancacheOptions options, string? failure)
    {
        _cleancache = cleancache;
        _client = client;
        _pool = pool;
        _writes = pool is null ? null : new GuardedWrites(pool);
        _isShared = pool?.Info.Options.Sharing == PoolSharing.Shared;
        _cacheOptions = new CallOptions { Timeout = options.CacheTimeout };
        // A flush applied twice undoes nothing that a cache may not lose.
        _invalidateOptions = new CallOptions { Timeout = options.InvalidateTimeout, AtLeastOnce = true };
        _pause = new Pause(options.PauseAfterFailure, options.Time);
        _lastFailure = failure;
        PageSizeBytes = pageSizeBytes;
    }

    /// <summary>Bytes of a page.</summary>
    public int PageSizeBytes { get; }

    /// <summary>Whether it has a pool. Without one every get is a miss, and nothing is done or counted.</summary>
    public bool HasPool => _pool is not null;

    /// <summary>What the grid said when something failed last; null where nothing has failed.</summary>
    public string? LastFailure => _lastFailure;

    /// <summary>Asks for a page (<c>cleancache_get_page</c>, before it is read from the disk). In a file system of one process a hit removes it.</summary>
    /// <param name="inode">The file: its handle or its inode number, as far as that is never used again.</param>
    /// <param name="index">The page's number in the file.</param>
    /// <param name="destination">At least <see cref="PageSizeBytes"/> bytes; if the answer is false, they may hold anything.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>Whether the page is in the destination.</returns>
    /// <exception cref="ArgumentException">The destination is too short.</exception>
    public async ValueTask<bool> GetPageAsync(ObjectId inode, uint index, Memory<byte> destination, CancellationToken cancellationToken = default)
    {
        if (destination.Length < PageSizeBytes) throw Arguments.DestinationLength(destination.Length, PageSizeBytes, nameof(destination));
        if (_pool is not { } pool) return false;
        var hit = false;
        if (!_pause.IsOn && await IsCertainAsync(pool, inode, cancellationToken).ConfigureAwait(false))
        {
            try
            {
                hit = (await pool.GetAsync(inode, index, destination, GetMode.PoolDefault, _cacheOptions, cancellationToken).ConfigureAwait(false)).Hit;
            }
            catch (GridException e)
            {
                Failed(e);
            }
        }

        _cleancache.CountGet(hit);
        return hit;
    }

    /// <summary>Offers a clean page (<c>cleancache_put_page</c>, when a page cache drops it). Whether it is kept is not said.</summary>
    /// <param name="inode">The file.</param>
    /// <param name="index">The page's number in the file.</param>
    /// <param name="page">Exactly <see cref="PageSizeBytes"/> bytes, as they are on the disk.</param>
    /// <param name="cancellationToken">Gives the call up. In a shared file system an older page may then be in the cache, so the caller invalidates this one.</param>
    /// <exception cref="ArgumentException">The page's length is wrong.</exception>
    /// <exception cref="GridException">Shared file systems only: the put failed, and so did the invalidation in its stead; others may get an older page. Invalidate it, or put it again.</exception>
    public async ValueTask PutPageAsync(ObjectId inode, uint index, ReadOnlyMemory<byte> page, CancellationToken cancellationToken = default)
    {
        if (page.Length != PageSizeBytes) throw Arguments.PageLength(page.Length, PageSizeBytes, nameof(page));
        if (_pool is not { } pool) return;
        _cleancache.CountPut();
        using var held = await _locks.EnterAsync((inode, index), cancellationToken).ConfigureAwait(false);
        try
        {
            if (!_pause.IsOn && await IsCertainAsync(pool, inode, cancellationToken).ConfigureAwait(false))
            {
                // A refusal leaves the handle empty: right as well.
                await _writes!.PutAsync(inode, index, page, _cacheOptions, cancellationToken).ConfigureAwait(false);
                return;
            }
        }
        catch (NoSuchPoolException e)
        {
            Failed(e);
            return;
        }
        catch (GridException e)
        {
            Failed(e);
        }
        catch (OperationCanceledException)
        {
            Doubt(inode);
            throw;
        }

        // What may be in the cache is older than this page.
        await EmptyAsync(pool, inode, index, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Invalidates a page (<c>cleancache_invalidate_page</c>), before what is on the disk changes.</summary>
    /// <param name="inode">The file.</param>
    /// <param name="index">The page's number in the file.</param>
    /// <param name="cancellationToken">Gives the call up; the page may then still be in the cache.</param>
    /// <exception cref="GridException">Shared file systems only: the invalidation was not acknowledged, and others may still get the page. Do not change it before a repetition succeeds.</exception>
    public async ValueTask InvalidatePageAsync(ObjectId inode, uint index, CancellationToken cancellationToken = default)
    {
        if (_pool is not { } pool) return;
        _cleancache.CountInvalidate();
        using var held = await _locks.EnterAsync((inode, index), cancellationToken).ConfigureAwait(false);
        await EmptyAsync(pool, inode, index, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Invalidates all pages of a file (<c>cleancache_invalidate_inode</c>).</summary>
    /// <param name="inode">The file.</param>
    /// <param name="cancellationToken">Gives the call up; pages may then still be in the cache.</param>
    /// <exception cref="GridException">Shared file systems only: the invalidation was not acknowledged, and others may still get the pages.</exception>
    public async ValueTask InvalidateInodeAsync(ObjectId inode, CancellationToken cancellationToken = default)
    {
        if (_pool is not { } pool) return;
        await EmptyAsync(pool, inode, null, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Gives the pool back (<c>cleancache_invalidate_fs</c>, at unmount): destroys it, or leaves it where it is shared. From then on every get is a miss.</summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="GridException">Shared file systems only: the pool was not left, and may keep pages that a later mount would find. Mount it nowhere without cleancache before it has been left.</exception>
    public async ValueTask InvalidateFsAsync(CancellationToken cancellationToken = default)
    {
        if (_pool is not { } pool) return;
        _pool = null;
        try
        {
            await _client.DestroyPoolAsync(pool.Name, cancellationToken).ConfigureAwait(false);
        }
        catch (NoSuchPoolException)
        {
            // Gone already, which is what was asked for.
        }
        catch (GridException e)
        {
            Failed(e);
            if (_isShared) throw;
        }
    }

    private void Failed(GridException e)
    {
        _lastFailure = e.Message;
        _pause.Begin();
    }

    /// <summary>Whether no invalidation of the inode is open; tries to make up for one that is.</summary>
    private async ValueTask<bool> IsCertainAsync(Pool pool, ObjectId inode, CancellationToken cancellationToken)
    {
        if (_doubts.IsEmpty || !_doubts.TryGet(inode, out var doubt)) return true;
        try
        {
            await FlushInodeAsync(pool, inode, cancellationToken).ConfigureAwait(false);
        }
        catch (GridException e)
        {
            Failed(e);
            return false;
        }

        _doubts.Settle(inode, doubt);
        return true;
    }

    /// <summary>Removes a page, or all of an inode. If it cannot: the inode is in doubt, and where others use the pool, the failure.</summary>
    private async ValueTask EmptyAsync(Pool pool, ObjectId inode, uint? index, CancellationToken cancellationToken)
    {
        var done = false;
        try
        {
            // A shared file system's caller must know; a private one's need not wait for it.
            if (_isShared || !_pause.IsOn)
            {
                if (index is { } one) await _writes!.FlushAsync(inode, one, _invalidateOptions, cancellationToken).ConfigureAwait(false);
                else await FlushInodeAsync(pool, inode, cancellationToken).ConfigureAwait(false);
                done = true;
            }
        }
        catch (NoSuchPoolException e)
        {
            Failed(e);
            done = true;
        }
        catch (GridException e)
        {
            Failed(e);
            if (_isShared) throw;
        }
        finally
        {
            if (!done) Doubt(inode);
        }
    }

    private async ValueTask FlushInodeAsync(Pool pool, ObjectId inode, CancellationToken cancellationToken)
    {
        var result = await pool.FlushObjectAsync(inode, _invalidateOptions, cancellationToken).ConfigureAwait(false);
        _writes!.Learn(inode, result.Version);
    }

    private void Doubt(ObjectId inode)
    {
        _doubts.Add(inode);
        if (_doubts.Count > MaxInodesInDoubt) _pool = null;
    }
}
