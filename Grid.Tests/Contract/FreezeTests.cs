using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Contract;

/// <summary>A frozen pool refuses puts; a refused overwrite leaves its handle empty.</summary>
public abstract class FreezeTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task A_frozen_pool_refuses_puts_and_goes_on_answering_gets_and_flushes(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        for (var index = 0u; index < 4; index++) await pool.StoreAsync(id, index, PageBytes.Mixed(index));

        Assert.True((await Client.FreezePoolAsync(pool.Name)).Frozen);
        var refused = await pool.PutAsync(id, 9, PageBytes.Random(9));
        Assert.Equal(PutOutcome.Refused, refused.Outcome);
        Assert.Equal(RefusalReason.Frozen, refused.Reason);
        Assert.False(refused.Stored);
        await pool.AssertMissAsync(id, 9);
        await pool.AssertHoldsAsync(id, 0, PageBytes.Mixed(0));
        await pool.AssertHoldsAsync(id, 1, PageBytes.Mixed(1), GetMode.Take);
        await pool.AssertMissAsync(id, 1);
        Assert.True((await pool.FlushPageAsync(id, 2)).WasThere);
        await pool.AssertMissAsync(id, 2);
        Assert.True((await Client.StatPoolAsync(pool.Name)).Pool.Frozen);

        Assert.False((await Client.ThawPoolAsync(pool.Name)).Frozen);
        await pool.StoreAsync(id, 9, PageBytes.Random(10));
        await pool.AssertHoldsAsync(id, 9, PageBytes.Random(10));
        await pool.AssertHoldsAsync(id, 3, PageBytes.Mixed(3));
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Promise_1_a_refused_overwrite_leaves_its_handle_empty(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        await pool.StoreAsync(id, 1, PageBytes.Random(1));
        await pool.StoreAsync(id, 2, PageBytes.Random(2));
        await Client.FreezePoolAsync(pool.Name);

        var before = await pool.AssertHoldsAsync(id, 1, PageBytes.Random(1));
        var refused = await pool.PutAsync(id, 1, PageBytes.Random(11));
        Assert.Equal(RefusalReason.Frozen, refused.Reason);
        Assert.NotEqual(before, refused.Version);
        await pool.AssertMissAsync(id, 1);
        await Client.ThawPoolAsync(pool.Name);
        await pool.AssertMissAsync(id, 1);
        await pool.AssertHoldsAsync(id, 2, PageBytes.Random(2));
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task A_refused_batch_leaves_all_its_handles_empty_and_no_others(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        for (var index = 0u; index < 4; index++) await pool.StoreAsync(id, index, PageBytes.Mixed(index));
        await Client.FreezePoolAsync(pool.Name);

        var result = await pool.WriteBatchAsync(id, new WriteBatch().Put(0, PageBytes.Random(100)).Flush(1).Put(8, PageBytes.Random(108)));
        Assert.Equal(BatchOutcome.Refused, result.Outcome);
        Assert.Equal(RefusalReason.Frozen, result.Reason);
        foreach (var index in (uint[])[0, 1, 8]) await pool.AssertMissAsync(id, index);
        await pool.AssertHoldsAsync(id, 2, PageBytes.Mixed(2));
        await pool.AssertHoldsAsync(id, 3, PageBytes.Mixed(3));

        // Without a put there is nothing to refuse.
        Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(id, new WriteBatch().Flush(2).Flush(3))).Outcome);
        await Client.ThawPoolAsync(pool.Name);
        for (var index = 0u; index < 4; index++) await pool.AssertMissAsync(id, index);
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task A_batch_whose_condition_fails_in_a_frozen_pool_changes_nothing(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        var old = await pool.StoreAsync(id, 0, PageBytes.Random(1));
        await pool.StoreAsync(id, 0, PageBytes.Random(2));
        await Client.FreezePoolAsync(pool.Name);
        var result = await pool.WriteBatchAsync(id, new WriteBatch().Put(0, PageBytes.Random(3)), old);
        Assert.Equal(BatchOutcome.ConditionFailed, result.Outcome);
        await pool.AssertHoldsAsync(id, 0, PageBytes.Random(2));
    }

    [Fact]
    public async Task Freezing_and_thawing_are_idempotent_and_unknown_pools_are_named()
    {
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Private);
        Assert.True((await Client.FreezePoolAsync(pool.Name)).Frozen);
        Assert.True((await Client.FreezePoolAsync(pool.Name)).Frozen);
        Assert.False((await Client.ThawPoolAsync(pool.Name)).Frozen);
        Assert.False((await Client.ThawPoolAsync(pool.Name)).Frozen);
        var missing = Names.Unique("nowhere");
        Assert.Contains(missing, (await Assert.ThrowsAsync<NoSuchPoolException>(async () => await Client.FreezePoolAsync(missing))).Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<NoSuchPoolException>(async () => await Client.ThawPoolAsync(missing));
    }

    public sealed class OnSqlite(SharedNode shared, ITestOutputHelper output) : FreezeTests(shared, output);

    [Collection(OnSharedPostgresNode.Name)]
    public sealed class OnPostgreSql(SharedPostgresNode shared, ITestOutputHelper output) : FreezeTests(shared, output);
}
