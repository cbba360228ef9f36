using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Contract;

/// <summary>What a pool holds, told in order and in pieces.</summary>
public sealed class ListingTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Every_object_that_holds_pages_is_listed_once_in_order(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        Assert.Empty(await ObjectsAsync(pool));
        var expected = new List<(ObjectId Id, ulong Pages)>();
        foreach (var id in new[] { default, new ObjectId(0, 0, 1), new ObjectId(0, 1, 0), new ObjectId(0, ulong.MaxValue, ulong.MaxValue), new ObjectId(1, 0, 0), new ObjectId(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue) })
        {
            for (var i = 0u; i <= expected.Count; i++) await pool.StoreAsync(id, i * 1000, PageBytes.Mixed(i));
            expected.Add((id, (ulong)expected.Count + 1));
        }

        var emptied = new ObjectId(0, 5, 0);
        await pool.StoreAsync(emptied, 1, PageBytes.Mixed(1));
        Assert.True((await pool.FlushPageAsync(emptied, 1)).WasThere);
        Assert.Equal(expected, (await ObjectsAsync(pool)).Select(item => (item.Id, item.Pages!.Value)));
        var all = await ObjectsAsync(pool, withEmpty: true);
        Assert.Equal(expected.Count + 1, all.Count);
        Assert.Contains(new ListedObject(emptied, 0), all);

        // Another pool's objects are another pool's.
        Assert.Empty(await ObjectsAsync(await NewPoolAsync(kind, sharing), withEmpty: true));
        await Client.DestroyPoolAsync(pool.Name);
        await Assert.ThrowsAsync<NoSuchPoolException>(() => ObjectsAsync(pool));
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task More_objects_than_fit_a_piece_are_listed_in_several(PoolKind kind, PoolSharing sharing)
    {
        const int Count = ProtocolLimits.MaxListedObjects + 500;
        var pool = await NewPoolAsync(kind, sharing);
        var random = new Random(1);
        var ids = Enumerable.Range(0, Count).Select(_ => new ObjectId((ulong)random.Next(3), (ulong)random.NextInt64(), (ulong)random.NextInt64())).Order().ToArray();
        await Parallel.ForEachAsync(ids, new ParallelOptions { MaxDegreeOfParallelism = 64 }, async (id, _) => await pool.StoreAsync(id, 7, PageBytes.Filled(7)));
        Assert.Equal(ids, (await ObjectsAsync(pool)).Select(item => item.Id));
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task The_pages_of_an_object_are_listed_in_order_over_the_whole_range(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        Assert.Empty((await PagesAsync(pool, id)).Indexes);
        var random = new Random(2);
        var indexes = Enumerable.Range(0, PageList.MaxIndexes + 2000).Select(i => i % 2 == 0 ? (uint)i : (uint)random.NextInt64(uint.MaxValue)).Append(uint.MaxValue).Append(0u).Distinct().Order().ToArray();
        foreach (var some in indexes.Chunk(200))
        {
            var batch = new WriteBatch();
            foreach (var index in some) batch.Put(index, PageBytes.Filled(index));
            Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(id, batch)).Outcome);
        }

        var (listed, versions) = await PagesAsync(pool, id);
        Assert.Equal(indexes, listed);
        Assert.Single(versions.Distinct());
        Assert.Equal(indexes.Where(index => index > 1_000_000), (await PagesAsync(pool, id, 1_000_001)).Indexes);
        Assert.True((await pool.FlushPageAsync(id, uint.MaxValue)).WasThere);
        var after = await PagesAsync(pool, id, indexes[^2]);
        Assert.Equal([indexes[^2]], after.Indexes);
        Assert.NotEqual(versions[0], after.Versions[0]);
    }

    [Fact]
    public async Task Listing_takes_nothing_out_of_a_pool_whose_gets_take()
    {
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Private);
        var id = Names.Object();
        await pool.StoreAsync(id, 3, PageBytes.Random(3));
        for (var i = 0; i < 2; i++) Assert.Equal([3u], (await PagesAsync(pool, id)).Indexes);
        await pool.AssertHoldsAsync(id, 3, PageBytes.Random(3), GetMode.Take);
        Assert.Empty((await PagesAsync(pool, id)).Indexes);
    }

    [Fact]
    public async Task A_sound_object_verifies_and_only_persistent_pools_can_be()
    {
        var pool = await NewPoolAsync(PoolKind.Persistent, PoolSharing.Private);
        var id = Names.Object();
        for (var i = 0u; i < 40; i++) await pool.StoreAsync(id, i % 30, PageBytes.Mixed(i));
        var parts = new List<VerifyPart>();
        await foreach (var part in pool.VerifyObjectAsync(id)) parts.Add(part);
        Assert.Empty(parts.SelectMany(part => part.Damages));
        Assert.Equal(40ul, parts.Aggregate(0ul, (sum, part) => sum + part.Pages));
        Assert.True(parts[^1].IsLast);

        var cache = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Private);
        var refused = await Assert.ThrowsAsync<GridArgumentException>(async () => await cache.VerifyObjectAsync(id).GetAsyncEnumerator().MoveNextAsync());
        Assert.Contains("ephemeral", refused.Message, StringComparison.Ordinal);
    }

    private static async Task<List<ListedObject>> ObjectsAsync(Pool pool, bool withEmpty = false)
    {
        var objects = new List<ListedObject>();
        await foreach (var item in pool.ListObjectsAsync(withEmpty)) objects.Add(item);
        return objects;
    }

    private static async Task<(List<uint> Indexes, List<ObjectVersion> Versions)> PagesAsync(Pool pool, ObjectId id, uint from = 0)
    {
        var (indexes, versions) = (new List<uint>(), new List<ObjectVersion>());
        await foreach (var piece in pool.ListPagesAsync(id, from))
        {
            indexes.AddRange(piece.Indexes);
            versions.Add(piece.Version);
        }

        return (indexes, versions);
    }
}
