using Grid.Bench.Harness;
using Grid.Bench.Servers;
using Grid.Bench.Targets;
using Grid.Protocol;

namespace Grid.Bench.Commands;

/// <summary><c>bench durable</c>: puts that are on the disk when they are answered, the Grid on its databases and Redis in turn.</summary>
internal static class DurableRun
{
    private const string Peer = "redis";
    private const int VerifiedPages = 64;

    /// <summary>Runs it and prints what came out.</summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<int> RunAsync(DurableOptions options, CancellationToken cancellation)
    {
        // Taken first, while this process's memory is its own and not full of random pages.
        var corpus = options.Cases.Any(bench => bench.Pages == PageKind.Memory) ? MemoryCorpus.Take(Payload.DistinctPages) : null;
        var results = new List<CaseResult>();
        foreach (var bench in options.Cases)
        {
            var payload = bench.Pages == PageKind.Memory ? new Payload(corpus!.Bytes) : new Payload();
            results.AddRange(await RunCaseAsync(bench, payload, options, cancellation));
        }

        Report.WriteTable(Console.Out, results, options);
        if (corpus != null) await Console.Out.WriteLineAsync(corpus.Description);
        if (options.JsonPath != null) await Report.WriteJsonAsync(options.JsonPath, results, cancellation);
        return 0;
    }

    /// <summary>Every case begins with empty servers: none inherits another's logs to clean.</summary>
    private static async Task<IEnumerable<CaseResult>> RunCaseAsync(DurableCase bench, Payload payload, DurableOptions options, CancellationToken cancellation)
    {
        await using var servers = new Opened();
        var grids = new List<(CaseResult Result, PageTarget Target)>();
        var pool = new PoolOptions
        {
            Kind = PoolKind.Persistent,
            PageSizeBytes = Payload.PageBytes,
            Compression = bench.Pages == PageKind.Memory ? PageCompression.Lz4 : PageCompression.None,
        };
        foreach (var store in options.Stores)
        {
            var node = servers.Keep(await DurableNode.StartAsync(store, options, cancellation));
            var target = servers.Keep(await GridTarget.ConnectAsync(node.DataPort, pool, bench.PagesPerObject, cancellation));
            grids.Add((new CaseResult($"{bench.Name}-{store.ToString().ToLowerInvariant()}", "ops/s", LowerIsBetter: false), target));
        }

        var redis = servers.Keep(await RedisServer.StartAsync(options.Parent, isDurable: true, cancellation));
        var peer = servers.Keep(await RedisTarget.ConnectAsync(Peer, redis.Port));
        PageTarget[] targets = [.. grids.Select(grid => grid.Target), peer];
        foreach (var target in targets)
        {
            await target.FillAsync(payload, cancellation);
            await PutsAsync(bench, target, payload, options.FirstWarmUp, TimeSpan.FromSeconds(0.1), cancellation);
        }

        for (var round = 0; round < options.RoundCount; round++)
        {
            payload.NextSalt();
            // Grid, Redis, Grid, Redis: every figure of the Grid has its own of Redis, taken right after it.
            foreach (var (result, target) in grids)
            {
                result.Add(CaseResult.Grid, await PutsAsync(bench, target, payload, options.WarmUp, options.Time, cancellation));
                await target.VerifyAsync(payload, VerifiedPages);
                result.Add(Peer, await PutsAsync(bench, peer, payload, options.WarmUp, options.Time, cancellation));
                await peer.VerifyAsync(payload, VerifiedPages);
            }

            await Console.Error.WriteLineAsync($"{bench.Name,-12} round {round + 1}/{options.RoundCount}  {string.Join("  ", grids.Select(grid => $"{grid.Result.Case} {Report.Format(grid.Result.Last(CaseResult.Grid))} redis {Report.Format(grid.Result.Last(Peer))}"))} ops/s");
        }

        return grids.ConvertAll(grid => grid.Result);
    }

    private static Task<double> PutsAsync(DurableCase bench, PageTarget target, Payload payload, TimeSpan warmUp, TimeSpan time, CancellationToken cancellation) =>
        Measure.ThroughputAsync(target.LoopOf(CaseKind.Put)!, payload, bench.InFlight, warmUp, time, cancellation);
}
