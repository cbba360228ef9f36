using Grid.Client.Frontends;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends;

/// <summary>Frontswap on a live node: the kernel's semantics, and how swap divides between the grid and a file.</summary>
public sealed class FrontswapTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    [Fact]
    public async Task Counts_exactly_as_the_kernel_does()
    {
        using var swap = await SwapSetup.CreateAsync(Client, 100, quotaPages: 2);
        var frontswap = swap.Frontswap;
        Assert.True(await frontswap.StoreAsync(0, 1));
        Assert.True(await frontswap.StoreAsync(1, 2));
        Assert.True(await frontswap.StoreAsync(1, 3));
        Assert.False(await frontswap.StoreAsync(2, 4));
        await frontswap.AssertLoadsAsync(0, 1);
        await frontswap.AssertLoadsAsync(1, 3);
        await frontswap.AssertAbsentAsync(2);
        await frontswap.InvalidatePageAsync(0, 0);
        await frontswap.InvalidatePageAsync(0, 0);
        await frontswap.InvalidatePageAsync(0, 50);
        Assert.Equal(1, frontswap.CurrentPages);
        await frontswap.InvalidateAreaAsync(0);
        // A replaced duplicate, a page never there and an area count no invalidation; a load that finds nothing counts no load.
        Assert.Equal(new FrontswapCounters(Loads: 2, SuccStores: 3, FailedStores: 1, Invalidates: 1), frontswap.Counters);
        Assert.Equal(0, frontswap.CurrentPages);
        await frontswap.AssertAbsentAsync(1);
    }

    [Fact]
    public async Task A_devices_pages_are_swizzled_over_objects_as_the_kernel_did()
    {
        using var swap = await SwapSetup.CreateAsync(Client, 1000);
        for (var offset = 0u; offset < 100; offset++) Assert.True(await swap.Frontswap.StoreAsync(offset, offset));
        var objects = new List<ObjectId>();
        await foreach (var item in swap.Pool.ListObjectsAsync()) objects.Add(item.Id);
        Assert.Equal(Enumerable.Range(0, 16).Select(low => (ulong)low), objects.Select(id => id.Word0));
        foreach (var id in objects)
            await foreach (var piece in swap.Pool.ListPagesAsync(id))
                Assert.Equal(Enumerable.Range(0, 100).Where(offset => (ulong)(offset & 15) == id.Word0).Select(offset => (uint)offset >> 4), piece.Indexes);
    }

    [Fact]
    public async Task What_the_grid_refuses_goes_to_the_file_and_every_page_is_loaded_from_where_it_is()
    {
        using var swap = await SwapSetup.CreateAsync(Client, 100, quotaPages: 40, filePages: 50);
        for (var offset = 0u; offset < 100; offset++) Assert.Equal(offset < 90, await swap.Frontswap.StoreAsync(offset, offset));
        Assert.Equal([40L, 50L], swap.Frontswap.Backends.Select(backend => backend.Pages));
        for (var offset = 0u; offset < 90; offset++) await swap.Frontswap.AssertLoadsAsync(offset, offset);
        for (var offset = 90u; offset < 100; offset++) await swap.Frontswap.AssertAbsentAsync(offset);

        // Room in the grid is used again, by pages that the file has too.
        for (var offset = 0u; offset < 10; offset++) await swap.Frontswap.InvalidatePageAsync(0, offset);
        for (var offset = 60u; offset < 70; offset++) Assert.True(await swap.Frontswap.StoreAsync(offset, 1000 + offset));
        Assert.Equal([40L, 40L], swap.Frontswap.Backends.Select(backend => backend.Pages));
        Assert.Equal(40u, swap.File!.Pages);
        for (var offset = 10u; offset < 90; offset++) await swap.Frontswap.AssertLoadsAsync(offset, offset is >= 60 and < 70 ? 1000 + offset : offset);
    }

    [Fact]
    public async Task A_page_moves_between_the_grid_and_the_file_and_its_old_copy_is_never_loaded()
    {
        using var swap = await SwapSetup.CreateAsync(Client, 8, filePages: 8);
        for (var round = 0ul; round < 6; round++)
        {
            if (round % 2 == 1) await Client.FreezePoolAsync(swap.Pool.Name);
            Assert.True(await swap.Frontswap.StoreAsync(3, round));
            await swap.Frontswap.AssertLoadsAsync(3, round);
            Assert.Equal(round % 2 == 1 ? 0ul : 1ul, await swap.GridPagesAsync());
            Assert.Equal(round % 2 == 1 ? 1u : 0u, swap.File!.Pages);
            if (round % 2 == 1) await Client.ThawPoolAsync(swap.Pool.Name);
            await swap.Frontswap.AssertLoadsAsync(3, round);
        }
    }

    [Fact]
    public async Task A_store_that_nobody_accepts_leaves_nothing_of_the_page_before()
    {
        using var swap = await SwapSetup.CreateAsync(Client, 8);
        Assert.True(await swap.Frontswap.StoreAsync(3, 1));
        await Client.FreezePoolAsync(swap.Pool.Name);
        Assert.False(await swap.Frontswap.StoreAsync(3, 2));
        await swap.Frontswap.AssertAbsentAsync(3);
        await Client.ThawPoolAsync(swap.Pool.Name);
        await swap.Frontswap.AssertAbsentAsync(3);
        Assert.Equal(0ul, await swap.GridPagesAsync());
    }

    [Fact]
    public async Task Writethrough_stores_and_says_no_and_what_gets_lost_then_is_absent()
    {
        using var swap = await SwapSetup.CreateAsync(Client, 8);
        swap.Frontswap.Writethrough = true;
        Assert.False(await swap.Frontswap.StoreAsync(0, 7));
        Assert.Equal(new FrontswapCounters(0, SuccStores: 1, 0, 0), swap.Frontswap.Counters);
        await swap.Frontswap.AssertLoadsAsync(0, 7);

        swap.Frontswap.Writethrough = false;
        Assert.True(await swap.Frontswap.StoreAsync(1, 8));
        await foreach (var item in swap.Pool.ListObjectsAsync()) await swap.Pool.FlushObjectAsync(item.Id);
        // The first is on its owner's device as well, the second was here only.
        Assert.False(await swap.Frontswap.LoadAsync(0, 0, new byte[4096]));
        var lost = await Assert.ThrowsAsync<SwapPageLostException>(() => swap.Frontswap.LoadAsync(0, 1, new byte[4096]).AsTask());
        Assert.Contains("page 1 of swap device 0", lost.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<SwapPageLostException>(() => swap.Frontswap.LoadAsync(0, 1, new byte[4096]).AsTask());
        Assert.True(await swap.Frontswap.StoreAsync(1, 9));
        await swap.Frontswap.AssertLoadsAsync(1, 9);
    }

    [Fact]
    public async Task An_exclusive_get_hands_the_page_out_once_and_counts_no_invalidation()
    {
        using var swap = await SwapSetup.CreateAsync(Client, 8);
        swap.Frontswap.ExclusiveGets = true;
        Assert.True(await swap.Frontswap.StoreAsync(5, 1));
        await swap.Frontswap.AssertLoadsAsync(5, 1);
        await swap.Frontswap.AssertAbsentAsync(5);
        Assert.Equal(new FrontswapCounters(1, 1, 0, 0), swap.Frontswap.Counters);
        Assert.Equal(0ul, await swap.GridPagesAsync());
    }

    [Fact]
    public async Task Shrink_hands_pages_back_until_the_target_and_keeps_those_that_are_not_received()
    {
        using var swap = await SwapSetup.CreateAsync(Client, 20, quotaPages: 6, filePages: 20);
        await swap.Frontswap.InitAsync(1, 20);
        for (var offset = 0u; offset < 10; offset++) Assert.True(await swap.Frontswap.StoreAsync(offset, offset, (int)offset % 2));
        var back = new List<(int Type, uint Offset)>();
        ValueTask ReceiveAsync(int type, uint offset, ReadOnlyMemory<byte> page, CancellationToken cancellation)
        {
            if (back.Count == 6) throw new InvalidOperationException("no memory");
            PoolAssertions.AssertSame(PageBytes.Mixed(offset), page.Span, $"{type}/{offset}");
            back.Add((type, offset));
            return ValueTask.CompletedTask;
        }

        Assert.Equal(6, await swap.Frontswap.ShrinkAsync(4, ReceiveAsync));
        Assert.Equal(4, swap.Frontswap.CurrentPages);
        await Assert.ThrowsAsync<InvalidOperationException>(() => swap.Frontswap.ShrinkAsync(3, ReceiveAsync).AsTask());
        Assert.Equal(4, swap.Frontswap.CurrentPages);
        Assert.Equal([(0, 0u), (0, 2), (0, 4), (0, 6), (0, 8), (1, 1)], back);
        foreach (var offset in (uint[])[3, 5, 7, 9]) await swap.Frontswap.AssertLoadsAsync(offset, offset, 1);
        foreach (var (type, offset) in back) await swap.Frontswap.AssertAbsentAsync(offset, type);
        Assert.Equal(0, await swap.Frontswap.ShrinkAsync(4, ReceiveAsync));
        // Each page handed back was loaded and invalidated; so was the one that was not received, but for the invalidation.
        Assert.Equal(new FrontswapCounters(Loads: 6 + 1 + 4, SuccStores: 10, FailedStores: 0, Invalidates: 6), swap.Frontswap.Counters);
    }

    [Fact]
    public async Task A_device_switched_on_again_finds_nothing_of_its_earlier_life_also_after_a_crash()
    {
        using var first = await SwapSetup.CreateAsync(Client, 64, options: SwapSetup.Patient with { Owner = 9 });
        for (var offset = 0u; offset < 64; offset++) Assert.True(await first.Frontswap.StoreAsync(offset, offset));
        var stranger = new Frontswap([new GridSwapBackend(first.Pool, SwapSetup.Patient with { Owner = 10 })]);
        await stranger.InitAsync(0, 64);
        Assert.True(await stranger.StoreAsync(7, 70));

        // The process that had them is gone, and with it what it knew.
        var second = new Frontswap([new GridSwapBackend(first.Pool, SwapSetup.Patient with { Owner = 9, SwizzleBits = 2 })]);
        await second.InitAsync(0, 64);
        for (var offset = 0u; offset < 64; offset++) await second.AssertAbsentAsync(offset);
        Assert.Equal(1ul, await first.GridPagesAsync());
        await stranger.AssertLoadsAsync(7, 70);

        Assert.True(await second.StoreAsync(1, 100));
        var error = await Assert.ThrowsAsync<InvalidOperationException>(() => second.InitAsync(0, 32).AsTask());
        Assert.Contains("invalidate its area first", error.Message, StringComparison.Ordinal);
        await second.InvalidateAreaAsync(0);
        await second.InitAsync(0, 32);
        await second.AssertAbsentAsync(1);
        Assert.Throws<ArgumentOutOfRangeException>(() => second.Test(0, 40));
        Assert.Equal(1ul, await first.GridPagesAsync());
    }

    [Fact]
    public async Task Bad_arguments_are_refused_with_what_is_wrong()
    {
        using var swap = await SwapSetup.CreateAsync(Client, 8);
        var ephemeral = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Private);
        Assert.Contains("ephemeral", Assert.Throws<ArgumentException>(() => new GridSwapBackend(ephemeral)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentOutOfRangeException>(() => new GridSwapBackend(swap.Pool, new GridSwapOptions { SwizzleBits = 13 }));
        Assert.Throws<ArgumentException>(() => new Frontswap([]));
        using var folder = new TestFolder();
        using var large = new FileSwapBackend(folder.Combine("large"), 4, 8192);
        Assert.Contains("8192", Assert.Throws<ArgumentException>(() => new Frontswap([swap.Grid, large])).Message, StringComparison.Ordinal);
        Assert.Throws<IOException>(() => new FileSwapBackend(folder.Combine("large"), 4));
        await Assert.ThrowsAsync<ArgumentException>(() => swap.Frontswap.StoreAsync(0, 0, new byte[100]).AsTask());
        await Assert.ThrowsAsync<ArgumentException>(() => swap.Frontswap.LoadAsync(0, 0, new byte[100]).AsTask());
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => swap.Frontswap.StoreAsync(8, 0).AsTask());
        await Assert.ThrowsAsync<InvalidOperationException>(() => swap.Frontswap.StoreAsync(0, 0, type: 3).AsTask());
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => swap.Frontswap.InitAsync(256, 8).AsTask());
    }

    [Fact]
    public async Task The_files_places_are_used_again_and_no_page_comes_back_under_another_number()
    {
        using var folder = new TestFolder();
        using var file = new FileSwapBackend(folder.Combine("swap"), 16);
        var frontswap = new Frontswap([file]);
        await frontswap.InitAsync(0, 1000);
        await frontswap.InitAsync(1, 1000);
        var random = new Random(Seeds.Next(Output));
        var held = new Dictionary<(int, uint), ulong>();
        for (var number = 1ul; number < 2000; number++)
        {
            var (type, offset) = (random.Next(2), (uint)random.Next(20));
            if (random.Next(3) == 0)
            {
                await frontswap.InvalidatePageAsync(type, offset);
                held.Remove((type, offset));
            }
            else
            {
                held.Remove((type, offset));
                var stored = await frontswap.StoreAsync(offset, number, type);
                Assert.Equal(held.Count < 16, stored);
                if (stored) held[(type, offset)] = number;
            }
        }

        foreach (var ((type, offset), number) in held) await frontswap.AssertLoadsAsync(offset, number, type);
        Assert.Equal((uint)held.Count, file.Pages);
        Assert.True(new FileInfo(folder.Combine("swap")).Length <= 16 * 4096);
    }
}
