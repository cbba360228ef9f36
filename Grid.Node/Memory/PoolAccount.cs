using Grid.Protocol;

namespace Grid.Node.Memory;

/// <summary>What one pool holds in this node's store. The store keeps the counters; all are safe to read from any thread.</summary>
/// <param name="id">The pool.</param>
/// <param name="compression">How its pages are compressed.</param>
/// <param name="pageSizeBytes">Bytes of a page.</param>
/// <param name="isEvictable">Whether an evicted page is gone (ephemeral pools) rather than in the journal.</param>
public sealed class PoolAccount(PoolId id, PageCompression compression, int pageSizeBytes, bool isEvictable)
{
    private long _pages;
    private long _storedBytes;
    private long _sameFilledPages;
    private long _evictions;

    /// <summary>The pool.</summary>
    public PoolId Id { get; } = id;

    /// <summary>How its pages are compressed.</summary>
    public PageCompression Compression { get; } = compression;

    /// <summary>Bytes of a page.</summary>
    public int PageSizeBytes { get; } = pageSizeBytes;

    /// <summary>Whether an evicted page is gone.</summary>
    public bool IsEvictable { get; } = isEvictable;

    /// <summary>Pages in memory, same-filled ones included.</summary>
    public long Pages => Volatile.Read(ref _pages);

    /// <summary>Bytes of the frames they take.</summary>
    public long StoredBytes => Volatile.Read(ref _storedBytes);

    /// <summary>Pages that take no frame.</summary>
    public long SameFilledPages => Volatile.Read(ref _sameFilledPages);

    /// <summary>Pages dropped for want of memory.</summary>
    public long Evictions => Volatile.Read(ref _evictions);

    /// <summary>The account's number in its store; −1 before its first page.</summary>
    internal int Number { get; set; } = -1;

    internal void Stored(int frameBytes)
    {
        Interlocked.Increment(ref _pages);
        Interlocked.Add(ref _storedBytes, frameBytes);
    }

    internal void Freed(int frameBytes)
    {
        Interlocked.Decrement(ref _pages);
        Interlocked.Add(ref _storedBytes, -frameBytes);
    }

    internal void Evicted(int frameBytes)
    {
        Freed(frameBytes);
        Interlocked.Increment(ref _evictions);
    }

    internal void SameStored()
    {
        Interlocked.Increment(ref _pages);
        Interlocked.Increment(ref _sameFilledPages);
    }

    internal void SameFreed()
    {
        Interlocked.Decrement(ref _pages);
        Interlocked.Decrement(ref _sameFilledPages);
    }
}
