using System.Collections.Concurrent;
using Grid.Client;
using Grid.Client.Frontends;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends;

/// <summary>What frontswap does when the grid does not answer, or late, or its callers race.</summary>
public sealed class FrontswapFailureTests(ITestOutputHelper output)
{
    private static readonly GridSwapOptions Quick = new() { StoreTimeout = TimeSpan.FromMilliseconds(300), LoadTimeout = TimeSpan.FromSeconds(20) };

    [Fact]
    public async Task A_store_that_the_grid_does_not_answer_goes_to_the_file_and_what_comes_of_it_late_is_never_loaded()
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        await using var client = await node.ConnectAsync();
        using var swap = await SwapSetup.CreateAsync(client, 16, filePages: 16, options: Quick, pause: TimeSpan.Zero);
        for (var offset = 0u; offset < 16; offset++) Assert.True(await swap.Frontswap.StoreAsync(offset, 100 + offset));

        await node.PauseAsync();
        for (var offset = 0u; offset < 4; offset++) Assert.True(await swap.Frontswap.StoreAsync(offset, 200 + offset));
        for (var offset = 4u; offset < 6; offset++) await swap.Frontswap.InvalidatePageAsync(0, offset);
        for (var offset = 0u; offset < 4; offset++) await swap.Frontswap.AssertLoadsAsync(offset, 200 + offset);
        Assert.Equal([10L, 4L], swap.Frontswap.Backends.Select(backend => backend.Pages));
        node.Continue();

        // The flushes and puts that were given up may take effect now, or not.
        for (var offset = 4u; offset < 6; offset++) await swap.Frontswap.AssertAbsentAsync(offset);
        for (var offset = 0u; offset < 2; offset++) Assert.True(await swap.Frontswap.StoreAsync(offset, 300 + offset));
        Assert.Equal([12L, 2L], swap.Frontswap.Backends.Select(backend => backend.Pages));
        for (var round = 0; round < 20; round++)
        {
            for (var offset = 0u; offset < 2; offset++) await swap.Frontswap.AssertLoadsAsync(offset, 300 + offset);
            for (var offset = 2u; offset < 4; offset++) await swap.Frontswap.AssertLoadsAsync(offset, 200 + offset);
        }

