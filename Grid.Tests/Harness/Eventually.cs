using System.Diagnostics;

namespace Grid.Tests.Harness;

/// <summary>Waits for conditions that another process makes true, never longer than a deadline.</summary>
internal static class Eventually
{
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(20);

    /// <summary>Returns as soon as the condition holds; fails, saying what was waited for and what was seen, once the deadline has passed.</summary>
    public static async Task TrueAsync(Func<Task<bool>> condition, string what, TimeSpan deadline, Func<string>? seen = null)
    {
        var clock = Stopwatch.StartNew();
        while (!await condition())
        {
            if (clock.Elapsed > deadline)
                throw new TimeoutException($"not within {deadline.TotalSeconds:0.#} s: {what}{(seen is null ? "" : $"; seen: {seen()}")}");
            await Task.Delay(LookAgainAfter);
        }
    }

    public static Task TrueAsync(Func<bool> condition, string what, TimeSpan deadline, Func<string>? seen = null) =>
        TrueAsync(() => Task.FromResult(condition()), what, deadline, seen);
}
