using System.Buffers;
using Grid.Client;
using Microsoft.Extensions.Caching.Distributed;

namespace Grid.Tests.Caching;

/// <summary>A way in which a cache has every operation.</summary>
public enum Way
{
    Synchronous,
    Asynchronous,
    SynchronousBuffers,
    AsynchronousBuffers,
}

/// <summary>The operations in each way.</summary>
internal static class Ways
{
    public static async Task<byte[]?> GetAsync(this Way way, GridDistributedCache cache, string key)
    {
        var buffer = new ArrayBufferWriter<byte>();
        switch (way)
        {
            case Way.Synchronous:
                return await Task.Run(() => cache.Get(key));
            case Way.Asynchronous:
                return await cache.GetAsync(key);
            case Way.SynchronousBuffers:
                return await Task.Run(() => cache.TryGet(key, buffer)) ? buffer.WrittenSpan.ToArray() : Nothing(buffer);
            default:
                return await cache.TryGetAsync(key, buffer) ? buffer.WrittenSpan.ToArray() : Nothing(buffer);
        }
    }

    public static async Task SetAsync(this Way way, GridDistributedCache cache, string key, byte[] value, DistributedCacheEntryOptions options)
    {
        switch (way)
        {
            case Way.Synchronous:
                await Task.Run(() => cache.Set(key, value, options));
                break;
            case Way.Asynchronous:
                await cache.SetAsync(key, value, options);
                break;
            case Way.SynchronousBuffers:
                await Task.Run(() => cache.Set(key, new ReadOnlySequence<byte>(value), options));
                break;
            default:
                await cache.SetAsync(key, new ReadOnlySequence<byte>(value), options);
                break;
        }
    }

    public static Task RefreshAsync(this Way way, GridDistributedCache cache, string key) =>
        way is Way.Synchronous or Way.SynchronousBuffers ? Task.Run(() => cache.Refresh(key)) : cache.RefreshAsync(key);

    public static Task RemoveAsync(this Way way, GridDistributedCache cache, string key) =>
        way is Way.Synchronous or Way.SynchronousBuffers ? Task.Run(() => cache.Remove(key)) : cache.RemoveAsync(key);

    private static byte[]? Nothing(ArrayBufferWriter<byte> buffer) =>
        buffer.WrittenCount == 0 ? null : throw new InvalidOperationException($"a miss wrote {buffer.WrittenCount} bytes");
}
