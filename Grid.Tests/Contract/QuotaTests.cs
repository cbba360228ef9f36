using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Contract;

/// <summary>A quota counts a pool's pages: puts are refused exactly past it.</summary>
public abstract class QuotaTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    private const uint Quota = 20;

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Puts_are_refused_exactly_at_the_quota_over_all_objects(PoolKind kind, PoolSharing sharing)
    {
        var pool = await FullPoolAsync(kind, sharing);
        var result = await pool.PutAsync(Names.Object(), 0, PageBytes.Random(99));
        Assert.Equal(PutOutcome.Refused, result.Outcome);
        Assert.Equal(RefusalReason.Quota, result.Reason);
        for (var i = 0u; i < Quota; i++) await pool.AssertHoldsAsync(IdOf(i), i, PageBytes.Mixed(i));
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task An_overwrite_within_a_full_quota_is_stored(PoolKind kind, PoolSharing sharing)
    {
        var pool = await FullPoolAsync(kind, sharing);
        for (var i = 0u; i < Quota; i++) await pool.StoreAsync(IdOf(i), i, PageBytes.Mixed(100 + i));
        var batch = new WriteBatch();
        for (var i = 0u; i < Quota; i += 4) batch.Put(i, PageBytes.Mixed(200 + i));
        Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(IdOf(0), batch)).Outcome);
        for (var i = 0u; i < Quota; i++) await pool.AssertHoldsAsync(IdOf(i), i, PageBytes.Mixed((i % 4 == 0 ? 200u : 100u) + i));
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Flushes_and_takes_give_quota_back_at_once(PoolKind kind, PoolSharing sharing)
    {
        var pool = await FullPoolAsync(kind, sharing);
        var other = Names.Object();

        await pool.FlushPageAsync(IdOf(0), 0);
        await pool.StoreAsync(other, 0, PageBytes.Random(1));
        await AssertFullAsync(pool);

        Assert.True((await pool.ReadAsync(IdOf(1), 1, GetMode.Take)).Hit);
        await pool.StoreAsync(other, 1, PageBytes.Random(2));
        await AssertFullAsync(pool);

        // Object 3 holds the indexes 3, 7, 11, 15, 19.
        Assert.True((await pool.FlushObjectAsync(IdOf(3))).WasThere);
        for (var i = 10u; i < 15; i++) await pool.StoreAsync(other, i, PageBytes.Random(i));
        await AssertFullAsync(pool);

        Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(other, new WriteBatch().Flush(10).Flush(11).Flush(500))).Outcome);
        await pool.StoreAsync(other, 20, PageBytes.Random(1));
        await pool.StoreAsync(other, 21, PageBytes.Random(1));
        await AssertFullAsync(pool);
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task A_batch_past_the_quota_is_refused_and_leaves_all_its_handles_empty(PoolKind kind, PoolSharing sharing)
    {
        var pool = await FullPoolAsync(kind, sharing);
        await pool.FlushPageAsync(IdOf(0), 0);

        // One page is free; the batch overwrites one and adds two.
        var result = await pool.WriteBatchAsync(
            IdOf(1), new WriteBatch().Put(1, PageBytes.Random(1)).Put(1001, PageBytes.Random(2)).Put(1002, PageBytes.Random(3)));
        Assert.Equal(BatchOutcome.Refused, result.Outcome);
        Assert.Equal(RefusalReason.Quota, result.Reason);
        foreach (var index in (uint[])[1, 1001, 1002]) await pool.AssertMissAsync(IdOf(1), index);
        for (var i = 2u; i < Quota; i++) await pool.AssertHoldsAsync(IdOf(i), i, PageBytes.Mixed(i));

        // Its own page's room is free as well now: two fit, not three.
        await pool.StoreAsync(IdOf(1), 1, PageBytes.Random(4));
        await pool.StoreAsync(IdOf(1), 1001, PageBytes.Random(5));
        await AssertFullAsync(pool);
    }

    [Fact]
    public async Task Racing_puts_never_exceed_the_quota()
    {
        var pool = await NewPoolAsync(new PoolOptions { Kind = PoolKind.Persistent, QuotaPages = Quota });
        var puts = Enumerable.Range(0, 60).Select(i => pool.PutAsync(IdOf((uint)i % 16), (uint)i, PageBytes.Random((ulong)i)).AsTask());
        var results = await Task.WhenAll(puts);
        Assert.Equal((int)Quota, results.Count(result => result.Stored));
        Assert.All(results.Where(result => !result.Stored), result => Assert.Equal(RefusalReason.Quota, result.Reason));
        for (var i = 0; i < results.Length; i++)
        {
            if (results[i].Stored) await pool.AssertHoldsAsync(IdOf((uint)i % 16), (uint)i, PageBytes.Random((ulong)i));
            else await pool.AssertMissAsync(IdOf((uint)i % 16), (uint)i);
        }
    }

    private static ObjectId IdOf(uint index) => ObjectId.FromUInt64(7000 + (index % 4));

    private static async Task AssertFullAsync(Pool pool)
    {
        var result = await pool.PutAsync(Names.Object(), 77, PageBytes.Random(77));
        Assert.Equal((PutOutcome.Refused, RefusalReason.Quota), (result.Outcome, result.Reason));
    }

    private async Task<Pool> FullPoolAsync(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(Kinds.Options(kind, sharing) with { QuotaPages = Quota });
        for (var i = 0u; i < Quota; i++) await pool.StoreAsync(IdOf(i), i, PageBytes.Mixed(i));
        return pool;
    }

    public sealed class OnSqlite(SharedNode shared, ITestOutputHelper output) : QuotaTests(shared, output);

    [Collection(OnSharedPostgresNode.Name)]
    public sealed class OnPostgreSql(SharedPostgresNode shared, ITestOutputHelper output) : QuotaTests(shared, output);
}
