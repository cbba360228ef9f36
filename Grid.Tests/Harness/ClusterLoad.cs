using System.Diagnostics;
using Grid.Client;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Harness;

/// <summary>
/// Clients that write and read pages of their own, one call at a time each, while nodes come and go. Every answer is checked: a page of a persistent pool must be exactly the last one
/// acknowledged (or one whose outcome is unknown), one of an ephemeral pool may be gone, but never older.
/// </summary>
internal sealed class ClusterLoad : IAsyncDisposable
{
    private const int PagesPerWorker = 64;

    /// <summary>In place of a page's number: none. What a handle holds before the first put, and still may when that put's outcome is unknown.</summary>
    private const ulong Nothing = 0;
    private readonly CancellationTokenSource _stop = new();
    private readonly List<GridClient> _clients = [];
    private readonly List<Task> _workers = [];
    private readonly List<string> _failures = [];
    private readonly List<string> _unknowns = [];
    private long _operations;
    private long _unknown;
    private long _hits;
    private long _misses;
    private double _longestMs;

    public long Operations => Interlocked.Read(ref _operations);

    public long Unknown => Interlocked.Read(ref _unknown);

    /// <summary>The longest call so far.</summary>
    public TimeSpan Longest => TimeSpan.FromMilliseconds(Volatile.Read(ref _longestMs));

    /// <summary>The share of gets from the ephemeral pool that found the page.</summary>
    public double HitRate => (double)Interlocked.Read(ref _hits) / Math.Max(1, Interlocked.Read(ref _hits) + Interlocked.Read(ref _misses));

    public IReadOnlyList<string> Failures
    {
        get
        {
            lock (_failures) return [.. _failures];
        }
    }

    public static Task<ClusterLoad> StartAsync(ClusterOfNodes cluster, int clients, int workersPerClient) => StartAsync(() => cluster.ConnectAsync(), clients, workersPerClient);

    /// <summary>The same on any Grid.</summary>
    public static async Task<ClusterLoad> StartAsync(Func<ValueTask<GridClient>> connect, int clients, int workersPerClient, string pools = "load")
    {
        var load = new ClusterLoad();
        for (var c = 0; c < clients; c++)
        {
            var client = await connect();
            load._clients.Add(client);
            if (c == 0)
            {
                await client.CreatePoolAsync($"{pools}-persistent", new PoolOptions { Kind = PoolKind.Persistent });
                await client.CreatePoolAsync($"{pools}-ephemeral", new PoolOptions { Kind = PoolKind.Ephemeral, Sharing = PoolSharing.Shared });
            }

            var (persistent, ephemeral) = (await client.OpenPoolAsync($"{pools}-persistent"), await client.OpenPoolAsync($"{pools}-ephemeral"));
            for (var w = 0; w < workersPerClient; w++)
            {
                var id = (ulong)((c * workersPerClient) + w + 1);
                var pool = w % 2 == 0 ? persistent : ephemeral;
                load._workers.Add(Task.Run(() => load.WorkAsync(pool, id)));
            }
        }

        return load;
    }

    /// <summary>From now on the longest call counts anew.</summary>
    public void ResetLongest() => Volatile.Write(ref _longestMs, 0);

    /// <summary>Every call had a known outcome.</summary>
    public void AssertNothingUnknown() => Assert.True(Unknown == 0, $"{Unknown} outcomes unknown:\n{string.Join('\n', _unknowns.Take(10))}");

    public void AssertNoFailures()
    {
        var failures = Failures;
        Assert.True(failures.Count == 0, $"{failures.Count} failures:\n{string.Join('\n', failures.Take(10))}");
    }

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_workers);
    }

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        foreach (var client in _clients) await client.DisposeAsync();
        _stop.Dispose();
    }

    private async Task WorkAsync(Pool pool, ulong worker)
    {
        var random = new Random((int)worker);
        var isPersistent = pool.Info.Options.Kind == PoolKind.Persistent;
        // What a handle may hold: the last acknowledged page (or nothing, where none was), and those whose outcome is unknown.
        var known = new List<ulong>[PagesPerWorker];
        for (var i = 0; i < PagesPerWorker; i++) known[i] = [Nothing];
        var page = new byte[pool.PageSizeBytes];
        var number = worker << 40;
        while (!_stop.IsCancellationRequested)
        {
            var slot = random.Next(PagesPerWorker);
            // Each page in an object of its own: shards on all nodes.
            var id = new ObjectId(worker, (ulong)slot, 7);
            var before = Stopwatch.GetTimestamp();
            try
            {
                if (random.Next(2) == 0)
                {
                    PageBytes.FillRandom(page, ++number);
                    try
                    {
                        var put = await pool.PutAsync(id, 0, page);
                        known[slot] = put.Stored ? [number] : [Nothing];
                        if (!put.Stored) Fail($"put refused: {put.Reason}");
                    }
                    catch (OutcomeUnknownException unknown)
                    {
                        lock (_failures) _unknowns.Add($"{DateTime.UtcNow:HH:mm:ss.fff} {worker}/{slot}: {unknown.Message} {unknown.InnerException?.Message}");
                        Interlocked.Increment(ref _unknown);
                        known[slot].Add(number);
                    }
                }
                else
                {
                    var got = await pool.GetAsync(id, 0, page);
                    Check(known[slot], got.Hit, page, isPersistent, worker, slot);
                }
            }
            catch (GridException failure)
            {
                Fail($"{worker}/{slot}: {failure.GetType().Name}: {failure.Message}");
            }

            var took = Stopwatch.GetElapsedTime(before).TotalMilliseconds;
            for (var seen = Volatile.Read(ref _longestMs); took > seen; seen = Volatile.Read(ref _longestMs))
                if (Interlocked.CompareExchange(ref _longestMs, took, seen) == seen) break;
            Interlocked.Increment(ref _operations);
        }
    }

    private void Check(List<ulong> known, bool hit, byte[] page, bool isPersistent, ulong worker, int slot)
    {
        if (!hit)
        {
            if (isPersistent)
            {
                if (!known.Contains(Nothing)) Fail($"{worker}/{slot}: an acknowledged page is missing, expected {Numbers(known)}");
                return;
            }

            if (!known.Contains(Nothing)) Interlocked.Increment(ref _misses);
            known.Clear();
            known.Add(Nothing);
            return;
        }

        var number = PageBytes.NumberOf(page);
        if (!known.Contains(number)) Fail($"{worker}/{slot}: got page {number:x}, expected {Numbers(known)}");
        PageBytes.FillRandom(page.AsSpan(), number);
        if (!isPersistent) Interlocked.Increment(ref _hits);
        known.Clear();
        known.Add(number);
    }

    private static string Numbers(IEnumerable<ulong> known) =>
        string.Join(" or ", known.Select(one => one == Nothing ? "nothing" : one.ToString("x", System.Globalization.CultureInfo.InvariantCulture)));

    private void Fail(string what)
    {
        lock (_failures) _failures.Add(what);
    }
}
