using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Contract;

/// <summary>DESIGN section 2's table, the lines put and get, for the four kinds of pool.</summary>
public abstract class PutGetTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    public static TheoryData<PoolKind, PoolSharing, PageCompression, int> Shapes()
    {
        var data = new TheoryData<PoolKind, PoolSharing, PageCompression, int>();
        foreach (var kind in Enum.GetValues<PoolKind>())
            foreach (var sharing in Enum.GetValues<PoolSharing>())
                foreach (var compression in Enum.GetValues<PageCompression>())
                    for (var size = PoolOptions.MinPageSizeBytes; size <= PoolOptions.MaxPageSizeBytes; size *= 2)
                        data.Add(kind, sharing, compression, size);
        return data;
    }

    [Theory, MemberData(nameof(Shapes))]
    public async Task A_page_put_is_got_exactly_in_every_size_and_compression(
        PoolKind kind, PoolSharing sharing, PageCompression compression, int size)
    {
        var pool = await NewPoolAsync(new PoolOptions { Kind = kind, Sharing = sharing, Compression = compression, PageSizeBytes = size });
        Assert.Equal(size, pool.PageSizeBytes);
        var halfRandom = PageBytes.Random(77, size);
        halfRandom.AsSpan(size / 2).Clear();
        var lastByteDiffers = PageBytes.Filled(0x0101010101010101, size);
        lastByteDiffers[^1] = 2;
        byte[][] pages =
        [
            PageBytes.Random(1, size), PageBytes.Compressible(2, size), PageBytes.Filled(0, size), PageBytes.Filled(ulong.MaxValue, size),
            PageBytes.Filled(0x1122334455667788, size), halfRandom, lastByteDiffers,
        ];
        var id = Names.Object();
        for (var i = 0; i < pages.Length; i++) await pool.StoreAsync(id, (uint)i, pages[i]);
        for (var i = 0; i < pages.Length; i++) await pool.AssertHoldsAsync(id, (uint)i, pages[i]);
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task A_plain_get_removes_the_page_in_an_ephemeral_private_pool_and_keeps_it_elsewhere(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        var page = PageBytes.Random(1);
        await pool.StoreAsync(id, 5, page);
        await pool.AssertHoldsAsync(id, 5, page, GetMode.PoolDefault);
        if (kind == PoolKind.Ephemeral && sharing == PoolSharing.Private) await pool.AssertMissAsync(id, 5, GetMode.PoolDefault);
        else await pool.AssertHoldsAsync(id, 5, page, GetMode.PoolDefault);
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task A_get_that_says_keep_or_take_overrides_the_pools_kind(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        var page = PageBytes.Random(1);
        await pool.StoreAsync(id, 5, page);
        await pool.AssertHoldsAsync(id, 5, page, GetMode.Keep);
        await pool.AssertHoldsAsync(id, 5, page, GetMode.Keep);
        await pool.AssertHoldsAsync(id, 5, page, GetMode.Take);
        await pool.AssertMissAsync(id, 5, GetMode.Take);
        await pool.AssertMissAsync(id, 5);
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Promise_1_put_put_get_never_returns_what_was_overwritten(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        for (var round = 0ul; round < 60; round++)
        {
            // Every sort of page over every other sort: random, compressible, filled.
            var page = PageBytes.Mixed((round * 7) % 60);
            await pool.StoreAsync(id, 9, page);
            await pool.AssertHoldsAsync(id, 9, page);
        }
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Promise_2_get_get_once_missed_stays_missed_until_a_new_put(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        await pool.StoreAsync(id, 1, PageBytes.Random(1));
        await pool.AssertMissAsync(id, 2);
        await pool.AssertHoldsAsync(id, 1, PageBytes.Random(1), GetMode.Take);
        foreach (var mode in (GetMode[])[GetMode.PoolDefault, GetMode.Keep, GetMode.Take, GetMode.Keep])
        {
            await pool.AssertMissAsync(id, 1, mode);
            await pool.AssertMissAsync(id, 2, mode);
            await pool.AssertMissAsync(Names.Object(), 1, mode);
        }

        await pool.StoreAsync(id, 1, PageBytes.Random(2));
        await pool.AssertHoldsAsync(id, 1, PageBytes.Random(2));
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Promise_3_after_a_flush_gets_miss_until_a_new_put(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        for (var index = 0u; index < 4; index++) await pool.StoreAsync(id, index, PageBytes.Mixed(index));

        Assert.True((await pool.FlushPageAsync(id, 2)).WasThere);
        await pool.AssertMissAsync(id, 2);
        await pool.AssertMissAsync(id, 2);
        await pool.StoreAsync(id, 2, PageBytes.Random(22));
        await pool.AssertHoldsAsync(id, 2, PageBytes.Random(22));

        Assert.True((await pool.FlushObjectAsync(id)).WasThere);
        for (var index = 0u; index < 4; index++) await pool.AssertMissAsync(id, index);
        await pool.StoreAsync(id, 3, PageBytes.Random(33));
        await pool.AssertHoldsAsync(id, 3, PageBytes.Random(33));
        for (var index = 0u; index < 3; index++) await pool.AssertMissAsync(id, index);
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task A_flush_is_idempotent_and_says_whether_something_was_there(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        Assert.False((await pool.FlushPageAsync(id, 0)).WasThere);
        Assert.False((await pool.FlushObjectAsync(id)).WasThere);

        await pool.StoreAsync(id, 0, PageBytes.Random(1));
        Assert.False((await pool.FlushPageAsync(id, 1)).WasThere);
        Assert.True((await pool.FlushPageAsync(id, 0)).WasThere);
        Assert.False((await pool.FlushPageAsync(id, 0)).WasThere);
        Assert.False((await pool.FlushObjectAsync(id)).WasThere);

        await pool.StoreAsync(id, 0, PageBytes.Random(2));
        await pool.StoreAsync(id, 1, PageBytes.Filled(0));
        Assert.True((await pool.FlushObjectAsync(id)).WasThere);
        Assert.False((await pool.FlushObjectAsync(id)).WasThere);
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Promise_6_bytes_of_one_handle_never_come_back_under_another(PoolKind kind, PoolSharing sharing)
    {
        Pool[] pools = [await NewPoolAsync(kind, sharing), await NewPoolAsync(kind, sharing)];
        ObjectId[] ids =
        [
            new(0, 0, 0), new(1, 2, 3), new(3, 2, 1), new(2, 1, 3), new(1, 0, 0), new(0, 1, 0), new(0, 0, 1),
            new(ulong.MaxValue, ulong.MaxValue, ulong.MaxValue), new(ulong.MaxValue, 0, 0), new(0x8000000000000000, 0, 0),
        ];
        uint[] indexes = [0, 1, 255, 256, 65535, 65536, int.MaxValue, 0x80000000, uint.MaxValue - 1, uint.MaxValue];

        var puts = new List<Task>();
        var number = 0ul;
        foreach (var pool in pools)
            foreach (var id in ids)
                foreach (var index in indexes)
                    puts.Add(pool.StoreAsync(id, index, PageBytes.Random(number++)));
        await Task.WhenAll(puts);

        var gets = new List<Task>();
        number = 0;
        foreach (var pool in pools)
            foreach (var id in ids)
                foreach (var index in indexes)
                    gets.Add(pool.AssertHoldsAsync(id, index, PageBytes.Random(number++)));
        await Task.WhenAll(gets);
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Every_operation_copies_the_buffers_are_the_callers_again_at_return(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        var buffer = new byte[pool.PageSizeBytes];
        for (var number = 0ul; number < 50; number++)
        {
            PageBytes.FillRandom(buffer, number);
            await pool.StoreAsync(id, (uint)number, buffer);
            buffer.AsSpan().Fill(0xEE);
        }

        for (var number = 0ul; number < 50; number++)
        {
            var result = await pool.GetAsync(id, (uint)number, buffer, GetMode.Keep);
            Assert.True(result.Hit);
            PoolAssertions.AssertSame(PageBytes.Random(number), buffer, $"{id}/{number}");
            buffer.AsSpan().Fill(0xDD);
            await pool.AssertHoldsAsync(id, (uint)number, PageBytes.Random(number));
        }
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Every_answer_returns_the_objects_version_which_changes_change_and_gets_do_not(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        var empty = await pool.AssertMissAsync(id, 0);
        Assert.NotEqual(0ul, empty.Incarnation);
        Assert.Equal(empty, await pool.AssertMissAsync(id, 1));

        var put = await pool.StoreAsync(id, 0, PageBytes.Random(1));
        Assert.NotEqual(empty, put);
        Assert.Equal(put, await pool.AssertHoldsAsync(id, 0, PageBytes.Random(1)));
        Assert.Equal(put, await pool.AssertMissAsync(id, 1));

        var flushedNothing = (await pool.FlushPageAsync(id, 1)).Version;
        Assert.NotEqual(put, flushedNothing);
        var taken = (await pool.ReadAsync(id, 0, GetMode.Take)).Version;
        Assert.NotEqual(flushedNothing, taken);
        var flushedObject = (await pool.FlushObjectAsync(id)).Version;
        Assert.NotEqual(taken, flushedObject);
        Assert.Equal(flushedObject, await pool.AssertMissAsync(id, 0));
        Assert.Equal(flushedObject.Incarnation, put.Incarnation);
    }

    public sealed class OnSqlite(SharedNode shared, ITestOutputHelper output) : PutGetTests(shared, output);

    [Collection(OnSharedPostgresNode.Name)]
    public sealed class OnPostgreSql(SharedPostgresNode shared, ITestOutputHelper output) : PutGetTests(shared, output);
}
