using Grid.Protocol;

namespace Grid.Client.Frontends;

/// <summary>
/// Cleancache, as Linux had it (<c>mm/cleancache.c</c>): a second chance for clean pages that a page cache drops. Put them when they are dropped, ask before reading them from the disk again,
/// and invalidate them before what is on the disk changes. A page may always be missing, and never is an old one.
/// </summary>
/// <remarks>It holds counters only, as the kernel's does; the pages are the file systems'. Safe for use by any number of threads at once.</remarks>
public sealed class Cleancache
{
    private readonly GridClient _client;
    private readonly CleancacheOptions _options;
    private long _succGets;
    private long _failedGets;
    private long _puts;
    private long _invalidates;

    /// <summary>Makes a cleancache.</summary>
    /// <param name="client">The way to the grid; it stays the caller's. Its member name tells the sharers of a shared file system apart.</param>
    /// <param name="options">How to treat the grid.</param>
    public Cleancache(GridClient client, CleancacheOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(client);
        _client = client;
        _options = options ?? new CleancacheOptions();
    }

    /// <summary>The kernel's counters, over all file systems.</summary>
    public CleancacheCounters Counters => new(
        Interlocked.Read(ref _succGets), Interlocked.Read(ref _failedGets), Interlocked.Read(ref _puts), Interlocked.Read(ref _invalidates));

    /// <summary>
    /// Gives a file system that only this process mounts a pool (<c>cleancache_init_fs</c>, at mount): an ephemeral private one, <c>cleancache.NAME</c>, in which a get removes what it finds. One of
    /// this name that an earlier mount left is destroyed first.
    /// </summary>
    /// <param name="name">The mount's name, of the characters of a pool's name; no other process may use it meanwhile.</param>
    /// <param name="pageSizeBytes">Bytes of a page; 4096 by default.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The file system; if the grid cannot be had, without a pool: everything is a miss then (<see cref="CleancacheFileSystem.LastFailure"/> says why).</returns>
    /// <exception cref="ArgumentException">The name or the page size is out of range.</exception>
    public async ValueTask<CleancacheFileSystem> InitFsAsync(string name, int pageSizeBytes = PoolOptions.MinPageSizeBytes, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(name);
        var pool = $"cleancache.{name}";
        try
        {
            try
            {
                await _client.DestroyPoolAsync(pool, cancellationToken).ConfigureAwait(false);
            }
            catch (NoSuchPoolException)
            {
                // The usual case: nothing was left.
            }

            return Of(await _client.CreatePoolAsync(pool, new PoolOptions { PageSizeBytes = pageSizeBytes }, cancellationToken).ConfigureAwait(false));
        }
        catch (GridException e)
        {
            return Without(pageSizeBytes, e);
        }
    }

    /// <summary>
    /// Gives a file system that several mount a pool (<c>cleancache_init_shared_fs</c>): an ephemeral shared one, <c>cleancache.UUID</c>, which all with the same UUID join, and in which a get keeps
    /// what it finds. Who changes a page must keep the others from it until <see cref="CleancacheFileSystem.InvalidatePageAsync"/> has returned.
    /// </summary>
    /// <param name="uuid">The file system's.</param>
    /// <param name="pageSizeBytes">Bytes of a page; 4096 by default, the same for all that mount it.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The file system; if the grid cannot be had, without a pool: everything is a miss then (<see cref="CleancacheFileSystem.LastFailure"/> says why).</returns>
    /// <exception cref="ArgumentException">The page size is out of range.</exception>
    public async ValueTask<CleancacheFileSystem> InitSharedFsAsync(Guid uuid, int pageSizeBytes = PoolOptions.MinPageSizeBytes, CancellationToken cancellationToken = default)
    {
        try
        {
            var options = new PoolOptions { Sharing = PoolSharing.Shared, PageSizeBytes = pageSizeBytes };
            return Of(await _client.CreatePoolAsync($"cleancache.{uuid:n}", options, cancellationToken).ConfigureAwait(false));
        }
        catch (GridException e)
        {
            return Without(pageSizeBytes, e);
        }
    }

    internal void CountGet(bool hit) => Interlocked.Increment(ref hit ? ref _succGets : ref _failedGets);

    internal void CountPut() => Interlocked.Increment(ref _puts);

    internal void CountInvalidate() => Interlocked.Increment(ref _invalidates);

    private CleancacheFileSystem Of(Pool pool) => new(this, _client, pool, pool.PageSizeBytes, _options, null);

    private CleancacheFileSystem Without(int pageSizeBytes, GridException why) => new(this, _client, null, pageSizeBytes, _options, why.Message);
}
