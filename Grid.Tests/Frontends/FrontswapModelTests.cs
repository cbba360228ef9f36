using Grid.Client;
using Grid.Client.Frontends;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends;

/// <summary>Random sequences of frontswap's operations against the kernel's code in a dictionary, with a quota that sends pages to the file, and with <c>kill -9</c> of the node in between.</summary>
public sealed class FrontswapModelTests(OwnNode own, ITestOutputHelper output) : OwnNodeTest(own, output)
{
    private const int Types = 2;
    private const uint Pages = 48;
    private const int QuotaPages = 20;
    private const int FilePages = 15;

    private readonly int _seed = Seeds.Next(output);

    [Fact]
    public async Task Random_sequences_with_kills_answer_and_count_as_the_kernel_does()
    {
        await using var client = await Node.ConnectAsync(timeout: "60s");
        using var swap = await SwapSetup.CreateAsync(client, Pages, QuotaPages, FilePages);
        await swap.Frontswap.InitAsync(1, Pages);
        var random = new Random(_seed);
        var model = new KernelFrontswap(QuotaPages + FilePages);
        for (var step = 1; step <= 3000; step++)
        {
            await StepAsync(swap.Frontswap, model, random, (ulong)step);
            Assert.Equal(model.Counters, swap.Frontswap.Counters);
            Assert.Equal(model.Pages.Count(), swap.Frontswap.CurrentPages);
            if (step % 1000 != 0) continue;
            await KillAndRestartAsync();
        }

        foreach (var ((type, offset), number) in model.Pages.ToList()) await swap.Frontswap.AssertLoadsAsync(offset, number, type);
        Assert.True(swap.Frontswap.Backends.All(backend => backend.Stores > 300), string.Join(", ", swap.Frontswap.Backends));
        Assert.Equal(swap.Frontswap.Backends[0].Pages, (long)await swap.GridPagesAsync());
    }

    private static async Task StepAsync(Frontswap frontswap, KernelFrontswap model, Random random, ulong number)
    {
        var (type, offset) = (random.Next(Types), (uint)random.Next((int)Pages));
        switch (random.Next(100))
        {
            case < 50:
                Assert.Equal(model.Store(type, offset, number), await frontswap.StoreAsync(offset, number, type));
                break;
            case < 80:
                if (model.Load(type, offset) is { } expected) await frontswap.AssertLoadsAsync(offset, expected, type);
                else await frontswap.AssertAbsentAsync(offset, type);
                break;
            case < 93:
                model.InvalidatePage(type, offset);
                await frontswap.InvalidatePageAsync(type, offset);
                break;
            case 93:
                model.InvalidateArea(type);
                await frontswap.InvalidateAreaAsync(type);
                break;
            case 94:
                var target = random.Next(40);
                var back = new List<(int, uint, ulong)>();
                await frontswap.ShrinkAsync(target, (t, o, page, _) =>
                {
                    back.Add((t, o, PageBytes.NumberOf(page.Span)));
                    return ValueTask.CompletedTask;
                });
                Assert.Equal(model.Shrink(target), back);
                break;
            case < 97:
                frontswap.Writethrough = model.Writethrough = random.Next(4) == 0;
                break;
            default:
                frontswap.ExclusiveGets = model.ExclusiveGets = random.Next(3) == 0;
                break;
        }
    }

    [Fact]
    public async Task With_kills_under_load_no_page_is_lost_and_none_is_older_than_the_last_store()
    {
        await using var client = await Node.ConnectAsync(timeout: "60s");
        using var swap = await SwapSetup.CreateAsync(client, Pages, filePages: 2 * Pages, options: SwapSetup.Patient with { StoreTimeout = TimeSpan.FromMilliseconds(300) }, pause: TimeSpan.FromMilliseconds(200));
        using var stop = new CancellationTokenSource();
        var callers = Enumerable.Range(0, 8).Select(caller => CallerAsync(swap.Frontswap, caller, stop.Token)).ToArray();
        for (var kill = 1; kill <= 3; kill++)
        {
            await ABusyGridAsync(swap.Frontswap, kill * 200);
            await KillAndRestartAsync(TimeSpan.FromMilliseconds(600));
        }

        await ABusyGridAsync(swap.Frontswap, 800);
        await stop.CancelAsync();
        var counts = await Task.WhenAll(callers);
        Output.WriteLine($"{counts.Sum()} calls; {string.Join("; ", swap.Frontswap.Backends)}; {swap.Frontswap.Counters}");
        Assert.All(swap.Frontswap.Backends, backend => Assert.True(backend.Stores > 50, backend.ToString()));
        Assert.True(swap.Frontswap.Backends[0].Failures > 0, "the node was killed and nothing noticed");

        // What failed calls left in the grid takes space until it is reclaimed, and then it does not.
        await Eventually.TrueAsync(async () => await swap.Frontswap.ReclaimAsync() == 0, "everything is reclaimed", TimeSpan.FromSeconds(60));
        Assert.Equal((ulong)swap.Frontswap.Backends[0].Pages, await swap.GridPagesAsync());
    }

    /// <summary>Waits until the grid has accepted so many pages in all, so that every part of the run has work in it.</summary>
    private static Task ABusyGridAsync(Frontswap frontswap, long stores) => Eventually.TrueAsync(
        () => frontswap.Backends[0].Stores >= stores, $"the grid accepts {stores} pages", TimeSpan.FromSeconds(120), () => string.Join("; ", frontswap.Backends));

    /// <summary>Works on pages of its own and knows exactly what each must hold.</summary>
    private async Task<int> CallerAsync(Frontswap frontswap, int caller, CancellationToken stop)
    {
        var random = new Random(_seed + caller);
        var held = new Dictionary<uint, ulong>();
        var calls = 0;
        for (; !stop.IsCancellationRequested; calls++)
        {
            var offset = (uint)((random.Next(6) * 8) + caller);
            var number = ((ulong)caller << 32) | (uint)calls;
            switch (random.Next(10))
            {
                case < 5:
                    // Whether it fits is the backends' matter; the file has room, so that it must.
                    Assert.True(await frontswap.StoreAsync(offset, number));
                    held[offset] = number;
                    break;
                case < 9:
                    if (held.TryGetValue(offset, out var expected)) await frontswap.AssertLoadsAsync(offset, expected);
                    else await frontswap.AssertAbsentAsync(offset);
                    break;
                default:
                    await frontswap.InvalidatePageAsync(0, offset, CancellationToken.None);
                    held.Remove(offset);
                    break;
            }
        }

        foreach (var (offset, number) in held) await frontswap.AssertLoadsAsync(offset, number);
        return calls;
    }
}
