namespace Grid.Client.Frontends;

/// <summary>What a <see cref="CachedFile"/> counts, and whether its reads leave the grid alone.</summary>
internal sealed class CachedFileCounts(Pause pause)
{
    private long _hits;
    private long _misses;
    private long _originReads;
    private long _originPages;
    private long _pagesPut;
    private long _pagesNotPut;
    private long _cacheFailures;
    private string? _lastFailure;

    public bool IsPaused => pause.IsOn;

    public CachedFileCounters Snapshot => new(
        Interlocked.Read(ref _hits), Interlocked.Read(ref _misses), Interlocked.Read(ref _originReads), Interlocked.Read(ref _originPages),
        Interlocked.Read(ref _pagesPut), Interlocked.Read(ref _pagesNotPut), Interlocked.Read(ref _cacheFailures), Volatile.Read(ref _lastFailure));

    public void Asked(int hits, int misses)
    {
        Interlocked.Add(ref _hits, hits);
        Interlocked.Add(ref _misses, misses);
    }

    public void ReadOrigin(int pages)
    {
        Interlocked.Increment(ref _originReads);
        Interlocked.Add(ref _originPages, pages);
    }

    public void Put(int pages, bool stored) => Interlocked.Add(ref stored ? ref _pagesPut : ref _pagesNotPut, pages);

    public void CacheFailed(GridException e)
    {
        Interlocked.Increment(ref _cacheFailures);
        Volatile.Write(ref _lastFailure, e.Message);
        pause.Begin();
    }
}
