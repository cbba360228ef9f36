using Xunit;

namespace Grid.Tests.Chaos;

/// <summary>What the check of owners says of logs written by hand.</summary>
public sealed class OwnerCheckTests
{
    [Fact]
    public void A_shard_that_is_handed_over_has_one_owner_at_a_time() => AssertOverlaps(0, 2,
        ["at 0 ms: begins", "at 10 ms: serves until 2000 ms", "at 20 ms: shard 3 opens", "at 1000 ms: shard 3 has ended", "at 1010 ms: serves until 9000 ms"],
        ["at 0 ms: begins", "at 10 ms: serves until 2000 ms", "at 1000 ms: shard 3 opens"]);

    [Fact]
    public void Two_that_serve_a_shard_at_the_same_time_are_found() => AssertOverlaps(1, 2,
        ["at 0 ms: begins", "at 10 ms: serves until 2000 ms", "at 20 ms: shard 3 opens", "at 1100 ms: shard 3 has ended"],
        ["at 0 ms: begins", "at 10 ms: serves until 2000 ms", "at 1000 ms: shard 3 opens"]);

    [Fact]
    public void Different_shards_are_nobodys_business() => AssertOverlaps(0, 2,
        ["at 0 ms: begins", "at 10 ms: serves until 2000 ms", "at 20 ms: shard 3 opens"],
        ["at 0 ms: begins", "at 10 ms: serves until 2000 ms", "at 20 ms: shard 4 opens"]);

    [Fact]
    public void A_node_that_was_cut_off_serves_no_longer_than_its_lease() => AssertOverlaps(0, 2,
        ["at 0 ms: begins", "at 10 ms: serves until 2000 ms", "at 20 ms: shard 3 opens"],
        ["at 0 ms: begins", "at 10 ms: serves until 9000 ms", "at 2000 ms: shard 3 opens"]);

    [Fact]
    public void A_lease_that_is_kept_up_is_one_span_and_ends_with_its_last_word() => AssertOverlaps(1, 2,
        ["at 0 ms: begins", "at 10 ms: serves until 2000 ms", "at 20 ms: shard 3 opens", "at 1900 ms: serves until 3900 ms"],
        ["at 0 ms: begins", "at 10 ms: serves until 9000 ms", "at 3000 ms: shard 3 opens"]);

    [Fact]
    public void A_lease_that_comes_back_serves_what_stayed_open_but_not_in_between() => AssertOverlaps(0, 3,
        ["at 0 ms: begins", "at 10 ms: serves until 2000 ms", "at 20 ms: shard 3 opens", "at 5000 ms: serves until 7000 ms"],
        ["at 0 ms: begins", "at 10 ms: serves until 9000 ms", "at 2100 ms: shard 3 opens", "at 4900 ms: shard 3 has ended"]);

    [Fact]
    public void A_lease_that_is_given_up_ends_at_once() => AssertOverlaps(0, 2,
        ["at 0 ms: begins", "at 10 ms: serves until 2000 ms", "at 20 ms: shard 3 opens", "at 1000 ms: serves until -9223372036854775808 ms"],
        ["at 0 ms: begins", "at 10 ms: serves until 9000 ms", "at 1001 ms: shard 3 opens"]);

    [Fact]
    public void What_a_killed_process_had_open_is_not_the_next_ones() => AssertOverlaps(0, 2,
        ["at 0 ms: begins", "at 10 ms: serves until 2000 ms", "at 20 ms: shard 3 opens", "at 1500 ms: begins", "at 3000 ms: serves until 9000 ms"],
        ["at 0 ms: begins", "at 10 ms: serves until 9000 ms", "at 1600 ms: shard 3 opens"]);

    [Fact]
    public void A_long_span_counts_although_a_shorter_one_began_after_it() => AssertOverlaps(2, 3,
        ["at 0 ms: begins", "at 10 ms: serves until 9000 ms", "at 20 ms: shard 3 opens"],
        ["at 0 ms: begins", "at 10 ms: serves until 9000 ms", "at 1000 ms: shard 3 opens", "at 1100 ms: shard 3 has ended"],
        ["at 0 ms: begins", "at 10 ms: serves until 9000 ms", "at 5000 ms: shard 3 opens"]);

    private static void AssertOverlaps(int overlaps, int spans, params string[][] logs)
    {
        var found = OwnerCheck.Check(logs.Select(log => log.Select(line => $"2026-01-01T00:00:00.000Z dbug: Grid.Shards[0] {line}")));
        Assert.Equal((overlaps, spans), (found.Overlaps.Count, found.Spans));
    }
}