        await Eventually.TrueAsync(async () => await swap.Frontswap.ReclaimAsync() == 0, "everything is reclaimed", TimeSpan.FromSeconds(10));
        Assert.Equal(12ul, await swap.GridPagesAsync());
        for (var offset = 6u; offset < 16; offset++) await swap.Frontswap.AssertLoadsAsync(offset, 100 + offset);
    }

    [Fact]
    public async Task A_page_whose_store_failed_everywhere_is_absent_also_where_the_grid_still_has_its_old_copy()
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        await using var client = await node.ConnectAsync();
        using var swap = await SwapSetup.CreateAsync(client, 4, options: Quick);
        Assert.True(await swap.Frontswap.StoreAsync(2, 1));
        await node.PauseAsync();
        Assert.False(await swap.Frontswap.StoreAsync(2, 2));
        node.Continue();
        for (var round = 0; round < 50; round++) await swap.Frontswap.AssertAbsentAsync(2);
        Assert.Equal(new FrontswapCounters(0, 1, 1, 0), swap.Frontswap.Counters);
        await Eventually.TrueAsync(async () => await swap.Frontswap.ReclaimAsync() == 0, "the old copy is reclaimed", TimeSpan.FromSeconds(10));
        Assert.Equal(0ul, await swap.GridPagesAsync());
    }

    [Fact]
    public async Task A_cancelled_store_leaves_no_old_copy_to_load()
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        await using var client = await node.ConnectAsync();
        using var swap = await SwapSetup.CreateAsync(client, 4, filePages: 4, options: new GridSwapOptions());
        Assert.True(await swap.Frontswap.StoreAsync(2, 1));
        await node.PauseAsync();
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => swap.Frontswap.StoreAsync(0, 2, PageBytes.Mixed(2), cancel.Token).AsTask());
        await swap.Frontswap.AssertAbsentAsync(2);
        node.Continue();
        for (var round = 0; round < 20; round++) await swap.Frontswap.AssertAbsentAsync(2);
        Assert.True(await swap.Frontswap.StoreAsync(2, 3));
        await swap.Frontswap.AssertLoadsAsync(2, 3);
    }

    [Fact]
    public async Task With_the_grid_away_the_file_takes_over_at_once_and_loads_wait_for_the_grid()
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        await using var client = await node.ConnectAsync();
        using var swap = await SwapSetup.CreateAsync(client, 500, filePages: 500, options: Quick, pause: TimeSpan.FromMinutes(1));
        Assert.True(await swap.Frontswap.StoreAsync(499, 499));
        await node.PauseAsync();
        for (var offset = 0u; offset < 400; offset++) Assert.True(await swap.Frontswap.StoreAsync(offset, offset));
        // One deadline, not four hundred.
        Assert.Equal([1L, 400L], swap.Frontswap.Backends.Select(backend => backend.Pages));
        Assert.Equal([1L, 0L], swap.Frontswap.Backends.Select(backend => backend.Failures));
        var load = swap.Frontswap.AssertLoadsAsync(499, 499);
        for (var offset = 0u; offset < 400; offset++) await swap.Frontswap.AssertLoadsAsync(offset, offset);
        Assert.False(load.IsCompleted);
        node.Continue();
        await load;
    }

    [Fact]
    public async Task A_load_that_fails_says_so_and_the_page_is_still_there()
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        await using var client = await node.ConnectAsync();
        using var swap = await SwapSetup.CreateAsync(client, 4, options: Quick with { LoadTimeout = TimeSpan.FromMilliseconds(200) });
        Assert.True(await swap.Frontswap.StoreAsync(2, 1));
        swap.Frontswap.Writethrough = true;
        Assert.False(await swap.Frontswap.StoreAsync(3, 3));
        await node.PauseAsync();
        await Assert.ThrowsAnyAsync<GridException>(() => swap.Frontswap.LoadAsync(0, 2, new byte[4096]).AsTask());
        // This one its owner has written as well.
        Assert.False(await swap.Frontswap.LoadAsync(0, 3, new byte[4096]));
        Assert.True(swap.Frontswap.Test(0, 2));
        node.Continue();
        await swap.Frontswap.AssertLoadsAsync(2, 1);
        await swap.Frontswap.AssertLoadsAsync(3, 3);
    }

    [Fact]
    public async Task An_area_that_cannot_be_invalidated_is_absent_and_its_space_comes_back_with_the_next_init()
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        await using var client = await node.ConnectAsync();
        using var swap = await SwapSetup.CreateAsync(client, 32, options: Quick);
        for (var offset = 0u; offset < 32; offset++) Assert.True(await swap.Frontswap.StoreAsync(offset, offset));
        await node.PauseAsync();
        await swap.Frontswap.InvalidateAreaAsync(0);
        node.Continue();
        for (var offset = 0u; offset < 32; offset++) await swap.Frontswap.AssertAbsentAsync(offset);
        Assert.Equal(1, swap.Frontswap.Backends[0].Failures);
        await swap.Frontswap.InitAsync(0, 32);
        Assert.Equal(0ul, await swap.GridPagesAsync());
        // The flushes that were given up cannot meet what is stored now.
        for (var offset = 0u; offset < 32; offset++) Assert.True(await swap.Frontswap.StoreAsync(offset, 100 + offset));
        for (var offset = 0u; offset < 32; offset++) await swap.Frontswap.AssertLoadsAsync(offset, 100 + offset);
    }

    [Fact]
    public async Task Racing_calls_about_one_page_take_effect_one_after_another()
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        await using var client = await node.ConnectAsync();
        using var swap = await SwapSetup.CreateAsync(client, 4, quotaPages: 2, filePages: 2);
        var seed = Seeds.Next(output);
        var begun = new ConcurrentDictionary<ulong, byte>();
        var numbers = 0L;
        var errors = new ConcurrentQueue<string>();
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(4));
        var callers = Enumerable.Range(0, 12).Select(caller => Task.Run(async () =>
        {
            var random = new Random(seed + caller);
            var page = new byte[4096];
            for (var calls = 0; ; calls++)
            {
                if (stop.IsCancellationRequested) return calls;
                var offset = (uint)random.Next(3);
                switch (random.Next(8))
                {
                    case < 4:
                        var number = ((ulong)Interlocked.Increment(ref numbers) * 4) + offset;
                        begun.TryAdd(number, 0);
                        await swap.Frontswap.StoreAsync(offset, number);
                        break;
                    case < 7:
                        if (!await swap.Frontswap.LoadAsync(0, offset, page)) break;
                        var found = PageBytes.NumberOf(page);
                        // A torn, crossed or made-up page.
                        if (found % 4 != offset || !begun.ContainsKey(found) || !page.AsSpan().SequenceEqual(PageBytes.Mixed(found))) errors.Enqueue($"{offset}: {PageBytes.Describe(page)}");
                        break;
                    default:
                        await swap.Frontswap.InvalidatePageAsync(0, offset);
                        break;
                }
            }
        })).ToArray();
        var total = (await Task.WhenAll(callers)).Sum();
        output.WriteLine($"{total} calls, {swap.Frontswap.Counters}, {string.Join(", ", swap.Frontswap.Backends)}");
        Assert.Empty(errors);
        // Nothing was lost or counted twice on the way.
        for (var offset = 0u; offset < 3; offset++) Assert.Equal(swap.Frontswap.Test(0, offset), await swap.Frontswap.LoadAsync(0, offset, new byte[4096]));
        var held = Enumerable.Range(0, 3).Count(offset => swap.Frontswap.Test(0, (uint)offset));
        Assert.Equal(held, swap.Frontswap.CurrentPages);
        Assert.Equal(held, swap.Frontswap.Backends.Sum(backend => backend.Pages));
        Assert.Equal(held, (int)await swap.GridPagesAsync() + (int)swap.File!.Pages);
    }
}
