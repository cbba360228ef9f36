using System.Collections.Concurrent;
using Grid.Client;
using Grid.Client.Frontends;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends;

/// <summary>What frontswap does when the grid does not answer, or late, or its callers race.</summary>
public sealed class FrontswapFailureTests(OwnNode own, ITestOutputHelper output) : OwnNodeTest(own, output)
{
    private static readonly GridSwapOptions Quick = new() { StoreTimeout = TimeSpan.FromSeconds(2), LoadTimeout = TimeSpan.FromSeconds(60) };

    [Fact]
    public async Task A_store_that_the_grid_does_not_answer_goes_to_the_file_and_what_comes_of_it_late_is_never_loaded()
    {
        await using var client = await Node.ConnectAsync();
        using var swap = await SwapSetup.CreateAsync(client, 16, filePages: 16, options: Quick, pause: TimeSpan.Zero);
        for (var offset = 0u; offset < 16; offset++) await swap.StoreInGridAsync(offset, 100 + offset);

        await Node.PauseAsync();
        var stores = Enumerable.Range(0, 4).Select(async at => Assert.True(await swap.Frontswap.StoreAsync((uint)at, 200 + (ulong)at)));
        var invalidations = Enumerable.Range(4, 2).Select(at => swap.Frontswap.InvalidatePageAsync(0, (uint)at).AsTask());
        await Task.WhenAll([.. stores, .. invalidations]);
        for (var offset = 0u; offset < 4; offset++) await swap.Frontswap.AssertLoadsAsync(offset, 200 + offset);
        Assert.Equal([10L, 4L], swap.Frontswap.Backends.Select(backend => backend.Pages));
        Node.Continue();

        // The flushes and puts that were given up may take effect now, or not.
        for (var offset = 4u; offset < 6; offset++) await swap.Frontswap.AssertAbsentAsync(offset);
        for (var offset = 0u; offset < 2; offset++) await swap.StoreInGridAsync(offset, 300 + offset);
        Assert.Equal([12L, 2L], swap.Frontswap.Backends.Select(backend => backend.Pages));
        for (var round = 0; round < 20; round++)
        {
            for (var offset = 0u; offset < 2; offset++) await swap.Frontswap.AssertLoadsAsync(offset, 300 + offset);
            for (var offset = 2u; offset < 4; offset++) await swap.Frontswap.AssertLoadsAsync(offset, 200 + offset);
        }

        await Eventually.TrueAsync(async () => await swap.Frontswap.ReclaimAsync() == 0, "everything is reclaimed", TimeSpan.FromSeconds(60));
        Assert.Equal(12ul, await swap.GridPagesAsync());
        for (var offset = 6u; offset < 16; offset++) await swap.Frontswap.AssertLoadsAsync(offset, 100 + offset);
    }

    [Fact]
    public async Task A_page_whose_store_failed_everywhere_is_absent_also_where_the_grid_still_has_its_old_copy()
    {
        await using var client = await Node.ConnectAsync();
        using var swap = await SwapSetup.CreateAsync(client, 4, options: Quick);
        await swap.StoreInGridAsync(2, 1);
        await Node.PauseAsync();
        Assert.False(await swap.Frontswap.StoreAsync(2, 2));
        Node.Continue();
        for (var round = 0; round < 50; round++) await swap.Frontswap.AssertAbsentAsync(2);
        Assert.Equal(0, swap.Frontswap.CurrentPages);
        await Eventually.TrueAsync(async () => await swap.Frontswap.ReclaimAsync() == 0, "the old copy is reclaimed", TimeSpan.FromSeconds(60));
        Assert.Equal(0ul, await swap.GridPagesAsync());
    }

