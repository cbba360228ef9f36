using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Microsoft.Extensions.Caching.Distributed;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Caching;

/// <summary>What nobody asks for any more is flushed, and nothing else.</summary>
public sealed class SweepTests(SharedNode shared, ITestOutputHelper output) : CacheTest(shared, output)
{
    private const int LargePages = LargeWriter.Bytes / 4096;
    private static readonly TimeSpan LongEnough = TimeSpan.FromMinutes(11);

    [Theory]
    [InlineData(PoolKind.Ephemeral)]
    [InlineData(PoolKind.Persistent)]
    public async Task Expired_values_go_with_their_pages_and_others_stay(PoolKind kind)
    {
        var cache = NewCache(options => options.NewPool = Shareable(kind));
        var brief = new DistributedCacheEntryOptions().SetAbsoluteExpiration(TimeSpan.FromMinutes(1));
        for (var i = 0; i < 20; i++) await cache.SetAsync($"brief{i}", Value(i, i * 400), brief);
        await cache.SetAsync("brief and large", Value(0, 2_000_000), brief);
        await cache.SetAsync("used", [1], new DistributedCacheEntryOptions().SetSlidingExpiration(TimeSpan.FromMinutes(1)));
        await cache.SetAsync("stays", Value(1, 1_200_000), Forever);
        Time.Advance(TimeSpan.FromSeconds(50));
        await cache.GetAsync("used");
        Time.Advance(TimeSpan.FromSeconds(10));
        var result = await cache.Store.Sweeper.SweepAsync(default);
        Assert.Equal(new SweepResult(21, 0), result);
        Assert.Equal(Value(1, 1_200_000), await cache.GetAsync("stays"));
        Assert.Equal([1], await cache.GetAsync("used"));
        Assert.Equal(1 + 1 + 293, await PagesAsync());
        Assert.Equal(default, await cache.Store.Sweeper.SweepAsync(default));
    }

    [Fact]
    public async Task Pages_that_no_value_has_are_flushed()
    {
        var cache = NewCache();
        await cache.SetAsync("stays", Value(1, 1_200_000), Forever);
        var pool = await Client.OpenPoolAsync(PoolName);
        var objects = new CacheLayout(4, 31, "");
        for (var i = 0; i < 4; i++)
            for (var page = 0u; page < 300; page++) await pool.StoreAsync(objects.Object(i), CacheLayout.FirstValueIndex + (page * 7_000_001), PageBytes.Filled(page));
        Assert.Equal(new SweepResult(0, 1200), await cache.Store.Sweeper.SweepAsync(default));
        Assert.Equal(Value(1, 1_200_000), await cache.GetAsync("stays"));
        Assert.Equal(1 + 293, await PagesAsync());
    }

    [Fact]
    public async Task What_a_killed_writer_left_is_flushed_and_its_last_value_is_whole()
    {
        var cache = NewCache();
        await Client.CreatePoolAsync(PoolName, Shareable(PoolKind.Ephemeral));
        var (kills, left) = (0, 0);
        while (!await IsAnnouncedAsync())
        {
            // Killed in the middle of a write, more often than not; between two, or while the value before is flushed, what is left has no announcement and may go at once.
            await using var writer = await DotnetProcess.StartAsync(
                Path.Combine(AppContext.BaseDirectory, "Grid.Tests.dll"), ["large-writer", Shared.Node.ConnectionString(), PoolName], LargeWriter.Running);
            await Task.Delay(Random.Shared.Next(200));
            await writer.Kill9Async();
            left = await PagesAsync();
            Assert.True(++kills <= 20, "20 kills, and none of them in the middle of a write");
        }

        Output.WriteLine($"{kills} kills left {left} pages");
        AssertWhole(await cache.GetAsync(LargeWriter.Key));
        // A writer may take some minutes: until then what it announced is left alone.
        Time.SetUtcNow(DateTimeOffset.UtcNow);
        await cache.Store.Sweeper.SweepAsync(default);
        Assert.InRange(await PagesAsync(), 1 + LargePages + 1, left);
        Time.Advance(LongEnough);
        await cache.Store.Sweeper.SweepAsync(default);
        Assert.Equal(1 + LargePages, await PagesAsync());
        AssertWhole(await cache.GetAsync(LargeWriter.Key));
    }

