using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Time.Testing;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Caching;

/// <summary>A test of caches on the shared node: each has a pool of its own, and a clock that stands still until it is turned.</summary>
public abstract class CacheTest(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output), IAsyncLifetime
{
    private readonly List<GridDistributedCache> _caches = [];

    /// <summary>The options of no expiration.</summary>
    protected static DistributedCacheEntryOptions Forever { get; } = new();

    protected string PoolName { get; } = Names.Unique("cache");

    protected FakeTimeProvider Time { get; } = new(new DateTimeOffset(2020, 1, 1, 0, 0, 0, TimeSpan.Zero));

    /// <summary>A cache in the test's pool, with a connection of its own.</summary>
    protected GridDistributedCache NewCache(Action<GridCacheOptions>? configure = null, TimeProvider? time = null)
    {
        var options = new GridCacheOptions { ConnectionString = Shared.Node.ConnectionString(), Pool = PoolName, Objects = 4, SweepInterval = Timeout.InfiniteTimeSpan };
        configure?.Invoke(options);
        var cache = new GridDistributedCache(options, time ?? Time);
        _caches.Add(cache);
        return cache;
    }

    /// <summary>How many pages the test's pool holds.</summary>
    protected async Task<int> PagesAsync()
    {
        var pool = await Client.OpenPoolAsync(PoolName);
        var pages = 0;
        await foreach (var item in pool.ListObjectsAsync())
            await foreach (var piece in pool.ListPagesAsync(item.Id)) pages += piece.Indexes.Count;
        return pages;
    }

    /// <summary>Bytes that a number determines.</summary>
    protected static byte[] Value(int number, int bytes)
    {
        var value = new byte[bytes];
        new Random(number).NextBytes(value);
        return value;
    }

    /// <summary>The options of a pool of another kind or page size than caches make by themselves.</summary>
    protected static PoolOptions Shareable(PoolKind kind, int pageBytes = PoolOptions.MinPageSizeBytes, ulong quotaPages = 0) =>
        new() { Kind = kind, Sharing = PoolSharing.Shared, PageSizeBytes = pageBytes, QuotaPages = quotaPages };

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var cache in _caches) await cache.DisposeAsync();
    }
}