    [Fact]
    public async Task A_cancelled_store_leaves_no_old_copy_to_load()
    {
        await using var client = await Node.ConnectAsync();
        using var swap = await SwapSetup.CreateAsync(client, 4, filePages: 4, options: SwapSetup.Patient);
        await swap.StoreInGridAsync(2, 1);
        await Node.PauseAsync();
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => swap.Frontswap.StoreAsync(0, 2, PageBytes.Mixed(2), cancel.Token).AsTask());
        await swap.Frontswap.AssertAbsentAsync(2);
        Node.Continue();
        for (var round = 0; round < 20; round++) await swap.Frontswap.AssertAbsentAsync(2);
        Assert.True(await swap.Frontswap.StoreAsync(2, 3));
        await swap.Frontswap.AssertLoadsAsync(2, 3);
    }

    [Fact]
    public async Task With_the_grid_away_the_file_takes_over_at_once_and_loads_wait_for_the_grid()
    {
        await using var client = await Node.ConnectAsync();
        using var swap = await SwapSetup.CreateAsync(client, 500, filePages: 500, options: Quick, pause: TimeSpan.FromMinutes(10));
        await swap.StoreInGridAsync(499, 499);
        var failures = swap.Frontswap.Backends[0].Failures;
        await Node.PauseAsync();
        for (var offset = 0u; offset < 400; offset++) Assert.True(await swap.Frontswap.StoreAsync(offset, offset));
        // One deadline, not four hundred.
        Assert.Equal([1L, 400L], swap.Frontswap.Backends.Select(backend => backend.Pages));
        Assert.Equal([failures + 1, 0L], swap.Frontswap.Backends.Select(backend => backend.Failures));
        var load = swap.Frontswap.AssertLoadsAsync(499, 499);
        for (var offset = 0u; offset < 400; offset++) await swap.Frontswap.AssertLoadsAsync(offset, offset);
        Assert.False(load.IsCompleted);
        Node.Continue();
        await load;
    }

    [Fact]
    public async Task A_load_that_fails_says_so_and_the_page_is_still_there()
    {
        await using var client = await Node.ConnectAsync();
        using var swap = await SwapSetup.CreateAsync(client, 4, options: Quick with { LoadTimeout = TimeSpan.FromSeconds(1) });
        await swap.StoreInGridAsync(2, 1);
        swap.Frontswap.Writethrough = true;
        await swap.StoreInGridAsync(3, 3);
        await Node.PauseAsync();
        await Assert.ThrowsAnyAsync<GridException>(() => swap.Frontswap.LoadAsync(0, 2, new byte[4096]).AsTask());
        // This one its owner has written as well.
        Assert.False(await swap.Frontswap.LoadAsync(0, 3, new byte[4096]));
        Assert.True(swap.Frontswap.Test(0, 2));
        Node.Continue();
        var page = new byte[4096];
        await Eventually.TrueAsync(async () => await Record.ExceptionAsync(() => swap.Frontswap.LoadAsync(0, 2, page).AsTask()) is null, "it is loaded", TimeSpan.FromSeconds(60));
        PoolAssertions.AssertSame(PageBytes.Mixed(1), page, "page 2");
        await Eventually.TrueAsync(() => swap.Frontswap.LoadAsync(0, 3, page).AsTask(), "the other one, too", TimeSpan.FromSeconds(60));
        PoolAssertions.AssertSame(PageBytes.Mixed(3), page, "page 3");
    }

    [Fact]
    public async Task An_area_that_cannot_be_invalidated_is_absent_and_its_space_comes_back_with_the_next_init()
    {
        await using var client = await Node.ConnectAsync();
        using var swap = await SwapSetup.CreateAsync(client, 32, options: Quick, pause: TimeSpan.Zero);
        for (var offset = 0u; offset < 32; offset++) await swap.StoreInGridAsync(offset, offset);
        var failures = swap.Frontswap.Backends[0].Failures;
        await Node.PauseAsync();
        await swap.Frontswap.InvalidateAreaAsync(0);
        Assert.Equal(failures + 1, swap.Frontswap.Backends[0].Failures);
        // They are flushed late, behind these.
        var stores = Enumerable.Range(0, 32).Select(async at => await swap.StoreInGridAsync((uint)at, 100 + (ulong)at)).ToArray();
        Node.Continue();
        await Task.WhenAll(stores);
        for (var offset = 0u; offset < 32; offset++) await swap.Frontswap.AssertLoadsAsync(offset, 100 + offset);
        await swap.Frontswap.InvalidateAreaAsync(0);
        for (var offset = 0u; offset < 32; offset++) await swap.Frontswap.AssertAbsentAsync(offset);
        await Eventually.TrueAsync(
            async () => await Record.ExceptionAsync(() => swap.Frontswap.InitAsync(0, 32).AsTask()) is null, "the device is switched on again", TimeSpan.FromSeconds(60));
        Assert.Equal(0ul, await swap.GridPagesAsync());
    }

    [Fact]
    public async Task Pages_of_an_area_that_was_invalidated_are_not_found_by_what_the_grid_still_has()
    {
        await using var client = await Node.ConnectAsync();
        using var swap = await SwapSetup.CreateAsync(client, 32, options: Quick);
        for (var offset = 0u; offset < 32; offset++) await swap.StoreInGridAsync(offset, offset);
        await Node.PauseAsync();
        using var cancel = new CancellationTokenSource(TimeSpan.FromMilliseconds(100));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => swap.Frontswap.InvalidateAreaAsync(0, cancel.Token).AsTask());
        for (var offset = 0u; offset < 32; offset++) await swap.Frontswap.AssertAbsentAsync(offset);
        Node.Continue();
        for (var offset = 0u; offset < 32; offset++) await swap.Frontswap.AssertAbsentAsync(offset);
        Assert.Equal(0, swap.Frontswap.CurrentPages);
    }

    [Fact]
    public async Task Racing_calls_about_one_page_take_effect_one_after_another()
    {
        await using var client = await Node.ConnectAsync();
        using var swap = await SwapSetup.CreateAsync(client, 4, quotaPages: 2, filePages: 2);
        var seed = Seeds.Next(Output);
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
        Output.WriteLine($"{total} calls, {swap.Frontswap.Counters}, {string.Join(", ", swap.Frontswap.Backends)}");
        Assert.Empty(errors);
        // Nothing was lost or counted twice on the way.
        for (var offset = 0u; offset < 3; offset++) Assert.Equal(swap.Frontswap.Test(0, offset), await swap.Frontswap.LoadAsync(0, offset, new byte[4096]));
        var held = Enumerable.Range(0, 3).Count(offset => swap.Frontswap.Test(0, (uint)offset));
        Assert.Equal(held, swap.Frontswap.CurrentPages);
        Assert.Equal(held, swap.Frontswap.Backends.Sum(backend => backend.Pages));
        Assert.Equal(held, (int)await swap.GridPagesAsync() + (int)swap.File!.Pages);
    }
}
