using System.Collections.Concurrent;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Contract;

/// <summary>What an answer said still holds after the node was killed, or stopped, and started again on its data.</summary>
public abstract class DurabilityTests(ITestOutputHelper output)
{
    private const uint Pages = 120;

    /// <summary>A node on an empty journal.</summary>
    protected abstract Task<NodeSetup> NewSetupAsync();

    public enum Ending
    {
        Killed,
        Stopped,
    }

    [Theory, InlineData(Ending.Killed), InlineData(Ending.Stopped)]
    public async Task Promises_1_to_4_and_6_hold_in_persistent_pools_across_a_restart(Ending ending)
    {
        await using var node = await NodeProcess.StartAsync(await NewSetupAsync(), output);
        var shapes = Shapes().ToArray();
        await using (var client = await node.ConnectAsync())
        {
            foreach (var (name, options) in shapes) await WriteAsync(await client.CreatePoolAsync(name, options));
        }

        var pools = new List<PoolInfo>();
        for (var restart = 0; restart < 2; restart++)
        {
            await EndAsync(node, ending);
            await node.RestartAsync();
            await using var client = await node.ConnectAsync();
            foreach (var (name, options) in shapes)
            {
                var pool = await client.OpenPoolAsync(name);
                Assert.Equal(options, pool.Info.Options);
                pools.Add(pool.Info);
                await VerifyAsync(pool);
            }
        }

        // The same ids in both lives, and never one for two pools.
        Assert.Equal(shapes.Length, pools.Select(pool => pool.Id).Distinct().Count());
    }

    [Fact]
    public async Task A_quota_can_be_used_to_its_last_page_right_after_a_kill()
    {
        await using var node = await NodeProcess.StartAsync(await NewSetupAsync(), output);
        var options = Kinds.Options(PoolKind.Persistent, PoolSharing.Private) with { QuotaPages = 12 };
        var id = Names.Object();
        await using (var client = await node.ConnectAsync())
        {
            var pool = await client.CreatePoolAsync("tight", options);
            for (var i = 0u; i < 10; i++) await pool.StoreAsync(id, i, PageBytes.Mixed(i));
        }

        for (var life = 0; life < 3; life++)
        {
            await node.Kill9Async();
            await node.RestartAsync();
            await using var client = await node.ConnectAsync();
            var pool = await client.OpenPoolAsync("tight");
            // Pages go, and come by what those gave back, before the node has to borrow any of the quota.
            await pool.FlushPageAsync(id, 0);
            await pool.FlushPageAsync(id, 1);
            for (var i = 0u; i < 12; i++) Assert.Equal(PutOutcome.Stored, (await pool.PutAsync(id, i, PageBytes.Mixed(i))).Outcome);
            Assert.Equal(PutOutcome.Refused, (await pool.PutAsync(id, 12, PageBytes.Mixed(12))).Outcome);
            await pool.FlushPageAsync(id, 10);
            await pool.FlushPageAsync(id, 11);
        }
    }

    [Fact]
    public async Task Promise_1_a_refused_overwrite_stays_empty_across_a_kill_and_the_pool_stays_frozen()
    {
        await using var node = await NodeProcess.StartAsync(await NewSetupAsync(), output);
        var options = Kinds.Options(PoolKind.Persistent, PoolSharing.Private) with { QuotaPages = 10 };
        var id = Names.Object();
        await using (var client = await node.ConnectAsync())
        {
            var pool = await client.CreatePoolAsync("frozen", options);
            for (var i = 0u; i < 10; i++) await pool.StoreAsync(id, i, PageBytes.Mixed(i));
            // Past the quota: the batch is refused and both its handles are empty.
            Assert.Equal(BatchOutcome.Refused, (await pool.WriteBatchAsync(id, new WriteBatch().Put(8, PageBytes.Random(8)).Put(10, PageBytes.Random(10)))).Outcome);
            await client.FreezePoolAsync("frozen");
            Assert.Equal(PutOutcome.Refused, (await pool.PutAsync(id, 3, PageBytes.Random(33))).Outcome);
            Assert.Equal(BatchOutcome.Refused, (await pool.WriteBatchAsync(id, new WriteBatch().Put(4, PageBytes.Random(44)).Flush(5))).Outcome);
        }

        await node.Kill9Async();
        await node.RestartAsync();
        await using var again = await node.ConnectAsync();
        var reopened = await again.OpenPoolAsync("frozen");
        Assert.True(reopened.Info.Frozen);
        uint[] emptied = [3, 4, 5, 8];
        for (var i = 0u; i < 11; i++)
        {
            if (emptied.Contains(i) || i == 10) await reopened.AssertMissAsync(id, i);
            else await reopened.AssertHoldsAsync(id, i, PageBytes.Mixed(i));
        }

        Assert.Equal(RefusalReason.Frozen, (await reopened.PutAsync(id, 20, PageBytes.Random(1))).Reason);
        await again.ThawPoolAsync("frozen");
        // Six pages are left of ten: the quota is counted on from what the journal holds.
        for (var i = 20u; i < 24; i++) await reopened.StoreAsync(id, i, PageBytes.Random(i));
        Assert.Equal(RefusalReason.Quota, (await reopened.PutAsync(id, 24, PageBytes.Random(1))).Reason);
    }

