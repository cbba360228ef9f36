using System.Diagnostics;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Demo;

/// <summary>A light load: a few workers that put a page, get it back and compare, a few dozen times a second each.</summary>
internal sealed class DemoLoad : IAsyncDisposable
{
    private const int Workers = 4;
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);
    private readonly Pool _pool;
    private readonly CancellationTokenSource _stop;
    private readonly Task _work;
    private readonly Lock _lock = new();
    private int _operations;
    private int _failed;
    private TimeSpan _longest;
    private string _firstFailure = "";

    /// <summary>Starts it.</summary>
    public DemoLoad(Pool pool, CancellationToken cancellation)
    {
        _pool = pool;
        _stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        _work = Task.WhenAll(Enumerable.Range(0, Workers).Select(WorkAsync));
    }

    /// <summary>Operations that have ended.</summary>
    public int Operations => Volatile.Read(ref _operations);

    /// <summary>Operations that failed, had an unknown outcome or gave other bytes.</summary>
    public int Failed => Volatile.Read(ref _failed);

    /// <summary>The longest one.</summary>
    public TimeSpan Longest
    {
        get
        {
            lock (_lock) return _longest;
        }
    }

    /// <summary>What the first failure said.</summary>
    public string FirstFailure
    {
        get
        {
            lock (_lock) return _firstFailure;
        }
    }

    /// <summary>Ends it once every operation under way has.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _work;
        _stop.Dispose();
    }

    private async Task WorkAsync(int worker)
    {
        var (page, read) = (new byte[_pool.PageSizeBytes], new byte[_pool.PageSizeBytes]);
        for (var round = 0ul; !_stop.IsCancellationRequested; round++)
        {
            var id = new ObjectId((ulong)worker, round % 64, 1);
            DemoPages.Fill(page, (ulong)worker, round);
            await TryAsync(async () => (await _pool.PutAsync(id, 0, page)).Stored ? null : "a put was refused");
            await TryAsync(async () => (await _pool.GetAsync(id, 0, read)).Hit && read.AsSpan().SequenceEqual(page) ? null : "a get did not give what was put");
            await Task.Delay(Pause, _stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task TryAsync(Func<Task<string?>> operation)
    {
        var began = Stopwatch.GetTimestamp();
        string? failure;
        try
        {
            failure = await operation();
        }
        catch (GridException e)
        {
            failure = e.Message;
        }

        var took = Stopwatch.GetElapsedTime(began);
        lock (_lock)
        {
            if (took > _longest) _longest = took;
            if (failure is not null && _failed == 0) _firstFailure = failure;
            _operations++;
            if (failure is not null) _failed++;
        }
    }
}
