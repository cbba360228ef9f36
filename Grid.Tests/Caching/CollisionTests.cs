using Grid.Client;
using Grid.Tests.Harness;
using Microsoft.Extensions.Caching.Distributed;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Caching;

/// <summary>Keys that hash onto one slot: here all do.</summary>
public sealed class CollisionTests(SharedNode shared, ITestOutputHelper output) : CacheTest(shared, output)
{
    private static void InOneSlot(GridCacheOptions options)
    {
        options.Objects = 1;
        options.SlotBits = 0;
    }

    [Fact]
    public async Task Keys_of_one_slot_keep_their_values_apart()
    {
        var cache = NewCache(InOneSlot);
        int[] sizes = [10, 5000, 0, 1_200_000, 300];
        for (var i = 0; i < sizes.Length; i++) await cache.SetAsync($"k{i}", Value(i, sizes[i]), Forever);
        for (var i = 0; i < sizes.Length; i++) Assert.Equal(Value(i, sizes[i]), await cache.GetAsync($"k{i}"));
        Assert.Null(await cache.GetAsync("another"));
        Assert.Equal(1 + 2 + 293, await PagesAsync());

        await cache.RemoveAsync("k1");
        await cache.SetAsync("k3", [3], Forever);
        Assert.Equal(1, await PagesAsync());
        Assert.Null(await cache.GetAsync("k1"));
        Assert.Equal([3], await cache.GetAsync("k3"));
        Assert.Equal(Value(4, 300), await cache.GetAsync("k4"));
        for (var i = 0; i < sizes.Length; i++) await cache.RemoveAsync($"k{i}");
        Assert.Equal(0, await PagesAsync());
    }

    [Fact]
    public async Task Expirations_of_one_slot_are_kept_apart()
    {
        var cache = NewCache(InOneSlot);
        await cache.SetAsync("sliding", [1], new DistributedCacheEntryOptions().SetSlidingExpiration(TimeSpan.FromSeconds(10)));
        await cache.SetAsync("absolute", [2], new DistributedCacheEntryOptions().SetAbsoluteExpiration(TimeSpan.FromSeconds(10)));
        await cache.SetAsync("forever", [3], Forever);
        Time.Advance(TimeSpan.FromSeconds(8));
        Assert.Equal([1], await cache.GetAsync("sliding"));
        Time.Advance(TimeSpan.FromSeconds(8));
        Assert.Null(await cache.GetAsync("absolute"));
        Assert.Equal([1], await cache.GetAsync("sliding"));
        Time.Advance(TimeSpan.FromSeconds(11));
        Assert.Null(await cache.GetAsync("sliding"));
        Assert.Equal([3], await cache.GetAsync("forever"));
    }

    [Fact]
    public async Task When_a_slot_is_full_its_oldest_go_with_their_pages()
    {
        var cache = NewCache(InOneSlot);
        const int Keys = 80;
        for (var i = 0; i < Keys; i++) await cache.SetAsync($"k{i}", Value(i, 5000), Forever);
        var kept = 0;
        for (var i = Keys - 1; i >= 0 && await cache.GetAsync($"k{i}") is { } value; i--, kept++) Assert.Equal(Value(i, 5000), value);
        for (var i = 0; i < Keys - kept; i++) Assert.Null(await cache.GetAsync($"k{i}"));
        Assert.Equal(51, kept);
        Assert.Equal(1 + (2 * kept), await PagesAsync());
        await cache.SetAsync("long", Value(0, CacheSlot.InlineMaxBytes(4096)), Forever);
        Assert.Equal(Value(0, CacheSlot.InlineMaxBytes(4096)), await cache.GetAsync("long"));
    }

    [Fact]
    public async Task Many_at_one_slot_lose_nothing_of_each_other()
    {
        var caches = Enumerable.Range(0, 3).Select(_ => NewCache(InOneSlot)).ToArray();
        await Task.WhenAll(Enumerable.Range(0, 12).Select(async caller =>
        {
            var cache = caches[caller % caches.Length];
            for (var round = 0; round < 25; round++)
            {
                var value = Value((caller * 1000) + round, round % 3 == 0 ? 9000 : 20);
                await cache.SetAsync($"k{caller}", value, new DistributedCacheEntryOptions().SetSlidingExpiration(TimeSpan.FromMinutes(1)));
                Assert.Equal(value, await cache.GetAsync($"k{caller}"));
                if (round % 5 == 4)
                {
                    await cache.RemoveAsync($"k{caller}");
                    Assert.Null(await cache.GetAsync($"k{caller}"));
                }
            }
        }));
        Assert.Equal(0, await PagesAsync());
    }

    [Fact]
    public async Task A_page_that_is_not_a_cache_s_is_an_error_that_says_so()
    {
        var cache = NewCache(InOneSlot);
        await cache.SetAsync("k", [1], Forever);
        var pool = await Client.OpenPoolAsync(PoolName);
        await pool.StoreAsync(new CacheLayout(1, 0, "").Object(0), 0, PageBytes.Random(7));
        var failure = await Assert.ThrowsAsync<GridException>(() => cache.GetAsync("k"));
        Assert.Contains($"in pool '{PoolName}' is not a cache's", failure.Message, StringComparison.Ordinal);
    }
}
