using Grid.Client;
using Microsoft.Extensions.Caching.Distributed;

namespace Grid.Tests.Caching;

/// <summary>A program that stores one large value after the other under a key until it is killed.</summary>
internal static class LargeWriter
{
    public const string Running = "running";
    public const string Key = "large";
    public const int Bytes = 12 << 20;
    public const int Objects = 4;

    public static async Task<int> RunAsync(string connectionString, string pool)
    {
        await using var cache = new GridDistributedCache(new GridCacheOptions { ConnectionString = connectionString, Pool = pool, Objects = Objects });
        await cache.SetAsync(Key, Value(0), new DistributedCacheEntryOptions());
        Console.WriteLine(Running);
        for (byte i = 1; ; i++) await cache.SetAsync(Key, Value(i), new DistributedCacheEntryOptions());
    }

    /// <summary>A value that is one byte all over, so that any other byte in it is wrong.</summary>
    public static byte[] Value(byte number)
    {
        var value = new byte[Bytes];
        value.AsSpan().Fill(number);
        return value;
    }
}
