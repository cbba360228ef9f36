using System.Diagnostics;
using Grid.Bench.Harness;
using Grid.Bench.Servers;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Bench.Commands;

/// <summary>
/// <c>bench overwrite</c>: pages of one object are overwritten at random many times over, once with the log cleaned as by default and once with cleaning put off for good. How large SQLite's files
/// become, and what cleaning costs those who put and get meanwhile.
/// </summary>
internal sealed class OverwriteRun(OverwriteOptions options)
{
    private const int Writers = 64;
    private const int BatchPages = 64;
    private const double MaxSlowdown = 3;
    private const double MebibyteBytes = 1 << 20;

    private static readonly ObjectId Id = ObjectId.FromUInt64(1);
    private static readonly TimeSpan SettleLimit = TimeSpan.FromSeconds(30);

    private readonly StampedPages _pages = new();
    private readonly List<Figure> _figures = [];

    /// <summary>Runs it and prints what came out.</summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<int> RunAsync(OverwriteOptions options, CancellationToken cancellation)
    {
        var run = new OverwriteRun(options);
        // Without cleaning everything that is written stays: a fifth of it is enough to know its times.
        var plain = await run.RunAsync("not cleaned", Math.Max(2, options.Times / 5), ["grid.journal.clean-min-dead=1TiB"], cancellation);
        var cleaned = await run.RunAsync("cleaned", options.Times, [], cancellation);
        foreach (var (what, time) in cleaned) run.Add($"cleaned: {what} beside not cleaned", "x", time / plain[what], atMost: MaxSlowdown);
        return await Figure.ReportAsync(run._figures, options.JsonPath, cancellation);
    }

    private async Task<Dictionary<string, double>> RunAsync(string name, int times, string[] settings, CancellationToken cancellation)
    {
        await using var node = await NodeServer.StartAsync(options.NodePath, options.Parent, [.. settings, .. options.Settings], cancellation);
        await using var client = await GridClient.ConnectAsync($"grid://127.0.0.1:{node.DataPort}?timeout=60s", cancellation);
        var pool = await client.CreatePoolAsync("bench", new PoolOptions { Kind = PoolKind.Persistent, PageSizeBytes = Payload.PageBytes }, cancellation);
        await FillAsync(pool, cancellation);

        var versions = Enumerable.Repeat(1u, options.LivePages).ToArray();
        var most = 0L;
        var begun = Stopwatch.GetTimestamp();
        using var over = new CancellationTokenSource();
        var puts = new List<double>();
        var gets = Task.Run(() => GetAsync(pool, over.Token), CancellationToken.None);
        var writers = Enumerable.Range(0, Writers).Select(number => Task.Run(() => PutAsync(pool, versions, number, options.LivePages * (times - 1) / Writers, number == 0 ? puts : null), cancellation)).ToArray();
        while (await Task.WhenAny(Task.WhenAll(writers), Task.Delay(100, cancellation)) is var first && !writers.All(writer => writer.IsCompleted)) most = Math.Max(most, node.JournalBytes());
        await Task.WhenAll(writers);
        var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
        await over.CancelAsync();
        var written = options.LivePages * (double)Payload.PageBytes * times;
        Add($"{name}: written", "MiB", written / MebibyteBytes);
        Add($"{name}: overwrites, {Writers} in flight", "pages/s", options.LivePages * (times - 1.0) / seconds);
        await SettleAsync(node, cancellation);
        Add($"{name}: files at most", "MiB", Math.Max(most, node.JournalBytes()) / MebibyteBytes);
        Add($"{name}: files at the end", "MiB", node.JournalBytes() / MebibyteBytes);
        Add($"{name}: node's peak RSS", "MiB", node.PeakRssBytes() / MebibyteBytes);
        await VerifyAsync(pool, versions, cancellation);
        var figures = new Dictionary<string, double>();
        foreach (var (what, found) in new[] { ("put", puts), ("get", await gets) })
        {
            found.Sort();
            (figures[$"{what} p50"], figures[$"{what} p99"]) = (found[found.Count / 2], found[(int)(found.Count * 0.99)]);
        }

        foreach (var (what, time) in figures) Add($"{name}: {what}", "ms", time);
        return figures;
    }

    private async Task FillAsync(Pool pool, CancellationToken cancellation)
    {
        var buffer = new byte[BatchPages * Payload.PageBytes];
        for (var first = 0; first < options.LivePages; first += BatchPages)
        {
            uint[] indexes = [.. Enumerable.Range(first, Math.Min(BatchPages, options.LivePages - first)).Select(index => (uint)index)];
            await _pages.PutAsync(pool, Id, indexes, 1, buffer, cancellation);
        }
    }

    /// <summary>Overwrites pages of its own at random, so that it alone knows which version each has.</summary>
    private async Task PutAsync(Pool pool, uint[] versions, int number, int count, List<double>? times)
    {
        var random = new Random(number);
        var page = new byte[Payload.PageBytes];
        for (; count > 0; count--)
        {
            var index = (random.Next(options.LivePages / Writers) * Writers) + number;
            _pages.Fill(page, (uint)index, ++versions[index]);
            var begun = Stopwatch.GetTimestamp();
            var result = await pool.PutAsync(Id, (uint)index, page);
            times?.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            if (!result.Stored) throw new BenchException($"the node refused a put: {result.Reason}");
        }
    }

    /// <summary>Gets at random, one after the other.</summary>
    private async Task<List<double>> GetAsync(Pool pool, CancellationToken until)
    {
        var (random, page, times) = (new Random(-1), new byte[Payload.PageBytes], new List<double>());
        while (!until.IsCancellationRequested)
        {
            var begun = Stopwatch.GetTimestamp();
            var result = await pool.GetAsync(Id, (uint)random.Next(options.LivePages), page, GetMode.Keep, null, CancellationToken.None);
            times.Add(Stopwatch.GetElapsedTime(begun).TotalMilliseconds);
            if (!result.Hit) throw new BenchException("a page is missing");
        }

        return times;
    }

    private async Task VerifyAsync(Pool pool, uint[] versions, CancellationToken cancellation)
    {
        var page = new byte[Payload.PageBytes];
        for (var index = 0u; index < options.LivePages; index++)
        {
            var result = await pool.GetAsync(Id, index, page, GetMode.Keep, null, cancellation);
            if (!result.Hit || !_pages.Is(page, index, versions[index])) throw new BenchException($"page {index} is missing or wrong");
        }
    }

    /// <summary>Waits until cleaning has caught up: the files change no more.</summary>
    private static async Task SettleAsync(NodeServer node, CancellationToken cancellation)
    {
        var (begun, before, same) = (Stopwatch.GetTimestamp(), node.JournalBytes(), 0);
        while (same < 20 && Stopwatch.GetElapsedTime(begun) < SettleLimit)
        {
            await Task.Delay(100, cancellation);
            var now = node.JournalBytes();
            (same, before) = (now == before ? same + 1 : 0, now);
        }
    }

    private void Add(string what, string unit, double value, double? atMost = null)
    {
        _figures.Add(new Figure(what, unit, value, atMost));
        Console.Error.WriteLine($"{what} {value:0.##} {unit}");
    }
}
