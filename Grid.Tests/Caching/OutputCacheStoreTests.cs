using System.Buffers;
using System.IO.Pipelines;
using Grid.AspNetCore;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Client.Support;
using Grid.Tests.Harness;
using Microsoft.AspNetCore.OutputCaching;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Caching;

/// <summary>ASP.NET's output cache on the grid: as Microsoft's own for Redis is tested, and that tags hold where several processes store and evict at once.</summary>
public sealed class OutputCacheStoreTests(SharedNode shared, ITestOutputHelper output) : CacheTest(shared, output)
{
    private static readonly TimeSpan Valid = TimeSpan.FromSeconds(30);

    private IOutputCacheBufferStore NewStore(Action<GridCacheOptions>? configure = null) => new GridOutputCacheStore(NewCache(configure).Store);

    [Fact]
    public async Task A_missing_key_gives_nothing()
    {
        var store = NewStore();
        Assert.Null(await store.GetAsync("non-existent-key", default));
        Assert.Null(await PipedAsync(store, "non-existent-key"));
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(true, true)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public async Task What_was_stored_is_served_as_long_as_it_is_valid(bool asSequence, bool withTags)
    {
        var store = NewStore();
        string[]? tags = withTags ? ["tagA", "tagB"] : null;
        foreach (var bytes in (int[])[0, 1017, 70_000, 1_500_000])
        {
            var response = Value(bytes, bytes);
            if (asSequence) await store.SetAsync("k", new ReadOnlySequence<byte>(response), tags, Valid, default);
            else await store.SetAsync("k", response, tags, Valid, default);
            Assert.Equal(response, await store.GetAsync("k", default));
            Assert.Equal(response, await PipedAsync(store, "k"));
        }

        Time.Advance(Valid - TimeSpan.FromTicks(1));
        Assert.NotNull(await store.GetAsync("k", default));
        Time.Advance(TimeSpan.FromTicks(1));
        Assert.Null(await store.GetAsync("k", default));
    }

    [Fact]
    public async Task Evicting_a_tag_evicts_all_that_have_it_and_nothing_else()
    {
        // Stored by one process, evicted by another, looked for by both.
        var (store, other) = (NewStore(), NewStore());
        var response = Value(1, 1017);
        await store.SetAsync("none", response, null, Valid, default);
        await store.SetAsync("foo", response, ["foo"], Valid, default);
        await store.SetAsync("bar", response, ["bar"], Valid, default);
        await store.SetAsync("foo bar", response, ["foo", "bar", "foo"], Valid, default);
        Assert.Equal("none, foo, bar, foo bar", await ThereAsync(other));
        for (var twice = 0; twice < 2; twice++)
        {
            await other.EvictByTagAsync("foo", default);
            Assert.Equal("none, bar", await ThereAsync(store));
        }

        await store.SetAsync("foo", response, ["foo"], Valid, default);
        await store.SetAsync("foo bar", response, ["foo", "bar"], Valid, default);
        Assert.Equal("none, foo, bar, foo bar", await ThereAsync(other));
        await other.EvictByTagAsync("bar", default);
        Assert.Equal("none, foo", await ThereAsync(store));
        await other.EvictByTagAsync("never used", default);
        Assert.Equal("none, foo", await ThereAsync(store));
    }

    [Fact]
    public async Task What_was_evicted_by_its_tag_leaves_no_pages_once_it_is_asked_for()
    {
        var store = NewStore();
        await store.SetAsync("k", Value(1, 100_000), ["tag"], Valid, default);
        await store.EvictByTagAsync("tag", default);
        Assert.Null(await store.GetAsync("k", default));
        Assert.Equal(0, await PagesAsync());
    }

    [Fact]
    public async Task A_tag_s_state_that_is_lost_is_a_miss_never_a_stale_response()
    {
        var store = NewStore();
        await store.SetAsync("k", [1], ["tag"], TimeSpan.FromDays(30), default);
        Time.Advance(TimeSpan.FromDays(8));
        await store.SetAsync("other", [2], ["tag"], Valid, default);
        Assert.Null(await store.GetAsync("k", default));
        Assert.Equal([2], await store.GetAsync("other", default));
    }

    [Fact]
    public async Task A_tag_s_state_lasts_while_responses_with_it_are_asked_for_whatever_the_options_say_of_values()
    {
        var store = NewStore(options => options.RenewOnGet = false);
        await store.SetAsync("k", [1], ["tag"], TimeSpan.FromDays(30), default);
        for (var i = 0; i < 4; i++)
        {
            Time.Advance(TimeSpan.FromDays(5));
            Assert.Equal([1], await store.GetAsync("k", default));
        }
    }

    [Fact]
    public async Task A_response_whose_tag_the_pool_refuses_is_not_stored_and_what_it_replaced_is_gone()
    {
        // Room for two responses. One in place of another needs none, its tag's state would.
        var store = NewStore(options => options.NewPool = Shareable(PoolKind.Ephemeral, quotaPages: 2));
        await store.SetAsync("k", [1], null, Valid, default);
        await store.SetAsync("stays", [1], null, Valid, default);
        await store.SetAsync("k", [2], ["tag"], Valid, default);
        Assert.Null(await store.GetAsync("k", default));
        Assert.Equal([1], await store.GetAsync("stays", default));
        Assert.Equal(1, await PagesAsync());
    }

    [Fact]
    public async Task Who_finds_a_response_evicted_does_not_take_away_the_one_that_came_meanwhile()
    {
        await using var node = ScriptedNode.Start();
        void OnNode(GridCacheOptions options) => options.ConnectionString = node.ConnectionString;
        var (store, other) = (NewStore(OnNode), NewStore(OnNode));
        await store.SetAsync("k", [1], ["tag"], Valid, default);
        await other.EvictByTagAsync("tag", default);
        // It gets the response, its tag's state, and before it flushes the response the slot once more: then another is there already.
        var gets = 0;
        node.Script = async request =>
        {
            if (request.Opcode != Opcode.Get || Interlocked.Increment(ref gets) != 3) return false;
            node.Script = null;
            await other.SetAsync("k", [2], ["tag"], Valid, default);
            return false;
        };
        Assert.Null(await store.GetAsync("k", default));
        Assert.Equal(3, gets);
        Assert.Equal([2], await store.GetAsync("k", default));
    }

    [Fact]
    public async Task Instances_with_other_names_share_neither_responses_nor_tags()
    {
        var (first, second) = (NewStore(options => options.InstanceName = "first:"), NewStore(options => options.InstanceName = "second:"));
        await first.SetAsync("k", [1], ["tag"], Valid, default);
        Assert.Null(await second.GetAsync("k", default));
        await second.SetAsync("k", [2], ["tag"], Valid, default);
        await second.EvictByTagAsync("tag", default);
        Assert.Null(await second.GetAsync("k", default));
        Assert.Equal([1], await first.GetAsync("k", default));
    }

    [Fact]
    public async Task A_cancelled_token_throws_and_nothing_happens()
    {
        var store = NewStore();
        await store.SetAsync("k", [1], ["tag"], Valid, default);
        var cancelled = new CancellationToken(canceled: true);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.GetAsync("k", cancelled).AsTask());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.SetAsync("k", [2], ["tag"], Valid, cancelled).AsTask());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => store.EvictByTagAsync("tag", cancelled).AsTask());
        Assert.Equal([1], await store.GetAsync("k", default));
    }

    [Fact]
    public async Task A_disposed_store_says_so()
    {
        var cache = NewCache();
        IOutputCacheBufferStore store = new GridOutputCacheStore(cache.Store);
        await store.SetAsync("k", [1], ["tag"], Valid, default);
        await cache.DisposeAsync();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => store.GetAsync("k", default).AsTask());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => store.SetAsync("k", [1], null, Valid, default).AsTask());
        await Assert.ThrowsAsync<ObjectDisposedException>(() => store.EvictByTagAsync("tag", default).AsTask());
    }

    [Fact]
    public async Task Responses_are_there_until_their_tag_is_evicted_and_not_after_however_many_store_with_it()
    {
        var stores = Enumerable.Range(0, 3).Select(_ => NewStore()).ToArray();
        using var done = new CancellationTokenSource();
        var noise = stores[..2].Select((store, i) => Task.Run(async () =>
        {
            // They give the tag a new state as soon as it has none.
            while (!done.IsCancellationRequested) await store.SetAsync($"noise{i}", [1], ["tag"], Valid, default);
        })).ToArray();
        for (var round = 0; round < 60; round++)
        {
            await Task.WhenAll(stores.Select((store, i) => store.SetAsync($"k{i}", Value(round, 100), ["tag"], Valid, default).AsTask()));
            for (var i = 0; i < stores.Length; i++) Assert.Equal(Value(round, 100), await stores[(i + round) % stores.Length].GetAsync($"k{i}", default));
            await stores[round % stores.Length].EvictByTagAsync("tag", default);
            for (var i = 0; i < stores.Length; i++) Assert.Null(await stores[(i + round) % stores.Length].GetAsync($"k{i}", default));
        }

        await done.CancelAsync();
        await Task.WhenAll(noise);
    }

    [Fact]
    public async Task Arguments_that_make_no_sense_are_named()
    {
        var store = NewStore();
        await Assert.ThrowsAsync<ArgumentNullException>("key", () => store.GetAsync(null!, default).AsTask());
        await Assert.ThrowsAsync<ArgumentNullException>("value", () => store.SetAsync("k", null!, null, Valid, default).AsTask());
        await Assert.ThrowsAsync<ArgumentNullException>("tag", () => store.EvictByTagAsync(null!, default).AsTask());
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>("validFor", () => store.SetAsync("k", [1], null, TimeSpan.Zero, default).AsTask());
    }

    private static async Task<string> ThereAsync(IOutputCacheStore store)
    {
        var there = new List<string>();
        foreach (var key in (string[])["none", "foo", "bar", "foo bar"])
            if (await store.GetAsync(key, default) is not null) there.Add(key);
        return string.Join(", ", there);
    }

    private static async Task<byte[]?> PipedAsync(IOutputCacheBufferStore store, string key)
    {
        using var stream = new MemoryStream();
        var pipe = PipeWriter.Create(stream);
        var isThere = await store.TryGetAsync(key, pipe, default);
        await pipe.CompleteAsync();
        return isThere ? stream.ToArray() : null;
    }
}
