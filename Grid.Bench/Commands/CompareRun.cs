using Grid.Bench.Harness;
using Grid.Bench.Servers;
using Grid.Bench.Targets;

namespace Grid.Bench.Commands;

/// <summary><c>bench compare</c>: rounds of the Grid and its peers in turn.</summary>
internal static class CompareRun
{
    private const int VerifiedPages = 64;

    /// <summary>Runs it and prints what came out.</summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<int> RunAsync(CompareOptions options, CancellationToken cancellation)
    {
        await using var servers = new ServerSet();
        var targets = await servers.StartAsync(options, cancellation);
        var payload = new Payload();
        foreach (var target in targets) await target.FillAsync(payload, cancellation);

        var results = new List<CaseResult>();
        foreach (var bench in options.Cases) results.AddRange(await RunCaseAsync(bench, targets, payload, options, cancellation));
        Report.WriteTable(Console.Out, results, options);
        if (options.JsonPath != null) await Report.WriteJsonAsync(options.JsonPath, results, cancellation);
        return 0;
    }

    private static async Task<IEnumerable<CaseResult>> RunCaseAsync(BenchCase bench, IReadOnlyList<PageTarget> targets, Payload payload, CompareOptions options, CancellationToken cancellation)
    {
        var able = targets.Where(target => target.LoopOf(bench.Kind) != null).ToArray();
        var main = new CaseResult(bench.Name, bench.IsLatency ? "us p50" : bench.PagesPerRequest > 1 ? "pages/s" : "ops/s", bench.IsLatency);
        var tail = new CaseResult($"{bench.Name}-p99", "us p99", LowerIsBetter: true);
        foreach (var target in able) await RoundAsync(bench, target, payload, options.FirstWarmUp, TimeSpan.FromSeconds(0.1), cancellation);
        for (var round = 0; round < options.RoundCount; round++)
        {
            if (bench.Kind is CaseKind.Put or CaseKind.PutBatch) payload.NextSalt();
            foreach (var target in able)
            {
                var (value, p99) = await RoundAsync(bench, target, payload, options.WarmUp, options.Time, cancellation);
                main.Add(target.Name, value);
                tail.Add(target.Name, p99);
                await target.VerifyAsync(payload, VerifiedPages);
            }

            await Console.Error.WriteLineAsync($"{bench.Name,-12} round {round + 1}/{options.RoundCount}  {string.Join("  ", able.Select(target => $"{target.Name} {Report.Format(main.Last(target.Name))}"))} {main.Unit}");
        }

        return bench.IsLatency ? [main, tail] : [main];
    }

    private static async Task<(double Value, double P99)> RoundAsync(BenchCase bench, PageTarget target, Payload payload, TimeSpan warmUp, TimeSpan time, CancellationToken cancellation)
    {
        var loop = target.LoopOf(bench.Kind)!;
        if (bench.IsLatency) return await Measure.LatencyAsync(loop, payload, warmUp, time, cancellation);
        var requests = await Measure.ThroughputAsync(loop, payload, bench.InFlight, warmUp, time, cancellation);
        return (requests * bench.PagesPerRequest, 0);
    }
}
