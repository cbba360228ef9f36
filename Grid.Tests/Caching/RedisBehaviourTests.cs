using System.Buffers;
using Grid.Client;
using Grid.Tests.Harness;
using Microsoft.Extensions.Caching.Distributed;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Caching;

/// <summary>
/// How Microsoft.Extensions.Caching.StackExchangeRedis behaves, from its code and its tests, each held here by a test against a real node. docs/caching.md lists the behaviours with their tests. (How it
/// is registered: RegistrationTests. Its output cache: OutputCacheStoreTests.)
/// </summary>
public sealed class RedisBehaviourTests(SharedNode shared, ITestOutputHelper output) : CacheTest(shared, output)
{
    private static readonly byte[] Any = [1];

    /// <summary>The four ways in which the interfaces have every operation.</summary>
    public static TheoryData<Way> Ways { get; } = new(Enum.GetValues<Way>());

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_missing_key_gives_nothing(Way way)
    {
        Assert.Null(await way.GetAsync(NewCache(), "non-existent-key"));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task What_was_set_is_got(Way way)
    {
        var cache = NewCache();
        await way.SetAsync(cache, "myKey", [1, 2, 3], Forever);
        Assert.Equal([1, 2, 3], await way.GetAsync(cache, "myKey"));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task An_empty_value_is_a_value(Way way)
    {
        var cache = NewCache();
        await way.SetAsync(cache, "empty", [], Forever);
        Assert.Empty(Assert.IsType<byte[]>(await way.GetAsync(cache, "empty")));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" ")]
    [InlineData("abc")]
    [InlineData("abc def ghi jkl mno pqr stu vwx yz!")]
    public async Task Strings_go_through(string text)
    {
        var cache = NewCache();
        await cache.SetStringAsync("text", text);
        Assert.Equal(text, await cache.GetStringAsync("text"));
        Assert.Equal(System.Text.Encoding.UTF8.GetBytes(text), await cache.GetAsync("text"));
    }

    [Fact]
    public async Task Keys_are_case_sensitive_and_any_text_is_one()
    {
        var cache = NewCache();
        string[] keys = ["myKey", "Mykey", "", " ", "a\0b", "a\0c", "\ud800", "\ud801", "ключ", new string('k', 10_000), new string('k', 10_001)];
        for (var i = 0; i < keys.Length; i++) await cache.SetAsync(keys[i], [(byte)i], Forever);
        for (var i = 0; i < keys.Length; i++) Assert.Equal(new[] { (byte)i }, await cache.GetAsync(keys[i]));
        Assert.Null(await cache.GetAsync("MYKEY"));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Setting_always_replaces(Way way)
    {
        var cache = NewCache();
        await way.SetAsync(cache, "myKey", [1], Forever);
        Assert.Equal([1], await way.GetAsync(cache, "myKey"));
        await way.SetAsync(cache, "myKey", [2], Forever);
        Assert.Equal([2], await way.GetAsync(cache, "myKey"));
    }

    [Fact]
    public async Task What_replaces_a_value_has_expirations_of_its_own()
    {
        var cache = NewCache();
        await cache.SetAsync("k", Any, new DistributedCacheEntryOptions().SetSlidingExpiration(TimeSpan.FromMinutes(1)).SetAbsoluteExpiration(TimeSpan.FromMinutes(2)));
        await cache.SetAsync("k", [2], Forever);
        Time.Advance(TimeSpan.FromDays(1));
        Assert.Equal([2], await cache.GetAsync("k"));
        await cache.SetAsync("k", [3], new DistributedCacheEntryOptions().SetAbsoluteExpiration(TimeSpan.FromMinutes(1)));
        Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(await cache.GetAsync("k"));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Removing_removes_and_what_is_not_there_can_be_removed_and_refreshed(Way way)
    {
        var cache = NewCache();
        await way.SetAsync(cache, "myKey", Any, Forever);
        await way.RemoveAsync(cache, "myKey");
        Assert.Null(await way.GetAsync(cache, "myKey"));
        await way.RemoveAsync(cache, "myKey");
        await way.RefreshAsync(cache, "myKey");
        Assert.Null(await way.GetAsync(cache, "myKey"));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Arguments_that_are_missing_are_named(Way way)
    {
        var cache = NewCache();
        await Assert.ThrowsAsync<ArgumentNullException>("key", () => way.GetAsync(cache, null!));
        await Assert.ThrowsAsync<ArgumentNullException>("key", () => way.SetAsync(cache, null!, Any, Forever));
        await Assert.ThrowsAsync<ArgumentNullException>("options", () => way.SetAsync(cache, "k", Any, null!));
        await Assert.ThrowsAsync<ArgumentNullException>("key", () => way.RemoveAsync(cache, null!));
        await Assert.ThrowsAsync<ArgumentNullException>("key", () => way.RefreshAsync(cache, null!));
        Assert.Throws<ArgumentNullException>("value", () => cache.Set("k", null!, Forever));
        await Assert.ThrowsAsync<ArgumentNullException>("value", () => cache.SetAsync("k", null!, Forever));
        Assert.Throws<ArgumentNullException>("destination", () => cache.TryGet("k", null!));
    }

    [Fact]
    public async Task Without_expiration_a_value_stays()
    {
        var cache = NewCache();
        await cache.SetAsync("k", Any, Forever);
        Time.Advance(TimeSpan.FromDays(10_000));
        Assert.Equal(Any, await cache.GetAsync("k"));
        await cache.SetAsync("k", Any, new DistributedCacheEntryOptions { AbsoluteExpirationRelativeToNow = TimeSpan.MaxValue, SlidingExpiration = TimeSpan.MaxValue });
        Time.Advance(TimeSpan.FromDays(10_000));
        Assert.Equal(Any, await cache.GetAsync("k"));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task An_absolute_expiration_in_the_past_throws(Way way)
    {
        var expected = Time.GetUtcNow() - TimeSpan.FromMinutes(1);
        var thrown = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => way.SetAsync(NewCache(), "k", Any, new DistributedCacheEntryOptions().SetAbsoluteExpiration(expected)));
        Assert.Equal(nameof(DistributedCacheEntryOptions.AbsoluteExpiration), thrown.ParamName);
        Assert.StartsWith("The absolute expiration value must be in the future.", thrown.Message, StringComparison.Ordinal);
        Assert.Equal(expected, thrown.ActualValue);
        // Even where a span is given too, which would count.
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(
            nameof(DistributedCacheEntryOptions.AbsoluteExpiration),
            () => way.SetAsync(NewCache(), "k", Any, new DistributedCacheEntryOptions { AbsoluteExpiration = expected, AbsoluteExpirationRelativeToNow = TimeSpan.FromHours(1) }));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_absolute_expiration_is_kept_to(bool asSpan)
    {
        var cache = NewCache();
        var options = asSpan
            ? new DistributedCacheEntryOptions().SetAbsoluteExpiration(TimeSpan.FromSeconds(90))
            : new DistributedCacheEntryOptions().SetAbsoluteExpiration(Time.GetUtcNow() + TimeSpan.FromSeconds(90));
        await cache.SetAsync("k", Any, options);
        Time.Advance(TimeSpan.FromSeconds(90) - TimeSpan.FromTicks(1));
        await cache.RefreshAsync("k");
        Assert.Equal(Any, await cache.GetAsync("k"));
        Time.Advance(TimeSpan.FromTicks(1));
        Assert.Null(await cache.GetAsync("k"));
    }

    [Fact]
    public async Task Of_a_time_and_a_span_the_span_counts()
    {
        var cache = NewCache();
        await cache.SetAsync("k", Any, new DistributedCacheEntryOptions { AbsoluteExpiration = Time.GetUtcNow() + TimeSpan.FromHours(1), AbsoluteExpirationRelativeToNow = TimeSpan.FromMinutes(1) });
        Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(await cache.GetAsync("k"));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    public async Task Spans_that_are_not_positive_throw(int minutes)
    {
        var span = TimeSpan.FromMinutes(minutes);
        var relative = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => NewCache().SetAsync("k", Any, new DistributedCacheEntryOptions().SetAbsoluteExpiration(span)));
        Assert.Equal(nameof(DistributedCacheEntryOptions.AbsoluteExpirationRelativeToNow), relative.ParamName);
        Assert.StartsWith("The relative expiration value must be positive.", relative.Message, StringComparison.Ordinal);
        var sliding = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => NewCache().SetAsync("k", Any, new DistributedCacheEntryOptions().SetSlidingExpiration(span)));
        Assert.Equal(nameof(DistributedCacheEntryOptions.SlidingExpiration), sliding.ParamName);
        Assert.StartsWith("The sliding expiration value must be positive.", sliding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_would_live_for_less_than_a_second_is_not_stored_and_replaces_all_the_same()
    {
        var cache = NewCache();
        var span = TimeSpan.FromSeconds(0.25);
        DistributedCacheEntryOptions[] brief =
        [
            new DistributedCacheEntryOptions().SetAbsoluteExpiration(span),
            new DistributedCacheEntryOptions().SetAbsoluteExpiration(Time.GetUtcNow() + span),
            new DistributedCacheEntryOptions().SetSlidingExpiration(span),
        ];
        foreach (var options in brief)
        {
            await cache.SetAsync("k", [7], Forever);
            await cache.SetAsync("k", Any, options);
            Assert.Null(await cache.GetAsync("k"));
        }
    }

    [Fact]
    public async Task A_sliding_expiration_ends_what_is_not_used()
    {
        var cache = NewCache();
        var sliding = TimeSpan.FromSeconds(100);
        await cache.SetAsync("used", Any, new DistributedCacheEntryOptions().SetSlidingExpiration(sliding));
        await cache.SetAsync("k", Any, new DistributedCacheEntryOptions().SetSlidingExpiration(sliding));
        // Never earlier than was asked; at most 1 % later.
        Time.Advance(sliding);
        Assert.Equal(Any, await cache.GetAsync("used"));
        Time.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(await cache.GetAsync("k"));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Getting_renews_a_sliding_expiration_up_to_the_absolute_one(Way way)
    {
        var cache = NewCache();
        await way.SetAsync(cache, "k", Any, new DistributedCacheEntryOptions().SetSlidingExpiration(TimeSpan.FromSeconds(10)).SetAbsoluteExpiration(TimeSpan.FromSeconds(30)));
        for (var i = 0; i < 4; i++)
        {
            Time.Advance(TimeSpan.FromSeconds(7));
            Assert.Equal(Any, await way.GetAsync(cache, "k"));
        }

        Time.Advance(TimeSpan.FromSeconds(2));
        Assert.Null(await way.GetAsync(cache, "k"));
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Refreshing_renews_a_sliding_expiration(Way way)
    {
        var cache = NewCache(options => options.RenewOnGet = false);
        await way.SetAsync(cache, "k", Any, new DistributedCacheEntryOptions().SetSlidingExpiration(TimeSpan.FromSeconds(10)));
        for (var i = 0; i < 4; i++)
        {
            Time.Advance(TimeSpan.FromSeconds(7));
            await way.RefreshAsync(cache, "k");
        }

        Assert.Equal(Any, await way.GetAsync(cache, "k"));
        Time.Advance(TimeSpan.FromSeconds(11));
        Assert.Null(await way.GetAsync(cache, "k"));
    }

    [Fact]
    public async Task Getting_does_not_renew_where_that_is_switched_off()
    {
        var cache = NewCache(options => options.RenewOnGet = false);
        await cache.SetAsync("k", Any, new DistributedCacheEntryOptions().SetSlidingExpiration(TimeSpan.FromSeconds(10)));
        for (var i = 0; i < 3; i++)
        {
            Time.Advance(TimeSpan.FromSeconds(3));
            Assert.Equal(Any, await cache.GetAsync("k"));
        }

        Time.Advance(TimeSpan.FromSeconds(3));
        Assert.Null(await cache.GetAsync("k"));
    }

    [Fact]
    public async Task A_cancelled_token_throws_and_nothing_happens()
    {
        var cache = NewCache();
        await cache.SetAsync("k", Any, Forever);
        var cancelled = new CancellationToken(canceled: true);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cache.GetAsync("k", cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cache.SetAsync("k", [2], Forever, cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cache.RefreshAsync("k", cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cache.RemoveAsync("k", cancelled));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cache.TryGetAsync("k", new ArrayBufferWriter<byte>(), cancelled).AsTask());
        Assert.Equal(Any, await cache.GetAsync("k"));
    }

    [Fact]
    public async Task Instances_with_other_names_do_not_meet()
    {
        var first = NewCache(options => options.InstanceName = "first:");
        var second = NewCache(options => options.InstanceName = "second:");
        var same = NewCache(options => options.InstanceName = "first:");
        await first.SetAsync("k", [1], Forever);
        await second.SetAsync("k", [2], Forever);
        Assert.Equal([1], await same.GetAsync("k"));
        await same.RemoveAsync("k");
        Assert.Null(await first.GetAsync("k"));
        Assert.Equal([2], await second.GetAsync("k"));
    }

    [Fact]
    public async Task A_factory_gives_the_connection_and_keeps_it()
    {
        var asked = 0;
        var cache = NewCache(options =>
        {
            options.ConnectionString = null;
            options.ClientFactory = _ =>
            {
                Interlocked.Increment(ref asked);
                return ValueTask.FromResult(Client);
            };
        });
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => cache.SetAsync($"k{i}", Any, Forever)));
        await cache.DisposeAsync();
        Assert.Equal(1, asked);
        await Client.PingAsync();
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_disposed_cache_says_so(Way way)
    {
        var cache = NewCache();
        await way.SetAsync(cache, "k", Any, Forever);
        await cache.DisposeAsync();
        await cache.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => way.GetAsync(cache, "k"));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => way.SetAsync(cache, "k", Any, Forever));
    }
}