    [Fact]
    public async Task Promise_3_a_flush_sent_while_the_first_put_is_under_way_still_holds_after_a_kill()
    {
        const ulong Objects = 40;
        await using var node = await NodeProcess.StartAsync(output: output);
        var flushed = new List<ObjectId>();
        await using (var client = await node.ConnectAsync())
        {
            var pool = await client.CreatePoolAsync("flushed", Kinds.Options(PoolKind.Persistent, PoolSharing.Private));
            for (var i = 0ul; i < Objects; i++)
            {
                var id = ObjectId.FromUInt64(i);
                // The object is awake and empty: what there is to flush is only on its way to the journal.
                Assert.False((await pool.FlushPageAsync(id, 0)).WasThere);
                var put = pool.StoreAsync(id, 0, PageBytes.Random(i));
                var flush = i % 2 == 0 ? pool.FlushObjectAsync(id) : pool.FlushPageAsync(id, 0);
                await put;
                if ((await flush).WasThere) flushed.Add(id);
                else await pool.AssertHoldsAsync(id, 0, PageBytes.Random(i));
            }
        }

        Assert.NotEmpty(flushed);
        await node.Kill9Async();
        await node.RestartAsync();
        await using var again = await node.ConnectAsync();
        var reopened = await again.OpenPoolAsync("flushed");
        foreach (var id in flushed) await reopened.AssertMissAsync(id, 0);
    }

