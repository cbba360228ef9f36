using System.Diagnostics;

namespace Grid.Bench.Harness;

/// <summary>Runs workers and says how fast they were.</summary>
internal static class Measure
{
    private const int MaxTimes = 2_000_000;

    /// <summary>Requests a second with many in flight.</summary>
    /// <param name="loop">What is done.</param>
    /// <param name="payload">What is stored.</param>
    /// <param name="inFlight">Workers.</param>
    /// <param name="warmUp">Time before it counts.</param>
    /// <param name="time">Time that counts.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<double> ThroughputAsync(RequestLoop loop, Payload payload, int inFlight, TimeSpan warmUp, TimeSpan time, CancellationToken cancellation)
    {
        var workers = Enumerable.Range(0, inFlight).Select(number => new Worker(number, payload)).ToArray();
        var loops = Task.WhenAll(workers.Select(worker => Task.Run(() => loop.LoopAsync(worker), CancellationToken.None)));
        try
        {
            await DelayAsync(warmUp, loops, cancellation);
            var (start, before) = (Stopwatch.GetTimestamp(), workers.Sum(worker => worker.Done));
            await DelayAsync(time, loops, cancellation);
            var (elapsed, after) = (Stopwatch.GetElapsedTime(start), workers.Sum(worker => worker.Done));
            return (after - before) / elapsed.TotalSeconds;
        }
        finally
        {
            foreach (var worker in workers) worker.Stop();
            await loops;
        }
    }

    /// <summary>Times of single requests, one in flight.</summary>
    /// <param name="loop">What is done.</param>
    /// <param name="payload">What is stored.</param>
    /// <param name="warmUp">Time before it counts.</param>
    /// <param name="time">Time that counts.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>Median and 99th percentile in microseconds.</returns>
    public static async Task<(double P50, double P99)> LatencyAsync(RequestLoop loop, Payload payload, TimeSpan warmUp, TimeSpan time, CancellationToken cancellation)
    {
        var times = new long[MaxTimes];
        var worker = new Worker(0, payload);
        var running = Task.Run(() => loop.LoopTimedAsync(worker, times), CancellationToken.None);
        long before;
        try
        {
            await DelayAsync(warmUp, running, cancellation);
            before = worker.Done;
            await DelayAsync(time, running, cancellation);
        }
        finally
        {
            worker.Stop();
            await running;
        }

        var counted = times.AsSpan((int)Math.Min(before, times.Length), (int)Math.Max(0, Math.Min(worker.Done, times.Length) - before));
        if (counted.Length == 0) throw new BenchException("no request was answered in time");
        counted.Sort();
        return (Microseconds(counted[counted.Length / 2]), Microseconds(counted[(int)(counted.Length * 0.99)]));
    }

    /// <summary>Does an operation a number of times, many in flight.</summary>
    /// <param name="loop">What is done.</param>
    /// <param name="payload">What is stored.</param>
    /// <param name="inFlight">Workers.</param>
    /// <param name="count">How often.</param>
    public static Task CountAsync(RequestLoop loop, Payload payload, int inFlight, int count)
    {
        return Task.WhenAll(Enumerable.Range(0, inFlight)
            .Select(number => new Worker(number, payload) { Limit = (count / inFlight) + (number < count % inFlight ? 1 : 0) })
            .Select(worker => Task.Run(() => loop.LoopAsync(worker))));
    }

    private static double Microseconds(long ticks) => ticks * 1e6 / Stopwatch.Frequency;

    /// <summary>Waits; a loop that fails ends the wait.</summary>
    private static async Task DelayAsync(TimeSpan time, Task loops, CancellationToken cancellation)
    {
        var delay = Task.Delay(time, cancellation);
        await await Task.WhenAny(delay, loops);
        await delay;
    }
}
