using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Contract;

/// <summary>New pool, join, leave, destroy.</summary>
public sealed class PoolTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task A_new_pool_is_what_was_asked_for_and_is_listed_and_opened_by_name(PoolKind kind, PoolSharing sharing)
    {
        var options = new PoolOptions { Kind = kind, Sharing = sharing, PageSizeBytes = 8192, Compression = PageCompression.Zstd, QuotaPages = 1234 };
        var pool = await NewPoolAsync(options);
        Assert.Equal(options, pool.Info.Options);
        Assert.Equal(1, pool.Info.Members);
        Assert.False(pool.Info.Frozen);
        Assert.Equal("default", pool.Info.Tenant);
        Assert.NotEqual(0ul, pool.Id.Value);

        Assert.Contains(await Client.ListPoolsAsync(), info => info == pool.Info);
        var opened = await Client.OpenPoolAsync(pool.Name);
        Assert.Equal(pool.Info, opened.Info);
        var id = Names.Object();
        await pool.StoreAsync(id, 1, PageBytes.Random(1, 8192));
        await opened.AssertHoldsAsync(id, 1, PageBytes.Random(1, 8192));
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task A_destroyed_pool_is_unreachable_at_once_and_its_id_never_returns(PoolKind kind, PoolSharing sharing)
    {
        var name = Names.Unique("destroyed");
        var id = Names.Object();
        var ids = new HashSet<PoolId>();
        for (var life = 0; life < 4; life++)
        {
            // Another kind in every other life: nothing of the former one may show.
            var pool = await Client.CreatePoolAsync(name, life % 2 == 0 ? Kinds.Options(kind, sharing) : new PoolOptions { PageSizeBytes = 8192 });
            Assert.True(ids.Add(pool.Id), $"pool id {pool.Id} was used twice");
            for (var index = 0u; index < 3; index++) await pool.AssertMissAsync(id, index);
            for (var index = 0u; index < 3; index++) await pool.StoreAsync(id, index, PageBytes.Mixed(index, pool.PageSizeBytes));

            Assert.True(await Client.DestroyPoolAsync(name));
            var page = new byte[pool.PageSizeBytes];
            await Assert.ThrowsAsync<NoSuchPoolException>(async () => await pool.GetAsync(id, 0, page));
            await Assert.ThrowsAsync<NoSuchPoolException>(async () => await pool.PutAsync(id, 0, page));
            await Assert.ThrowsAsync<NoSuchPoolException>(async () => await pool.FlushPageAsync(id, 0));
            await Assert.ThrowsAsync<NoSuchPoolException>(async () => await pool.FlushObjectAsync(id));
            await Assert.ThrowsAsync<NoSuchPoolException>(async () => await pool.WriteBatchAsync(id, new WriteBatch().Flush(0)));
            await Assert.ThrowsAsync<NoSuchPoolException>(async () => await pool.GetBatchAsync(id, new uint[] { 0 }, page));
            await Assert.ThrowsAsync<NoSuchPoolException>(async () => await Client.OpenPoolAsync(name));
            await Assert.ThrowsAsync<NoSuchPoolException>(async () => await Client.StatPoolAsync(name));
            await Assert.ThrowsAsync<NoSuchPoolException>(async () => await Client.DestroyPoolAsync(name));
            Assert.DoesNotContain(await Client.ListPoolsAsync(), info => info.Name == name);
        }
    }

    [Fact]
    public async Task A_private_pool_is_created_once()
    {
        var pool = await NewPoolAsync(PoolKind.Persistent, PoolSharing.Private);
        var error = await Assert.ThrowsAsync<PoolExistsException>(async () => await Client.CreatePoolAsync(pool.Name, pool.Info.Options));
        Assert.Equal(CallOutcome.NotApplied, error.Outcome);
        Assert.Contains(pool.Name, error.Message, StringComparison.Ordinal);
    }

    [Theory, InlineData(PoolKind.Ephemeral), InlineData(PoolKind.Persistent)]
    public async Task A_shared_pool_is_joined_by_creating_it_alike_or_opening_it_and_dies_with_its_last_member(PoolKind kind)
    {
        var name = Names.Unique("shared");
        var options = Kinds.Options(kind, PoolSharing.Shared);
        await using var ann = await Shared.Node.ConnectAsync("ann");
        await using var bob = await Shared.Node.ConnectAsync("bob");
        await using var eve = await Shared.Node.ConnectAsync("eve");
        var id = Names.Object();

        var anns = await ann.CreatePoolAsync(name, options);
        var bobs = await bob.CreatePoolAsync(name, options);
        var eves = await eve.OpenPoolAsync(name);
        Assert.Equal([anns.Id, anns.Id], [bobs.Id, eves.Id]);
        Assert.Equal([1, 2, 3], [anns.Info.Members, bobs.Info.Members, eves.Info.Members]);
        // A member counts once, however often it joins.
        Assert.Equal(3, (await bob.OpenPoolAsync(name)).Info.Members);
        await Assert.ThrowsAsync<PoolExistsException>(async () => await bob.CreatePoolAsync(name, options with { PageSizeBytes = 8192 }));

        await anns.StoreAsync(id, 1, PageBytes.Random(1));
        await bobs.AssertHoldsAsync(id, 1, PageBytes.Random(1), GetMode.PoolDefault);
        await eves.AssertHoldsAsync(id, 1, PageBytes.Random(1), GetMode.PoolDefault);

        Assert.True(await ann.DestroyPoolAsync(name));
        await bobs.AssertHoldsAsync(id, 1, PageBytes.Random(1));
        Assert.True(await eve.DestroyPoolAsync(name));
        await bobs.AssertHoldsAsync(id, 1, PageBytes.Random(1));
        Assert.True(await bob.DestroyPoolAsync(name));
        await Assert.ThrowsAsync<NoSuchPoolException>(async () => await bobs.GetAsync(id, 1, new byte[4096]));

        var reborn = await bob.CreatePoolAsync(name, options);
        Assert.NotEqual(bobs.Id, reborn.Id);
        Assert.Equal(1, reborn.Info.Members);
        await reborn.AssertMissAsync(id, 1);
    }

    [Fact]
    public async Task A_destroy_races_with_operations_which_end_as_applied_or_no_such_pool()
    {
        for (var round = 0; round < 5; round++)
        {
            var pool = await NewPoolAsync(round % 2 == 0 ? PoolKind.Persistent : PoolKind.Ephemeral, PoolSharing.Shared);
            using var stop = new CancellationTokenSource();
            var started = new TaskCompletionSource();
            var writers = Enumerable.Range(0, 4).Select(async writer =>
            {
                for (var i = 0ul; !stop.IsCancellationRequested; i++)
                {
                    try
                    {
                        await pool.StoreAsync(ObjectId.FromUInt64((ulong)writer), (uint)(i % 50), PageBytes.Random(i));
                        started.TrySetResult();
                    }
                    catch (NoSuchPoolException)
                    {
                        return true;
                    }
                }

                return false;
            }).ToArray();
            await started.Task.WaitAsync(TimeSpan.FromSeconds(20));
            Assert.True(await Client.DestroyPoolAsync(pool.Name));
            // At once: the first put after the destroy's answer already fails.
            await Assert.ThrowsAsync<NoSuchPoolException>(async () => await pool.PutAsync(Names.Object(), 0, PageBytes.Random(1)));
            var ended = Task.WhenAll(writers);
            Assert.DoesNotContain(false, await ended.WaitAsync(TimeSpan.FromSeconds(20)));
            await stop.CancelAsync();
        }
    }

    [Fact]
    public async Task Wrong_names_and_attributes_are_refused_and_named()
    {
        foreach (var name in (string[])["", "no spaces", "no/slash", new string('x', PoolOptions.MaxNameBytes + 1)])
            await Errors.AssertBadArgumentAsync(async () => await Client.CreatePoolAsync(name, new PoolOptions()));
        foreach (var size in (int[])[0, 1, 2048, 4095, 5000, 12288, 131072, -4096])
        {
            var error = await Errors.AssertBadArgumentAsync(async () =>
                await Client.CreatePoolAsync(Names.Unique("bad"), new PoolOptions { PageSizeBytes = size }));
            Assert.Contains(size.ToString(System.Globalization.CultureInfo.InvariantCulture), error.Message, StringComparison.Ordinal);
        }

        await Errors.AssertBadArgumentAsync(async () => await Client.CreatePoolAsync(Names.Unique("bad"), new PoolOptions { Kind = (PoolKind)7 }));
        Assert.Equal(128, (await Client.CreatePoolAsync(Names.Unique(new string('n', 95)), new PoolOptions())).Name.Length);
    }

    [Fact]
    public async Task A_page_of_the_wrong_size_is_refused_and_changes_nothing()
    {
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        var id = Names.Object();
        await pool.StoreAsync(id, 0, PageBytes.Random(1));
        foreach (var size in (int[])[0, 1, 4095, 4097, 8192])
        {
            await Errors.AssertBadArgumentAsync(async () => await pool.PutAsync(id, 0, new byte[size]));
            await Errors.AssertBadArgumentAsync(async () => await pool.WriteBatchAsync(id, new WriteBatch().Put(0, new byte[size])));
        }

        await Errors.AssertBadArgumentAsync(async () => await pool.GetAsync(id, 0, new byte[4095]));
        await Errors.AssertBadArgumentAsync(async () => await pool.GetBatchAsync(id, new uint[] { 0, 1 }, new byte[4096]));
        await pool.AssertHoldsAsync(id, 0, PageBytes.Random(1));
    }

    [Fact]
    public async Task A_stat_counts_what_happened()
    {
        var pool = await NewPoolAsync(new PoolOptions { Sharing = PoolSharing.Shared, Compression = PageCompression.Lz4 });
        var id = Names.Object();
        for (var i = 0u; i < 10; i++) await pool.StoreAsync(id, i, PageBytes.Random(i));
        for (var i = 10u; i < 15; i++) await pool.StoreAsync(id, i, PageBytes.Filled(i));
        await pool.AssertHoldsAsync(id, 3, PageBytes.Random(3));
        await pool.AssertMissAsync(id, 100);
        await pool.FlushPageAsync(id, 4);
        var stat = await Client.StatPoolAsync(pool.Name);
        Assert.Equal(pool.Info, stat.Pool);
        Assert.Equal((1ul, 14ul, 14ul * 4096, 5ul), (stat.Objects, stat.Pages, stat.LogicalBytes, stat.SameFilledPages));
        Assert.Equal((15ul, 0ul, 2ul, 1ul, 1ul, 0ul), (stat.Puts, stat.Refusals, stat.Gets, stat.Hits, stat.Flushes, stat.Evictions));
        Assert.InRange(stat.StoredBytes, 9ul * 4096, 14ul * 4096);
    }
}
