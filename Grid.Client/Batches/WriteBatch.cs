using Grid.Protocol;

namespace Grid.Client;

/// <summary>
/// Puts and flushes of pages of one object that take effect at one instant, all or nothing: at most 256 entries and 1 MiB of pages, every index at most once.
/// Made once and used again after <see cref="Clear"/>. It holds the callers' page buffers, not copies: neither it nor they may change
/// while a call that was given it is running. Not safe for use by several threads at once.
/// </summary>
public sealed class WriteBatch
{
    private readonly HashSet<uint> _indexes = [];
    private BatchEntry[] _entries = new BatchEntry[16];
    private ReadOnlyMemory<byte>[] _pages = new ReadOnlyMemory<byte>[16];

    /// <summary>Entries so far.</summary>
    public int Count { get; private set; }

    /// <summary>Puts so far.</summary>
    internal int Puts { get; private set; }

    /// <summary>Page bytes so far.</summary>
    internal int PageBytes { get; private set; }

    /// <summary>The entries in order.</summary>
    internal ReadOnlySpan<BatchEntry> Entries => _entries.AsSpan(0, Count);

    /// <summary>The pages of the puts in order.</summary>
    internal ReadOnlySpan<ReadOnlyMemory<byte>> Pages => _pages.AsSpan(0, Puts);

    /// <summary>Adds a put.</summary>
    /// <param name="index">The page number.</param>
    /// <param name="page">The page: exactly the pool's page size (checked when the batch is used). The buffer stays in use until the batch's call has returned.</param>
    /// <returns>This batch.</returns>
    /// <exception cref="ArgumentException">The index is in the batch already, or the page is longer than any page can be.</exception>
    /// <exception cref="InvalidOperationException">The batch is full.</exception>
    public WriteBatch Put(uint index, ReadOnlyMemory<byte> page)
    {
        if (page.Length > PoolOptions.MaxPageSizeBytes)
            throw new ArgumentException($"The page has {page.Length} bytes, no page is longer than {PoolOptions.MaxPageSizeBytes}.", nameof(page));
        if (PageBytes + page.Length > ProtocolLimits.MaxBatchBytes)
            throw new InvalidOperationException($"The batch is full: {PageBytes} bytes of pages, {ProtocolLimits.MaxBatchBytes} is the most.");
        Add(index, isFlush: false);
        if (Puts == _pages.Length) Array.Resize(ref _pages, _pages.Length * 2);
        _pages[Puts++] = page;
        PageBytes += page.Length;
        return this;
    }

    /// <summary>Adds a flush of a page.</summary>
    /// <param name="index">The page number.</param>
    /// <returns>This batch.</returns>
    /// <exception cref="ArgumentException">The index is in the batch already.</exception>
    /// <exception cref="InvalidOperationException">The batch is full.</exception>
    public WriteBatch Flush(uint index)
    {
        Add(index, isFlush: true);
        return this;
    }

    /// <summary>Empties the batch, to be filled again. Lets go of the page buffers.</summary>
    public void Clear()
    {
        _indexes.Clear();
        _pages.AsSpan(0, Puts).Clear();
        Count = 0;
        Puts = 0;
        PageBytes = 0;
    }

    private void Add(uint index, bool isFlush)
    {
        if (Count == ProtocolLimits.MaxBatchPages) throw new InvalidOperationException($"The batch is full: {ProtocolLimits.MaxBatchPages} entries.");
        if (!_indexes.Add(index)) throw new ArgumentException($"Index {index} is in the batch already.", nameof(index));
        if (Count == _entries.Length) Array.Resize(ref _entries, _entries.Length * 2);
        _entries[Count++] = new BatchEntry(index, isFlush);
    }
}