    [Fact]
    public async Task Sweeping_all_the_time_takes_nothing_from_those_who_write()
    {
        var caches = Enumerable.Range(0, 3).Select(_ => NewCache()).ToArray();
        await caches[0].SetAsync("k", [1], Forever);
        using var done = new CancellationTokenSource();
        var sweeps = 0;
        var lost = 0;
        var sweeping = Task.Run(async () =>
        {
            for (; !done.IsCancellationRequested; sweeps++) lost += (await caches[2].Store.Sweeper.SweepAsync(default)).Entries;
        });
        await Task.WhenAll(Enumerable.Range(0, 4).Select(writer => Task.Run(async () =>
        {
            for (var round = 0; round < 12; round++)
            {
                var value = Value((writer * 100) + round, (round % 3) switch { 0 => 2_700_000, 1 => 50_000, _ => 100 });
                await caches[writer % 2].SetAsync($"k{writer}", value, Forever);
                var read = await caches[1 - (writer % 2)].GetAsync($"k{writer}");
                Assert.True(value.AsSpan().SequenceEqual(read), "a value that was stored is not there, or not it");
            }
        })));
        await done.CancelAsync();
        await sweeping;
        Assert.True(sweeps > 2, $"{sweeps} sweeps: the run shows nothing");
        Assert.Equal(0, lost);
        foreach (var key in (string[])["k", "k0", "k1", "k2", "k3"]) await caches[0].RemoveAsync(key);
        await caches[2].Store.Sweeper.SweepAsync(default);
        Assert.Equal(0, await PagesAsync());
    }

    [Fact]
    public async Task Of_those_that_share_a_pool_one_sweeps_in_an_interval()
    {
        static void Hourly(GridCacheOptions options) => options.SweepInterval = TimeSpan.FromHours(1);
        var (first, second) = (NewCache(Hourly), NewCache(Hourly));
        Assert.True(await first.Store.Sweeper.SweepIfDueAsync(default));
        Assert.False(await second.Store.Sweeper.SweepIfDueAsync(default));
        Time.Advance(TimeSpan.FromMinutes(59));
        Assert.False(await first.Store.Sweeper.SweepIfDueAsync(default));
        Time.Advance(TimeSpan.FromMinutes(1));
        Assert.True(await second.Store.Sweeper.SweepIfDueAsync(default));
        Assert.False(await first.Store.Sweeper.SweepIfDueAsync(default));
        // Another number of objects is another cache.
        Assert.True(await NewCache(options => options.Objects = 5).Store.Sweeper.SweepIfDueAsync(default));
    }

    [Fact]
    public async Task A_cache_that_is_used_sweeps_by_itself()
    {
        var cache = NewCache(options => options.SweepInterval = TimeSpan.FromMinutes(5));
        await cache.SetAsync("k", Value(1, 100_000), new DistributedCacheEntryOptions().SetAbsoluteExpiration(TimeSpan.FromSeconds(10)));
        Assert.Equal(26, await PagesAsync());
        // What is left is the page that says when the last sweep was.
        await Eventually.TrueAsync(
            async () =>
            {
                Time.Advance(TimeSpan.FromMinutes(1));
                return await PagesAsync() == 1;
            },
            "the expired value is flushed",
            TimeSpan.FromSeconds(30));
    }

    /// <summary>Whether the large value's slot says that one is on its way.</summary>
    private async Task<bool> IsAnnouncedAsync()
    {
        var at = new CacheLayout(LargeWriter.Objects, 31, "").Locate(CacheDomain.Value, LargeWriter.Key).At;
        var (isHit, page, _) = await (await Client.OpenPoolAsync(PoolName)).ReadAsync(at.Object, at.Index);
        return isHit && CacheSlot.Read(page).Entries.Any(entry => entry.IsPending);
    }

    private static void AssertWhole(byte[]? value)
    {
        Assert.NotNull(value);
        Assert.Equal(LargeWriter.Bytes, value.Length);
        Assert.True(value.AsSpan().IndexOfAnyExcept(value[0]) < 0, "the value is mixed");
    }
}
