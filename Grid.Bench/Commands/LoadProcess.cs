using System.Diagnostics;
using Grid.Bench.Harness;
using Grid.Bench.Servers;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Bench.Commands;

/// <summary>A client of its own: puts and gets pages of a persistent and an ephemeral pool, each page in an object of its own, and checks every answer.</summary>
internal sealed class LoadProcess
{
    /// <summary>The hidden command that it runs as.</summary>
    public const string Command = "cluster-load";

    /// <summary>The pools.</summary>
    public const string Kept = "load-kept";

    /// <inheritdoc cref="Kept"/>
    public const string Passing = "load-passing";
    private const int Workers = 4;
    private const uint PagesPerWorker = 64;

    /// <summary>Between two calls of a worker. Without it the clients would use up a small machine, and what is measured is who gets a processor when.</summary>
    private static readonly TimeSpan Think = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan EndLimit = TimeSpan.FromSeconds(70);
    private readonly StampedPages _pages = new();
    private readonly Lock _lock = new();
    private LoadResult _seen = LoadResult.Nothing;

    /// <summary>Starts some, and makes their pools.</summary>
    public static async Task<IReadOnlyList<ChildProcess>> StartAsync(GridClient client, string connection, int processes, CancellationToken cancellation)
    {
        await client.CreatePoolAsync(Kept, new PoolOptions { Kind = PoolKind.Persistent }, cancellation);
        await client.CreatePoolAsync(Passing, new PoolOptions { Sharing = PoolSharing.Shared }, cancellation);
        return [.. Enumerable.Range(0, processes).Select(number => ChildProcess.Start(
            $"client {number + 1}", ChildProcess.DotNet, [typeof(LoadProcess).Assembly.Location, Command, "--connection", connection, "--client", $"{number}"]))];
    }

    /// <summary>What they saw since the last time.</summary>
    public static async Task<LoadResult> SeenAsync(IReadOnlyList<ChildProcess> clients, CancellationToken cancellation)
    {
        var lines = await Task.WhenAll(clients.Select(client => client.AskAsync("", EndLimit, cancellation)));
        return LoadResult.Sum([.. lines.Select(LoadResult.Parse)]);
    }

    /// <summary>Ends them; what they saw since the last time.</summary>
    public static async Task<LoadResult> EndAsync(IReadOnlyList<ChildProcess> clients)
    {
        var lines = await Task.WhenAll(clients.Select(client => client.FinishAsync(EndLimit)));
        return LoadResult.Sum([.. lines.Select(LoadResult.Parse)]);
    }

    /// <summary>Runs one until the standard input ends.</summary>
    public static async Task<int> RunAsync(string connection, uint number, CancellationToken cancellation)
    {
        var process = new LoadProcess();
        await using var client = await GridClient.ConnectAsync(connection, cancellation);
        var (kept, passing) = (await client.OpenPoolAsync(Kept, cancellation), await client.OpenPoolAsync(Passing, cancellation));
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var workers = Enumerable.Range(0, Workers).Select(worker => Task.Run(() => process.WorkAsync(worker % 2 == 0 ? kept : passing, (number * Workers) + (uint)worker, over.Token))).ToArray();
        while (await Console.In.ReadLineAsync(cancellation) is not null) process.Report();
        await over.CancelAsync();
        await Task.WhenAll(workers);
        process.Report();
        return 0;
    }

    /// <summary>Says what was seen since the last time.</summary>
    private void Report()
    {
        lock (_lock)
        {
            Console.WriteLine(_seen.ToJson());
            _seen = LoadResult.Nothing;
        }
    }

    private async Task WorkAsync(Pool pool, uint worker, CancellationToken over)
    {
        var (random, page) = (new Random((int)worker), new byte[Payload.PageBytes]);
        var isKept = pool.Info.Options.Kind == PoolKind.Persistent;
        // The version last acknowledged; 0 where there is none, null where it is unknown.
        var versions = new uint?[PagesPerWorker];
        Array.Fill(versions, 0u);
        for (var version = 1u; !over.IsCancellationRequested; version++)
        {
            await Task.Delay(Think, CancellationToken.None);
            var slot = (uint)random.Next((int)PagesPerWorker);
            var stamp = (worker * PagesPerWorker) + slot;
            var begun = Stopwatch.GetTimestamp();
            try
            {
                if (random.Next(2) == 0)
                {
                    _pages.Fill(page, stamp, version);
                    versions[slot] = null;
                    var put = await pool.PutAsync(ObjectId.FromUInt64(stamp), 0, page, null, CancellationToken.None);
                    if (put.Stored) versions[slot] = version;
                    else Fail($"a put was refused: {put.Reason}");
                }
                else
                {
                    var got = await pool.GetAsync(ObjectId.FromUInt64(stamp), 0, page, GetMode.Keep, null, CancellationToken.None);
                    Check(versions, slot, stamp, got.Hit, page, isKept);
                }
            }
            catch (OutcomeUnknownException)
            {
                lock (_lock) _seen = _seen with { Unknown = _seen.Unknown + 1 };
            }
            catch (GridException failure)
            {
                Fail($"{failure.GetType().Name}: {failure.Message}");
            }

            var took = Stopwatch.GetElapsedTime(begun).TotalMilliseconds;
            lock (_lock)
            {
                _seen = _seen with { Operations = _seen.Operations + 1 };
                if (took > _seen.LongestMs) _seen = _seen with { LongestMs = took, LongestWas = $"of {ObjectId.FromUInt64(stamp)} in {pool.Name}, ended {DateTime.UtcNow:HH:mm:ss.fff}" };
            }
        }
    }

    private void Check(uint?[] versions, uint slot, uint stamp, bool hit, byte[] page, bool isKept)
    {
        if (versions[slot] is not { } expected) return;
        if (hit && (expected == 0 || !_pages.Is(page, stamp, expected))) Fail($"page {stamp} is not version {expected}");
        if (!hit && expected != 0 && isKept) Fail($"page {stamp} is missing");
        if (!hit) versions[slot] = 0;
        if (isKept || expected == 0) return;
        lock (_lock) _seen = hit ? _seen with { Hits = _seen.Hits + 1 } : _seen with { Misses = _seen.Misses + 1 };
    }

    private void Fail(string what)
    {
        lock (_lock) _seen = _seen with { Failed = _seen.Failed + 1, FirstFailure = _seen.FirstFailure ?? what };
    }
}
