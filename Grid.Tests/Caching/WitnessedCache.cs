using System.Buffers;
using Grid.Client;
using Microsoft.Extensions.Caching.Distributed;

namespace Grid.Tests.Caching;

/// <summary>A cache whose every call and answer goes into a history: what HybridCache, which keeps failures to itself, was really told.</summary>
internal sealed class WitnessedCache(GridDistributedCache cache, CacheHistory history) : IBufferDistributedCache
{
    public byte[]? Get(string key) => throw Synchronous();

    public void Set(string key, byte[] value, DistributedCacheEntryOptions options) => throw Synchronous();

    public void Refresh(string key) => throw Synchronous();

    public void Remove(string key) => throw Synchronous();

    public bool TryGet(string key, IBufferWriter<byte> destination) => throw Synchronous();

    public void Set(string key, ReadOnlySequence<byte> value, DistributedCacheEntryOptions options) => throw Synchronous();

    public async Task<byte[]?> GetAsync(string key, CancellationToken token = default)
    {
        var start = history.Now;
        var value = await cache.GetAsync(key, token);
        history.Read(key, start, value);
        return value;
    }

    public async ValueTask<bool> TryGetAsync(string key, IBufferWriter<byte> destination, CancellationToken token = default)
    {
        var start = history.Now;
        var buffer = new ArrayBufferWriter<byte>();
        var isThere = await cache.TryGetAsync(key, buffer, token);
        history.Read(key, start, isThere ? buffer.WrittenSpan.ToArray() : null);
        if (isThere) destination.Write(buffer.WrittenSpan);
        return isThere;
    }

    public Task SetAsync(string key, byte[] value, DistributedCacheEntryOptions options, CancellationToken token = default) =>
        ChangeAsync(key, value, () => cache.SetAsync(key, value, options, token));

    public ValueTask SetAsync(string key, ReadOnlySequence<byte> value, DistributedCacheEntryOptions options, CancellationToken token = default) =>
        new(ChangeAsync(key, value.ToArray(), () => cache.SetAsync(key, value, options, token).AsTask()));

    public Task RefreshAsync(string key, CancellationToken token = default) => cache.RefreshAsync(key, token);

    public Task RemoveAsync(string key, CancellationToken token = default) => ChangeAsync(key, null, () => cache.RemoveAsync(key, token));

    private async Task ChangeAsync(string key, byte[]? value, Func<Task> change)
    {
        var noted = history.Begin(key, value);
        try
        {
            await change();
            history.Acknowledge(noted);
        }
        catch (GridException failure)
        {
            history.Fail(noted, failure.Outcome);
            throw;
        }
    }

    private static NotSupportedException Synchronous() => new("nobody calls this here");
}
