using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Contract;

/// <summary>Batches: many pages of one object, all or nothing.</summary>
public abstract class BatchTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task A_batch_puts_and_flushes_and_says_what_was_there(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        await pool.StoreAsync(id, 1, PageBytes.Random(1));
        await pool.StoreAsync(id, 2, PageBytes.Random(2));

        var batch = new WriteBatch().Put(1, PageBytes.Random(11)).Flush(2).Put(3, PageBytes.Filled(3)).Flush(4).Put(uint.MaxValue, PageBytes.Compressible(5));
        var result = await pool.WriteBatchAsync(id, batch);

        Assert.Equal(BatchOutcome.Applied, result.Outcome);
        Assert.Equal([true, true, false, false, false], Enumerable.Range(0, 5).Select(i => result.Existed[i]));
        Assert.Equal(2, result.Existed.Count);
        await pool.AssertHoldsAsync(id, 1, PageBytes.Random(11));
        await pool.AssertMissAsync(id, 2);
        await pool.AssertHoldsAsync(id, 3, PageBytes.Filled(3));
        await pool.AssertMissAsync(id, 4);
        Assert.Equal(result.Version, await pool.AssertHoldsAsync(id, uint.MaxValue, PageBytes.Compressible(5)));
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task A_get_batch_returns_hits_leaves_misses_untouched_and_follows_the_mode(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        foreach (var index in (uint[])[0, 7, uint.MaxValue]) await pool.StoreAsync(id, index, PageBytes.Mixed(index));

        uint[] indexes = [uint.MaxValue, 5, 0, 6, 7];
        foreach (var mode in (GetMode[])[GetMode.Keep, GetMode.PoolDefault])
        {
            var (result, pages) = await ReadBatchAsync(pool, id, indexes, mode);
            Assert.Equal(BatchOutcome.Applied, result.Outcome);
            Assert.Equal([true, false, true, false, true], Enumerable.Range(0, 5).Select(i => result.Hits[i]));
            for (var i = 0; i < indexes.Length; i++)
            {
                var expected = result.Hits[i] ? PageBytes.Mixed(indexes[i]) : PageBytes.Filled(0xA5A5A5A5A5A5A5A5);
                PoolAssertions.AssertSame(expected, pages[i], $"{id}/{indexes[i]}");
            }
        }

        var left = (await ReadBatchAsync(pool, id, indexes, GetMode.Take)).Result.Hits.Count;
        Assert.Equal(kind == PoolKind.Ephemeral && sharing == PoolSharing.Private ? 0 : 3, left);
        Assert.Equal(0, (await ReadBatchAsync(pool, id, indexes, GetMode.Keep)).Result.Hits.Count);
    }

    [Theory]
    [InlineData(PoolKind.Ephemeral, 4096, 256)]
    [InlineData(PoolKind.Persistent, 4096, 256)]
    [InlineData(PoolKind.Ephemeral, 65536, 16)]
    [InlineData(PoolKind.Persistent, 65536, 16)]
    public async Task A_batch_may_hold_256_pages_and_1_MiB_and_no_more(PoolKind kind, int size, int most)
    {
        var pool = await NewPoolAsync(new PoolOptions { Kind = kind, Sharing = PoolSharing.Shared, PageSizeBytes = size });
        var id = Names.Object();
        var batch = new WriteBatch();
        var indexes = new uint[most];
        for (var i = 0; i < most; i++)
        {
            indexes[i] = (uint)i * 1000;
            batch.Put(indexes[i], PageBytes.Random((ulong)i, size));
        }

        Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(id, batch)).Outcome);
        var (result, pages) = await ReadBatchAsync(pool, id, indexes, GetMode.Keep);
        Assert.Equal(most, result.Hits.Count);
        for (var i = 0; i < most; i++) PoolAssertions.AssertSame(PageBytes.Random((ulong)i, size), pages[i], $"{id}/{indexes[i]}");

        Assert.Throws<InvalidOperationException>(() => batch.Put(1, PageBytes.Random(1, size)));
        await Errors.AssertBadArgumentAsync(async () => await pool.GetBatchAsync(id, indexes.Append(1u).ToArray(), new byte[(most + 1) * size]));
        await pool.AssertMissAsync(id, 1);
    }

    [Theory]
    [InlineData(PoolKind.Ephemeral, 4096)]
    [InlineData(PoolKind.Persistent, 4096)]
    [InlineData(PoolKind.Ephemeral, 65536)]
    [InlineData(PoolKind.Persistent, 65536)]
    public async Task Flushes_beside_a_put_do_not_count_as_bytes(PoolKind kind, int size)
    {
        var pool = await NewPoolAsync(new PoolOptions { Kind = kind, Sharing = PoolSharing.Shared, PageSizeBytes = size });
        var id = Names.Object();
        await pool.StoreAsync(id, 255, PageBytes.Random(1, size));
        var batch = new WriteBatch().Put(0, PageBytes.Random(2, size));
        for (var index = 1u; index < 256; index++) batch.Flush(index);
        Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(id, batch)).Outcome);
        await pool.AssertHoldsAsync(id, 0, PageBytes.Random(2, size));
        await pool.AssertMissAsync(id, 255);
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task A_batch_that_names_an_index_twice_is_refused_whole_as_a_bad_argument(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        await pool.StoreAsync(id, 1, PageBytes.Random(1));
        await Errors.AssertBadArgumentAsync(async () =>
        {
            var batch = new WriteBatch().Put(1, PageBytes.Random(2)).Put(3, PageBytes.Random(3)).Flush(1);
            await pool.WriteBatchAsync(id, batch);
        });
        await Errors.AssertBadArgumentAsync(async () => await pool.GetBatchAsync(id, new uint[] { 4, 1, 4 }, new byte[3 * 4096], GetMode.Take));
        await pool.AssertHoldsAsync(id, 1, PageBytes.Random(1));
        await pool.AssertMissAsync(id, 3);
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task A_batch_whose_condition_holds_is_applied(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        var missed = await pool.AssertMissAsync(id, 1);
        var first = await pool.WriteBatchAsync(id, new WriteBatch().Put(1, PageBytes.Random(1)).Put(2, PageBytes.Random(2)), missed);
        Assert.Equal(BatchOutcome.Applied, first.Outcome);

        // Gets that keep and gets that miss are no changes.
        await pool.AssertHoldsAsync(id, 1, PageBytes.Random(1));
        await pool.AssertMissAsync(id, 3);
        var second = await pool.WriteBatchAsync(id, new WriteBatch().Flush(1).Put(3, PageBytes.Random(3)), first.Version);
        Assert.Equal(BatchOutcome.Applied, second.Outcome);
        await pool.AssertMissAsync(id, 1);
        await pool.AssertHoldsAsync(id, 2, PageBytes.Random(2));
        await pool.AssertHoldsAsync(id, 3, PageBytes.Random(3));

        var read = await pool.GetBatchAsync(id, new uint[] { 2, 3 }, new byte[2 * 4096], GetMode.Keep, second.Version);
        Assert.Equal(BatchOutcome.Applied, read.Outcome);
        Assert.Equal(2, read.Hits.Count);
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task A_batch_whose_condition_does_not_hold_changes_nothing_and_says_so(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        (string Name, Func<ObjectId, Task> Apply)[] changes =
        [
            ("put", async id => await pool.StoreAsync(id, 1, PageBytes.Random(101))),
            ("flush", async id => Assert.True((await pool.FlushPageAsync(id, 1)).WasThere)),
            ("flush that finds nothing", async id => Assert.False((await pool.FlushPageAsync(id, 2)).WasThere)),
            ("take", async id => Assert.True((await pool.ReadAsync(id, 1, GetMode.Take)).Hit)),
            ("flush object", async id => Assert.True((await pool.FlushObjectAsync(id)).WasThere)),
            ("batch", async id => await pool.WriteBatchAsync(id, new WriteBatch().Put(2, PageBytes.Random(102)))),
        ];
        foreach (var (name, change) in changes)
        {
            var id = Names.Object();
            var version = await pool.StoreAsync(id, 1, PageBytes.Random(1));
            await change(id);
            var before = new[] { await pool.ReadAsync(id, 1), await pool.ReadAsync(id, 2), await pool.ReadAsync(id, 3) };

            var write = new WriteBatch().Put(1, PageBytes.Random(201)).Put(2, PageBytes.Random(202)).Flush(3);
            var written = await pool.WriteBatchAsync(id, write, version);
            Assert.True(written.Outcome == BatchOutcome.ConditionFailed, $"after {name}: {written.Outcome}");
            var read = await pool.GetBatchAsync(id, new uint[] { 1, 2 }, new byte[2 * 4096], GetMode.Take, version);
            Assert.True(read.Outcome == BatchOutcome.ConditionFailed, $"after {name}: {read.Outcome}");

            for (var i = 0u; i < 3; i++)
            {
                var after = await pool.ReadAsync(id, i + 1);
                Assert.Equal(before[i].Hit, after.Hit);
                PoolAssertions.AssertSame(before[i].Page, after.Page, $"{id}/{i + 1} after {name}");
            }

            // The answer's version is the one to try again with.
            Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(id, write, written.Version)).Outcome);
            await pool.AssertHoldsAsync(id, 2, PageBytes.Random(202));
        }
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task A_version_of_another_life_never_satisfies_a_condition(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        var version = await pool.StoreAsync(id, 1, PageBytes.Random(1));
        foreach (var foreign in (ObjectVersion[])[version with { Incarnation = version.Incarnation + 1 }, default, version with { Counter = ulong.MaxValue }])
        {
            var result = await pool.WriteBatchAsync(id, new WriteBatch().Put(1, PageBytes.Random(2)), foreign);
            Assert.Equal(BatchOutcome.ConditionFailed, result.Outcome);
        }

        await pool.AssertHoldsAsync(id, 1, PageBytes.Random(1));
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Of_batches_that_race_on_one_version_at_most_one_is_applied(PoolKind kind, PoolSharing sharing)
    {
        const int Racers = 8;
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        var applied = 0;
        for (var round = 0ul; round < 30; round++)
        {
            var version = (await pool.ReadAsync(id, 1)).Version;
            var racers = Enumerable.Range(0, Racers).Select(racer =>
                pool.WriteBatchAsync(id, new WriteBatch().Put(1, PageBytes.Random((round * Racers) + (ulong)racer)), version).AsTask()).ToArray();
            var outcomes = (await Task.WhenAll(racers)).Select(result => result.Outcome).ToArray();
            var winner = Array.IndexOf(outcomes, BatchOutcome.Applied);
            Assert.True(outcomes.Count(outcome => outcome == BatchOutcome.Applied) <= 1, $"round {round}: {string.Join(' ', outcomes)}");
            if (winner < 0) continue;
            await pool.AssertHoldsAsync(id, 1, PageBytes.Random((round * Racers) + (ulong)winner));
            applied++;
        }

        Assert.Equal(30, applied);
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Batches_are_atomic_readers_see_all_of_one_or_nothing(PoolKind kind, PoolSharing sharing)
    {
        const int Pages = 16;
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        var indexes = Enumerable.Range(0, Pages).Select(i => (uint)i).ToArray();
        var rounds = kind == PoolKind.Persistent ? 40 : 120;
        using var done = new CancellationTokenSource();
        var readers = Enumerable.Range(0, 2).Select(async _ =>
        {
            var seen = 0;
            while (!done.IsCancellationRequested)
            {
                var (result, pages) = await ReadBatchAsync(pool, id, indexes, GetMode.Keep);
                if (result.Hits.Count == 0) continue;
                Assert.Equal(Pages, result.Hits.Count);
                var writers = pages.Select(page => PageBytes.NumberOf(page) / 1000).Distinct().ToArray();
                Assert.True(writers.Length == 1, $"pages of batches {string.Join(", ", writers)} at one instant");
                seen++;
            }

            return seen;
        }).ToArray();
        var writers = Enumerable.Range(0, 2).Select(async writer =>
        {
            for (var round = writer; round < rounds; round += 2)
            {
                var batch = new WriteBatch();
                foreach (var index in indexes) batch.Put(index, PageBytes.Random((((ulong)round + 1) * 1000) + index));
                Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(id, batch)).Outcome);
            }
        });
        await Task.WhenAll(writers);
        await done.CancelAsync();
        Assert.True((await Task.WhenAll(readers)).Sum() > 0, "no reader saw a whole batch");
    }

    [Fact]
    public async Task A_write_batch_may_be_cleared_and_used_again()
    {
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        var id = Names.Object();
        var batch = new WriteBatch();
        for (var round = 0u; round < 5; round++)
        {
            batch.Clear();
            Assert.Equal(0, batch.Count);
            batch.Put(round, PageBytes.Random(round)).Flush(100 + round);
            Assert.Equal(2, batch.Count);
            Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(id, batch)).Outcome);
        }

        for (var round = 0u; round < 5; round++) await pool.AssertHoldsAsync(id, round, PageBytes.Random(round));
    }

    private static async Task<(GetBatchResult Result, byte[][] Pages)> ReadBatchAsync(Pool pool, ObjectId id, uint[] indexes, GetMode mode)
    {
        var buffer = new byte[indexes.Length * pool.PageSizeBytes];
        buffer.AsSpan().Fill(0xA5);
        var result = await pool.GetBatchAsync(id, indexes, buffer, mode);
        return (result, buffer.Chunk(pool.PageSizeBytes).ToArray());
    }

    public sealed class OnSqlite(SharedNode shared, ITestOutputHelper output) : BatchTests(shared, output);

    [Collection(OnSharedPostgresNode.Name)]
    public sealed class OnPostgreSql(SharedPostgresNode shared, ITestOutputHelper output) : BatchTests(shared, output);
}
