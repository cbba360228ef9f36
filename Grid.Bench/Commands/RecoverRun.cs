using System.Diagnostics;
using Grid.Bench.Harness;
using Grid.Bench.Servers;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Bench.Commands;

/// <summary>
/// <c>bench recover</c>: one object of many pages, their indexes spread over all 32 bits, on SQLite. The node is killed and started again: how long until the first page is there, whether other
/// objects are served meanwhile, how fast everything can be read back, and in how much memory.
/// </summary>
internal sealed class RecoverRun(RecoverOptions options)
{
    private const int BatchPages = ProtocolLimits.MaxBatchPages;
    private const int InFlight = 8;
    private const double MinReadBackPagesPerSecond = 60_000;
    private const double MebibyteBytes = 1 << 20;

    private static readonly ObjectId Large = ObjectId.FromUInt64(1);
    private static readonly ObjectId Neighbour = ObjectId.FromUInt64(2);

    private readonly StampedPages _pages = new();
    private readonly List<Figure> _figures = [];

    /// <summary>Runs it and prints what came out.</summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<int> RunAsync(RecoverOptions options, CancellationToken cancellation)
    {
        var run = new RecoverRun(options);
        foreach (var pages in options.Pages) await run.RunAsync(pages, cancellation);
        return await Figure.ReportAsync(run._figures, options.JsonPath, cancellation);
    }

    private async Task RunAsync(int pages, CancellationToken cancellation)
    {
        await using var node = await NodeServer.StartAsync(options.NodePath, options.Parent, options.Settings, cancellation);
        await PutAllAsync(node, pages, cancellation);
        await node.KillAsync();

        var started = Stopwatch.GetTimestamp();
        await node.RestartAsync(cancellation);
        var ready = Stopwatch.GetElapsedTime(started);
        await using var client = await ConnectAsync(node, cancellation);
        var pool = await client.OpenPoolAsync("bench", cancellationToken: cancellation);
        using var recovered = new CancellationTokenSource();
        var neighbour = Task.Run(() => ReadNeighbourAsync(pool, recovered.Token), CancellationToken.None);
        var begun = Stopwatch.GetTimestamp();
        await ReadAsync(pool, Batches(pages) / 2, pages, [], cancellation);
        var (recovery, all) = (Stopwatch.GetElapsedTime(begun), Stopwatch.GetElapsedTime(started));
        await recovered.CancelAsync();
        Add(pages, "start to first get", "s", all.TotalSeconds, atMost: pages switch { <= 10_000 => 5, <= 1_000_000 => 8, _ => null });
        Add(pages, "of that, start to ready", "s", ready.TotalSeconds);
        Add(pages, "of that, first get", "ms", recovery.TotalMilliseconds);
        Add(pages, "other object's slowest get meanwhile", "ms", (await neighbour).TotalMilliseconds);

        begun = Stopwatch.GetTimestamp();
        await ForAllAsync(pages, (batch, buffer, token) => ReadAsync(pool, batch, pages, buffer, token), cancellation);
        Add(pages, "read back and checked", "pages/s", pages / Stopwatch.GetElapsedTime(begun).TotalSeconds, atLeast: pages >= 100_000 ? MinReadBackPagesPerSecond : null);
        Add(pages, "node's peak RSS after the restart", "MiB", node.PeakRssBytes() / MebibyteBytes);
    }

    private async Task PutAllAsync(NodeServer node, int pages, CancellationToken cancellation)
    {
        await using var client = await ConnectAsync(node, cancellation);
        var pool = await client.CreatePoolAsync("bench", new PoolOptions { Kind = PoolKind.Persistent, PageSizeBytes = Payload.PageBytes }, cancellation);
        await _pages.PutAsync(pool, Neighbour, Indexes(0, 1), 1, new byte[Payload.PageBytes], cancellation);
        var begun = Stopwatch.GetTimestamp();
        await ForAllAsync(pages, (batch, buffer, token) => _pages.PutAsync(pool, Large, Indexes(batch, pages), 1, buffer, token), cancellation);
        Add(pages, "put", "pages/s", pages / Stopwatch.GetElapsedTime(begun).TotalSeconds);
        Add(pages, "files", "MiB", node.JournalBytes() / MebibyteBytes);
        Add(pages, "node's peak RSS while putting", "MiB", node.PeakRssBytes() / MebibyteBytes);
    }

    /// <summary>Every batch once, a few at a time.</summary>
    private static async Task ForAllAsync(int pages, Func<int, byte[], CancellationToken, Task> work, CancellationToken cancellation)
    {
        var next = -1;
        await Task.WhenAll(Enumerable.Range(0, InFlight).Select(_ => Task.Run(
            async () =>
            {
                var buffer = new byte[BatchPages * Payload.PageBytes];
                while (Interlocked.Increment(ref next) is var batch && batch < Batches(pages)) await work(batch, buffer, cancellation);
            },
            cancellation)));
    }

    private async Task ReadAsync(Pool pool, int number, int pages, byte[] buffer, CancellationToken cancellation)
    {
        var indexes = Indexes(number, pages);
        // The very first get is of one page.
        if (buffer.Length == 0) (indexes, buffer) = (indexes[..1], new byte[Payload.PageBytes]);
        var result = await pool.GetBatchAsync(Large, indexes, buffer, GetMode.Keep, null, null, cancellation);
        for (var i = 0; i < indexes.Length; i++)
        {
            if (!result.Hits[i]) throw new BenchException($"the page of index {indexes[i]} is missing");
            if (!_pages.Is(buffer.AsSpan(i * Payload.PageBytes, Payload.PageBytes), indexes[i], 1)) throw new BenchException($"the page of index {indexes[i]} has wrong bytes");
        }
    }

    private async Task<TimeSpan> ReadNeighbourAsync(Pool pool, CancellationToken until)
    {
        var page = new byte[Payload.PageBytes];
        var slowest = TimeSpan.Zero;
        do
        {
            var begun = Stopwatch.GetTimestamp();
            var result = await pool.GetAsync(Neighbour, Indexes(0, 1)[0], page, GetMode.Keep, null, CancellationToken.None);
            if (!result.Hit || !_pages.Is(page, Indexes(0, 1)[0], 1)) throw new BenchException("the other object's page is missing or wrong");
            var time = Stopwatch.GetElapsedTime(begun);
            if (time > slowest) slowest = time;
        }
        while (!until.IsCancellationRequested);
        return slowest;
    }

    private void Add(int pages, string what, string unit, double value, double? atMost = null, double? atLeast = null)
    {
        var figure = new Figure($"{pages} pages: {what}", unit, value, atMost, atLeast);
        _figures.Add(figure);
        Console.Error.WriteLine($"{figure.Case} {value:0.##} {unit}");
    }

    private static int Batches(int pages) => (pages + BatchPages - 1) / BatchPages;

    /// <summary>Indexes of a batch: spread over all 32 bits, each once.</summary>
    private static uint[] Indexes(int batch, int pages)
    {
        var first = batch * BatchPages;
        var indexes = new uint[Math.Min(BatchPages, pages - first)];
        for (var i = 0; i < indexes.Length; i++) indexes[i] = unchecked((uint)(first + i) * 0x85EBCA6B);
        return indexes;
    }

    private static ValueTask<GridClient> ConnectAsync(NodeServer node, CancellationToken cancellation) =>
        GridClient.ConnectAsync($"grid://127.0.0.1:{node.DataPort}?timeout=60s", cancellation);
}
