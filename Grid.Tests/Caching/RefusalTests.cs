using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Microsoft.Extensions.Caching.Distributed;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Caching;

/// <summary>A pool that takes no more: a miss afterwards, never the old value, never an exception, and nothing left behind.</summary>
public sealed class RefusalTests(SharedNode shared, ITestOutputHelper output) : CacheTest(shared, output)
{
    private const int QuotaPages = 400;

    [Theory]
    [InlineData(PoolKind.Ephemeral, 250, 170)]
    [InlineData(PoolKind.Persistent, 250, 170)]
    [InlineData(PoolKind.Ephemeral, 250, 900)]
    [InlineData(PoolKind.Persistent, 250, 900)]
    [InlineData(PoolKind.Ephemeral, 50, 900)]
    [InlineData(PoolKind.Persistent, 50, 900)]
    [InlineData(PoolKind.Ephemeral, 50, 400)]
    [InlineData(PoolKind.Persistent, 50, 400)]
    public async Task A_value_that_is_beyond_the_quota_is_a_miss_and_what_it_replaced_is_gone(PoolKind kind, int otherPages, int pages)
    {
        var cache = NewCache(options => options.NewPool = Shareable(kind, quotaPages: QuotaPages));
        await cache.SetAsync("other", Value(1, otherPages * 4096), Forever);
        await cache.SetAsync("k", Value(2, 50_000), Forever);
        await cache.SetAsync("k", Value(3, pages * 4096), Forever);
        Assert.Null(await cache.GetAsync("k"));
        Assert.Equal(Value(1, otherPages * 4096), await cache.GetAsync("other"));
        Assert.Equal(1 + otherPages, await PagesAsync());

        await cache.RemoveAsync("other");
        await cache.SetAsync("k", Value(4, 170 * 4096), Forever);
        Assert.Equal(Value(4, 170 * 4096), await cache.GetAsync("k"));
    }

    [Fact]
    public async Task In_a_frozen_pool_nothing_is_stored_and_what_is_there_is_read()
    {
        var cache = NewCache();
        await cache.SetAsync("k", Value(1, 9000), Forever);
        await cache.SetAsync("replaced", Value(2, 9000), Forever);
        await Client.FreezePoolAsync(PoolName);
        await cache.SetAsync("replaced", [1], Forever);
        await cache.SetAsync("new", [1], Forever);
        Assert.Null(await cache.GetAsync("replaced"));
        Assert.Null(await cache.GetAsync("new"));
        Assert.Equal(Value(1, 9000), await cache.GetAsync("k"));
        await cache.RemoveAsync("k");
        Assert.Equal(0, await PagesAsync());
        await Client.ThawPoolAsync(PoolName);
        await cache.SetAsync("new", [2], Forever);
        Assert.Equal([2], await cache.GetAsync("new"));
    }

    [Fact]
    public async Task A_renewal_that_is_refused_costs_the_value_and_nothing_else()
    {
        var cache = NewCache();
        await cache.SetAsync("k", Value(1, 9000), new DistributedCacheEntryOptions().SetSlidingExpiration(TimeSpan.FromMinutes(1)));
        await Client.FreezePoolAsync(PoolName);
        Time.Advance(TimeSpan.FromSeconds(30));
        Assert.Equal(Value(1, 9000), await cache.GetAsync("k"));
        Assert.Null(await cache.GetAsync("k"));
        Assert.Equal(0, await PagesAsync());
    }
}