    [Fact]
    public async Task Promise_6_a_batch_of_gets_after_a_kill_has_every_page_in_its_place()
    {
        uint[] indexes = [0, 1, 2, 70_000, uint.MaxValue];
        await using var node = await NodeProcess.StartAsync(output: output);
        var id = Names.Object();
        await using (var client = await node.ConnectAsync())
        {
            var pool = await client.CreatePoolAsync("batches", Kinds.Options(PoolKind.Persistent, PoolSharing.Private));
            // One event holds them all: a single read of the journal serves the whole batch.
            var batch = new WriteBatch();
            foreach (var index in indexes) batch.Put(index, PageBytes.Random(index));
            Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(id, batch)).Outcome);
        }

        await node.Kill9Async();
        await node.RestartAsync();
        await using var again = await node.ConnectAsync();
        var reopened = await again.OpenPoolAsync("batches");
        var pages = new byte[indexes.Length * reopened.PageSizeBytes];
        Assert.Equal(indexes.Length, (await reopened.GetBatchAsync(id, indexes, pages, GetMode.Keep)).Hits.Count);
        for (var i = 0; i < indexes.Length; i++)
            PoolAssertions.AssertSame(PageBytes.Random(indexes[i]), pages.AsSpan(i * reopened.PageSizeBytes, reopened.PageSizeBytes), $"{id}/{indexes[i]}");
    }

    [Fact]
    public async Task Destroyed_pools_stay_destroyed_across_a_kill_and_their_ids_are_not_used_again()
    {
        await using var node = await NodeProcess.StartAsync(await NewSetupAsync(), output);
        var id = Names.Object();
        var ids = new HashSet<PoolId>();
        var options = Kinds.Options(PoolKind.Persistent, PoolSharing.Private);
        for (var life = 0ul; life < 3; life++)
        {
            await using (var client = await node.ConnectAsync())
            {
                var pool = await client.CreatePoolAsync("phoenix", options);
                Assert.True(ids.Add(pool.Id), $"pool id {pool.Id} was used twice");
                for (var i = 0u; i < 200; i++) await pool.AssertMissAsync(id, i);
                var batch = new WriteBatch();
                for (var i = 0u; i < 200; i++) batch.Put(i, PageBytes.Random((life * 1000) + i));
                Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(id, batch)).Outcome);
                await client.DestroyPoolAsync("phoenix");
            }

            // The background sweep of the journal may not have begun.
            await node.Kill9Async();
            await node.RestartAsync();
            await using var again = await node.ConnectAsync();
            await Assert.ThrowsAsync<NoSuchPoolException>(async () => await again.OpenPoolAsync("phoenix"));
        }
    }

    [Fact]
    public async Task Promise_4_every_put_acknowledged_under_load_survives_a_kill()
    {
        const int Writers = 8;
        await using var node = await NodeProcess.StartAsync(await NewSetupAsync(), output);
        for (var round = 0; round < 3; round++)
        {
            var name = $"load-{round}";
            await using var client = await node.ConnectAsync(timeout: "3s");
            var pool = await client.CreatePoolAsync(name, Kinds.Options(PoolKind.Persistent, PoolSharing.Shared));
            var acknowledged = new ConcurrentDictionary<(int Writer, uint Index), ulong>();
            var attempted = new ConcurrentDictionary<(int Writer, uint Index), ulong>();
            var enough = new TaskCompletionSource();
            var writers = Enumerable.Range(0, Writers).Select(async writer =>
            {
                for (var i = 1ul; ; i++)
                {
                    var index = (uint)(i % 97);
                    var number = (i * 100) + (ulong)writer;
                    attempted[(writer, index)] = number;
                    try
                    {
                        var result = await pool.PutAsync(ObjectId.FromUInt64((ulong)writer), index, PageBytes.Random(number));
                        Assert.True(result.Stored);
                    }
                    catch (GridException)
                    {
                        return;
                    }

                    acknowledged[(writer, index)] = number;
                    if (i == 200) enough.TrySetResult();
                }
            }).ToArray();
            await enough.Task.WaitAsync(TimeSpan.FromSeconds(60));
            await node.Kill9Async();
            await Task.WhenAll(writers);

            await node.RestartAsync();
            await using var after = await node.ConnectAsync();
            var reopened = await after.OpenPoolAsync(name);
            foreach (var ((writer, index), number) in acknowledged)
            {
                // The put in flight at the kill may have been applied; nothing else may be there.
                var (hit, page, _) = await reopened.ReadAsync(ObjectId.FromUInt64((ulong)writer), index);
                Assert.True(hit, $"the acknowledged put {number} is gone");
                var found = PageBytes.NumberOf(page);
                Assert.True(found == number || found == attempted[(writer, index)], $"{writer}/{index}: {found}, acknowledged {number}");
                PoolAssertions.AssertSame(PageBytes.Random(found), page, $"{writer}/{index}");
                await reopened.AssertHoldsAsync(ObjectId.FromUInt64((ulong)writer), index, PageBytes.Random(found));
            }
        }
    }

    [Fact]
    public async Task Ephemeral_pages_never_come_back_stale_after_a_restart()
    {
        await using var node = await NodeProcess.StartAsync(await NewSetupAsync(), output);
        var id = Names.Object();
        await using (var client = await node.ConnectAsync())
        {
            var pool = await client.CreatePoolAsync("cache", Kinds.Options(PoolKind.Ephemeral, PoolSharing.Shared));
            for (var i = 0u; i < 50; i++) await pool.StoreAsync(id, i, PageBytes.Mixed(i));
            for (var i = 0u; i < 50; i++) await pool.StoreAsync(id, i, PageBytes.Mixed(100 + i));
            for (var i = 0u; i < 10; i++) await pool.FlushPageAsync(id, i);
        }

        await node.Kill9Async();
        await node.RestartAsync();
        await using var again = await node.ConnectAsync();
        var reopened = await again.OpenPoolAsync("cache");
        for (var i = 0u; i < 50; i++)
        {
            var (hit, page, _) = await reopened.ReadAsync(id, i);
            Assert.False(hit && i < 10, $"page {i} was flushed");
            if (hit) PoolAssertions.AssertSame(PageBytes.Mixed(100 + i), page, $"{id}/{i}");
        }

        await reopened.StoreAsync(id, 1, PageBytes.Random(1));
        await reopened.AssertHoldsAsync(id, 1, PageBytes.Random(1));
    }

    private static IEnumerable<(string Name, PoolOptions Options)> Shapes()
    {
        foreach (var sharing in Enum.GetValues<PoolSharing>())
            foreach (var compression in Enum.GetValues<PageCompression>())
                foreach (var size in (int[])[4096, 65536])
                    yield return ($"{sharing}-{compression}-{size}", new PoolOptions { Kind = PoolKind.Persistent, Sharing = sharing, Compression = compression, PageSizeBytes = size });
    }

    private static async Task EndAsync(NodeProcess node, Ending ending)
    {
        if (ending == Ending.Killed) await node.Kill9Async();
        else Assert.Equal(0, await node.TerminateAsync());
    }

    /// <summary>By index mod 6: put once; overwritten; flushed; taken; flushed and put again; part of a batch.</summary>
    private static async Task WriteAsync(Pool pool)
    {
        var id = new ObjectId(pool.Id.Value, 7, 7);
        var gone = new ObjectId(pool.Id.Value, 8, 8);
        await Task.WhenAll(Enumerable.Range(0, (int)Pages).Select(i => WriteOneAsync(pool, id, (uint)i)));
        for (var i = 0u; i < 5; i++) await pool.StoreAsync(gone, i, PageBytes.Mixed(i, pool.PageSizeBytes));
        Assert.True((await pool.FlushObjectAsync(gone)).WasThere);
    }

    private static async Task WriteOneAsync(Pool pool, ObjectId id, uint i)
    {
        byte[] Page(uint number) => PageBytes.Mixed(number, pool.PageSizeBytes);
        await pool.StoreAsync(id, i, Page(i));
        switch (i % 6)
        {
            case 1:
                await pool.StoreAsync(id, i, Page(1000 + i));
                break;
            case 2:
                Assert.True((await pool.FlushPageAsync(id, i)).WasThere);
                break;
            case 3:
                Assert.True((await pool.ReadAsync(id, i, GetMode.Take)).Hit);
                break;
            case 4:
                Assert.True((await pool.FlushPageAsync(id, i)).WasThere);
                await pool.StoreAsync(id, i, Page(1000 + i));
                break;
            case 5:
                var batch = new WriteBatch().Put(i, Page(1000 + i)).Flush(10_000 + i).Put(20_000 + i, Page(i));
                Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(id, batch)).Outcome);
                break;
            default:
                break;
        }
    }

    private static async Task VerifyAsync(Pool pool)
    {
        var id = new ObjectId(pool.Id.Value, 7, 7);
        var gone = new ObjectId(pool.Id.Value, 8, 8);
        byte[] Page(uint number) => PageBytes.Mixed(number, pool.PageSizeBytes);
        for (var i = 0u; i < Pages; i++)
        {
            if (i % 6 is 2 or 3) await pool.AssertMissAsync(id, i);
            else await pool.AssertHoldsAsync(id, i, Page(i % 6 == 0 ? i : 1000 + i));
            if (i % 6 == 5) await pool.AssertHoldsAsync(id, 20_000 + i, Page(i));
        }

        for (var i = 0u; i < 5; i++) await pool.AssertMissAsync(gone, i);
    }

    public sealed class OnSqlite(ITestOutputHelper output) : DurabilityTests(output)
    {
        protected override Task<NodeSetup> NewSetupAsync() => Task.FromResult(NodeSetup.Default);
    }

    public sealed class OnPostgreSql(PostgresServer server, ITestOutputHelper output) : DurabilityTests(output), IClassFixture<PostgresServer>
    {
        protected override async Task<NodeSetup> NewSetupAsync() => NodeSetup.OnPostgres(await server.NewDatabaseAsync());
    }
}
