using System.Diagnostics;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Faults;

/// <summary>How a call ended.</summary>
public enum Ending
{
    Applied,
    NotApplied,
    Unknown,
}

/// <summary>A call that may fail, and what its failure said.</summary>
internal sealed record Attempt(Ending Ending, TimeSpan Took, string Text)
{
    public static Task<Attempt> PutAsync(Pool pool, ObjectId id, uint index, byte[] page) => RunAsync(async () =>
    {
        var result = await pool.PutAsync(id, index, page);
        Assert.True(result.Stored, $"refused: {result.Reason}");
        return "";
    });

    public static async Task<Attempt> RunAsync(Func<Task<string>> call)
    {
        var clock = Stopwatch.StartNew();
        try
        {
            return new Attempt(Ending.Applied, TimeSpan.Zero, await call()) { Took = clock.Elapsed };
        }
        catch (GridException failure)
        {
            return new Attempt(failure.Outcome == CallOutcome.Unknown ? Ending.Unknown : Ending.NotApplied, clock.Elapsed, failure.Message);
        }
    }

    /// <summary>Puts until one is stored: the journal is back. How long that took.</summary>
    public static async Task<TimeSpan> UntilStoredAsync(Pool pool, ObjectId id, uint index, byte[] page, TimeSpan deadline)
    {
        var clock = Stopwatch.StartNew();
        var last = new Attempt(Ending.Unknown, default, "");
        await Eventually.TrueAsync(async () => (last = await PutAsync(pool, id, index, page)).Ending == Ending.Applied, "a put is stored again", deadline, () => last.ToString());
        return clock.Elapsed;
    }
}
