namespace Grid.Cli.Files;

/// <summary>What a store or fetch has done so far; written by many, read by the progress bar.</summary>
internal sealed class TransferCounters
{
    private long _bytes;
    private long _pages;
    private long _files;

    /// <summary>Bytes of files moved.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Pages moved.</summary>
    public long Pages => Interlocked.Read(ref _pages);

    /// <summary>Files done.</summary>
    public long Files => Interlocked.Read(ref _files);

    /// <summary>Counts a block.</summary>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="pages">Its pages.</param>
    public void Block(long bytes, long pages)
    {
        Interlocked.Add(ref _bytes, bytes);
        Interlocked.Add(ref _pages, pages);
    }

    /// <summary>Counts a file.</summary>
    public void File() => Interlocked.Increment(ref _files);
}
