using Xunit;

namespace Grid.Tests.Model;

/// <summary>The judge of the kill run sees each broken promise: without that, its silence would mean nothing.</summary>
public sealed class ObjectHistoryTests
{
    [Fact]
    public void An_acknowledged_put_that_is_lost_is_seen()
    {
        Assert.Null(Check([Put(1, 2, 7), Read(3, 4, 7)]));
        Assert.NotNull(Check([Put(1, 2, 7), Read(3, 4, 0)]));
        Assert.NotNull(Check([Put(1, 2, 7), Put(3, 4, 8), Read(5, 6, 7)]));
        Assert.NotNull(Check([Read(3, 4, 7)]));
    }

    [Fact]
    public void A_put_of_unknown_outcome_may_be_there_or_not_but_stays_what_it_was_seen_to_be()
    {
        var unknown = Put(1, 10, 7) with { MayBeNothing = true };
        Assert.Null(Check([unknown], [Read(11, 12, 7), Read(13, 14, 7)]));
        Assert.Null(Check([unknown], [Read(11, 12, 0), Read(13, 14, 0)]));
        // Until its latest time it may come between.
        Assert.Null(Check([unknown], [Read(2, 3, 0), Read(4, 5, 7)]));
        Assert.NotNull(Check([unknown], [Read(11, 12, 0), Read(13, 14, 7)]));
        Assert.NotNull(Check([unknown], [Read(11, 12, 7), Read(13, 14, 0)]));
        Assert.NotNull(Check([unknown], [Read(0, 0, 7)]));
    }

    [Fact]
    public void Calls_that_overlap_may_have_any_order_and_those_that_do_not_only_theirs()
    {
        Assert.Null(Check([Put(1, 5, 7)], [Put(2, 4, 8)], [Read(6, 7, 7)]));
        Assert.Null(Check([Put(1, 5, 7)], [Put(2, 4, 8)], [Read(6, 7, 8)]));
        Assert.NotNull(Check([Put(1, 5, 7)], [Put(2, 4, 8)], [Read(6, 7, 8), Read(8, 9, 7)]));
        Assert.NotNull(Check([Put(1, 2, 7)], [Put(3, 4, 8)], [Read(6, 7, 7)]));
    }

    [Fact]
    public void A_page_that_was_taken_twice_or_comes_back_is_seen()
    {
        Assert.Null(Check([Put(1, 2, 7)], [Take(3, 9, 7)], [Take(4, 8, 0)]));
        Assert.NotNull(Check([Put(1, 2, 7)], [Take(3, 9, 7)], [Take(4, 8, 7)]));
        Assert.NotNull(Check([Put(1, 2, 7), Take(3, 4, 7), Read(5, 6, 7)]));
    }

    [Fact]
    public void A_batch_that_is_there_by_half_is_seen()
    {
        var batch = new ObjectCall(1, 9, "batch", [state => Set(state, 0, 7) && Set(state, 1, 8)], MayBeNothing: true);
        Assert.Null(Check([batch], [Read(10, 11, 7), Read(12, 13, 8, at: 1)]));
        Assert.Null(Check([batch], [Read(10, 11, 0), Read(12, 13, 0, at: 1)]));
        Assert.NotNull(Check([batch], [Read(10, 11, 7), Read(12, 13, 0, at: 1)]));
    }

    [Fact]
    public void A_long_history_is_judged_in_little_time()
    {
        var callers = Enumerable.Range(0, 6).Select(caller => Enumerable.Range(0, 500).Select(i => Put((i * 10) + caller, (i * 10) + caller + 8, (ulong)((i * 6) + caller + 1)))).ToArray();
        Assert.Null(Check([.. callers, [Read(9_000, 9_001, 3000)]]));
        Assert.NotNull(Check([.. callers, [Read(9_000, 9_001, 100)]]));
    }

    private static string? Check(params IEnumerable<ObjectCall>[] callers)
    {
        var history = new ObjectHistory(new ulong[2]);
        foreach (var calls in callers) history.AddCaller(calls);
        return history.Check();
    }

    private static ObjectCall Put(long start, long end, ulong number) => new(start, end, $"put {number}", [state => Set(state, 0, number)]);

    private static ObjectCall Read(long start, long end, ulong number, int at = 0) => new(start, end, $"read {number}", [state => state[at] == number]);

    private static ObjectCall Take(long start, long end, ulong number) => new(start, end, $"take {number}", [state => state[0] == number && Set(state, 0, 0)]);

    private static bool Set(Span<ulong> state, int at, ulong number)
    {
        state[at] = number;
        return true;
    }
}
