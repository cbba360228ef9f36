using Grid.Protocol;

namespace Grid.Node.Memory;

/// <summary>
/// What one pool holds in one node's <see cref="PageStore"/>. The store keeps the counters, anybody may read them.
/// An account belongs to the first store that stores a page for it.
/// </summary>
public sealed class PoolAccount
{
    // 0 is no slot: the account is not entered in a store yet.
    internal uint Slot;
    internal bool Closed;
    internal int SlotReturned;

    // Written by the evictor alone, from time to time: whether this account holds at least the average of what may be evicted.
    internal volatile bool OverShare;

    private long _pages;
    private long _storedBytes;
    private long _evictableBytes;
    private long _sameFilledPages;
    private long _evictions;

    /// <summary>An account without pages.</summary>
    /// <param name="id">The pool.</param>
    /// <param name="compression">How its pages are compressed.</param>
    /// <param name="pageSizeBytes">Bytes of a page: a power of two from 4 KiB to 64 KiB.</param>
    /// <param name="isEvictable">Whether an evicted page is gone (an ephemeral pool) rather than in the journal.</param>
    /// <exception cref="ArgumentOutOfRangeException">The page size is another, or the compression unknown.</exception>
    public PoolAccount(PoolId id, PageCompression compression, int pageSizeBytes, bool isEvictable)
    {
        if (pageSizeBytes is < PoolOptions.MinPageSizeBytes or > PoolOptions.MaxPageSizeBytes || !int.IsPow2(pageSizeBytes))
            throw new ArgumentOutOfRangeException(nameof(pageSizeBytes), pageSizeBytes, "A page has a power of two of bytes, from 4096 to 65536.");
        if (!Enum.IsDefined(compression))
            throw new ArgumentOutOfRangeException(nameof(compression), compression, "Unknown compression.");
        Id = id;
        IsEvictable = isEvictable;
        Compression = compression;
        PageSizeBytes = pageSizeBytes;
        PageClass = SizeClasses.For(pageSizeBytes);
    }

    /// <summary>The pool.</summary>
    public PoolId Id { get; }

    /// <summary>
    /// Whether an evicted page is gone. Such pages are evictable all their life, so they lie apart from those that wait for a journal: slabs of theirs
    /// can be emptied whole.
    /// </summary>
    public bool IsEvictable { get; }

    /// <summary>How its pages are compressed.</summary>
    public PageCompression Compression { get; }

    /// <summary>Bytes of a page.</summary>
    public int PageSizeBytes { get; }

    /// <summary>Gauge: pages, the same-filled ones and those that wait for their last unpin included.</summary>
    public long Pages => Volatile.Read(ref _pages);

    /// <summary>Gauge: bytes of the frames that the pages take; a same-filled page takes none.</summary>
    public long StoredBytes => Volatile.Read(ref _storedBytes);

    /// <summary>Gauge: bytes of the frames that may be evicted.</summary>
    public long EvictableBytes => Volatile.Read(ref _evictableBytes);

    /// <summary>Gauge: pages without a frame because one word fills them.</summary>
    public long SameFilledPages => Volatile.Read(ref _sameFilledPages);

    /// <summary>Counter: pages dropped for want of memory.</summary>
    public long Evictions => Volatile.Read(ref _evictions);

    // The size class of a raw page.
    internal int PageClass { get; }

    internal void AddPage() => Interlocked.Increment(ref _pages);

    // The pages left.
    internal long RemovePage() => Interlocked.Decrement(ref _pages);

    internal void AddStored(long bytes) => Interlocked.Add(ref _storedBytes, bytes);

    internal void AddEvictable(long bytes) => Interlocked.Add(ref _evictableBytes, bytes);

    internal void AddSameFilled(long pages) => Interlocked.Add(ref _sameFilledPages, pages);

    internal void AddEviction() => Interlocked.Increment(ref _evictions);
}
