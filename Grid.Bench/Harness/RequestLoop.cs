using System.Diagnostics;

namespace Grid.Bench.Harness;

/// <summary>Something a target does over and over. The loops stand here, once for every target.</summary>
internal abstract class RequestLoop
{
    /// <summary>Does it until the worker is told to stop.</summary>
    /// <param name="worker">The worker.</param>
    public abstract Task LoopAsync(Worker worker);

    /// <summary>The same, and takes the time of each request.</summary>
    /// <param name="worker">The worker.</param>
    /// <param name="times">Where the times go, in stopwatch ticks; further requests are not timed once it is full.</param>
    public abstract Task LoopTimedAsync(Worker worker, long[] times);
}

/// <summary>An operation of one kind of answer: each target's own answer is awaited as it comes, without a wrapper that would allocate.</summary>
internal abstract class RequestLoop<TResult> : RequestLoop
{
    /// <summary>Sends a request.</summary>
    /// <param name="worker">The worker.</param>
    protected abstract ValueTask<TResult> StartAsync(Worker worker);

    /// <summary>Looks at the answer and lets go of it.</summary>
    /// <param name="result">The answer.</param>
    /// <returns>Whether it is what must come.</returns>
    protected abstract bool Finish(TResult result);

    /// <inheritdoc/>
    public sealed override async Task LoopAsync(Worker worker)
    {
        while (worker.Goes)
        {
            var result = await StartAsync(worker);
            if (!Finish(result)) throw new BenchException($"a wrong answer: {result}");
            worker.Count();
        }
    }

    /// <inheritdoc/>
    public sealed override async Task LoopTimedAsync(Worker worker, long[] times)
    {
        while (worker.Goes)
        {
            var start = Stopwatch.GetTimestamp();
            var result = await StartAsync(worker);
            var time = Stopwatch.GetTimestamp() - start;
            if (!Finish(result)) throw new BenchException($"a wrong answer: {result}");
            var done = worker.Done;
            if (done < times.Length) times[done] = time;
            worker.Count();
        }
    }
}
