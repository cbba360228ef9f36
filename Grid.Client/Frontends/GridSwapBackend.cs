using System.Collections.Concurrent;
using System.Security.Cryptography;
using Grid.Protocol;

namespace Grid.Client.Frontends;

/// <summary>
/// Keeps pages of swap devices in a persistent pool, spread over objects as the kernel's glue to Xen's tmem did (<c>drivers/xen/tmem.c</c>): the low bits of a page's number choose
/// the object, the others are the index in it.
/// </summary>
/// <remarks>
/// Object ids are <c>(type &lt;&lt; bits | offset &amp; mask, owner, life)</c>. The life is a random number, new with every <see cref="InitAsync"/> and every
/// <see cref="InvalidateAreaAsync"/>, so that no call of an earlier life, however late, meets a page of the present one. Within a life every write is conditional on a version, which
/// does the same for late calls about one page.
/// </remarks>
public sealed class GridSwapBackend : IFrontswapBackend
{
    private const int ParallelFlushes = 64;
    private readonly Pool _pool;
    private readonly GuardedWrites _writes;
    private readonly CallOptions _storeOptions;
    private readonly CallOptions _loadOptions;
    private readonly ulong _owner;
    private readonly int _bits;
    private readonly uint _mask;
    private readonly ConcurrentDictionary<int, ulong> _lives = new();

    /// <summary>Makes a backend of a pool.</summary>
    /// <param name="pool">A persistent pool. Its quota, if it has one, is what goes on the next backend beyond it.</param>
    /// <param name="options">How to use it.</param>
    /// <exception cref="ArgumentException">The pool is ephemeral: it may drop pages, and a swapped-out page has no other copy. Or an option is out of range.</exception>
    public GridSwapBackend(Pool pool, GridSwapOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(pool);
        options ??= new GridSwapOptions();
        if (pool.Info.Options.Kind != PoolKind.Persistent)
            throw new ArgumentException($"Pool {pool.Name} is ephemeral and may drop pages; swapped-out pages have no other copy. Create it persistent.", nameof(pool));
        if (options.SwizzleBits is < 0 or > 12)
            throw new ArgumentOutOfRangeException(nameof(options), options.SwizzleBits, "SwizzleBits must be 0 to 12.");
        _pool = pool;
        _writes = new GuardedWrites(pool);
        // Only this backend writes these handles, and one call at a time does: a repeated write undoes nothing.
        _storeOptions = new CallOptions { Timeout = options.StoreTimeout, AtLeastOnce = true };
        _loadOptions = new CallOptions { Timeout = options.LoadTimeout };
        _owner = options.Owner;
        _bits = options.SwizzleBits;
        _mask = (1u << _bits) - 1;
    }

    /// <summary><c>grid pool NAME</c>.</summary>
    public string Name => $"grid pool {_pool.Name}";

    /// <summary>Bytes of a page.</summary>
    public int PageSizeBytes => _pool.PageSizeBytes;

    /// <summary>Begins a new life of the device, and flushes whatever earlier lives of this owner's devices left in the pool.</summary>
    /// <param name="type">The device.</param>
    /// <param name="pages">Its size in pages.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="GridException">The pool could not be listed or an object not flushed.</exception>
    public async ValueTask InitAsync(int type, uint pages, CancellationToken cancellationToken)
    {
        _lives[type] = NewLife();
        var left = new List<ObjectId>();
        await foreach (var item in _pool.ListObjectsAsync(cancellationToken: cancellationToken).ConfigureAwait(false))
            if (item.Id.Word1 == _owner && !_lives.Values.Contains(item.Id.Word2)) left.Add(item.Id);
        await FlushAsync(left, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Puts the page.</summary>
    /// <param name="type">The device.</param>
    /// <param name="offset">The page's number in it.</param>
    /// <param name="page">The page.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>False where the grid refuses it: no capacity, the quota used up, the pool frozen.</returns>
    /// <exception cref="GridException">It failed.</exception>
    public ValueTask<bool> StoreAsync(int type, uint offset, ReadOnlyMemory<byte> page, CancellationToken cancellationToken) =>
        _writes.PutAsync(ObjectOf(type, offset), offset >> _bits, page, _storeOptions, cancellationToken);

    /// <summary>Gets the page, and keeps it: a take whose answer is lost would lose the page.</summary>
    /// <param name="type">The device.</param>
    /// <param name="offset">The page's number in it.</param>
    /// <param name="destination">Where to.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="GridException">It failed.</exception>
    public async ValueTask<bool> LoadAsync(int type, uint offset, Memory<byte> destination, CancellationToken cancellationToken) =>
        (await _pool.GetAsync(ObjectOf(type, offset), offset >> _bits, destination, GetMode.Keep, _loadOptions, cancellationToken).ConfigureAwait(false)).Hit;

    /// <summary>Flushes the page.</summary>
    /// <param name="type">The device.</param>
    /// <param name="offset">The page's number in it.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="GridException">It failed.</exception>
    public ValueTask InvalidatePageAsync(int type, uint offset, CancellationToken cancellationToken) =>
        _writes.FlushAsync(ObjectOf(type, offset), offset >> _bits, _storeOptions, cancellationToken);

    /// <summary>Begins a new life of the device and flushes the objects of the present one.</summary>
    /// <param name="type">The device.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="GridException">An object was not flushed. Its pages are found no more; the next <see cref="InitAsync"/> flushes it.</exception>
    public async ValueTask InvalidateAreaAsync(int type, CancellationToken cancellationToken)
    {
        var objects = Enumerable.Range(0, 1 << _bits).Select(low => ObjectOf(type, (uint)low)).ToList();
        _lives[type] = NewLife();
        foreach (var obj in objects) _writes.Forget(obj);
        await FlushAsync(objects, cancellationToken).ConfigureAwait(false);
    }

    private static ulong NewLife()
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        RandomNumberGenerator.Fill(bytes);
        return BitConverter.ToUInt64(bytes);
    }

    private ObjectId ObjectOf(int type, uint offset) => _lives.TryGetValue(type, out var life)
        ? new ObjectId(((ulong)(uint)type << _bits) | (offset & _mask), _owner, life)
        : throw new InvalidOperationException($"Swap device {type} has not been initialised: call InitAsync first.");

    /// <summary>Flushes all of them, also where one fails.</summary>
    private async ValueTask FlushAsync(List<ObjectId> objects, CancellationToken cancellationToken)
    {
        foreach (var some in objects.Chunk(ParallelFlushes))
            await Task.WhenAll(some.Select(obj => _pool.FlushObjectAsync(obj, _storeOptions, cancellationToken).AsTask())).ConfigureAwait(false);
    }
}
