namespace Grid.Protocol;

/// <summary>Which shard an object belongs to: computed alike by nodes and clients (docs/protocol.md, "Shards").</summary>
public static class ShardHash
{
    /// <summary>The shard of an object.</summary>
    /// <param name="key">The object.</param>
    /// <param name="shardCount">How many shards the grid has; from the hello's answer. At least 1.</param>
    /// <exception cref="ArgumentOutOfRangeException">The count is below 1.</exception>
    /// <returns>A number from 0 to <paramref name="shardCount"/> − 1.</returns>
    public static int ShardOf(in ObjectKey key, int shardCount)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(shardCount, 1);
        var hash = Mix(key.Pool.Value);
        hash = Mix(hash ^ key.Object.Word0);
        hash = Mix(hash ^ key.Object.Word1);
        hash = Mix(hash ^ key.Object.Word2);
        // The high half of hash × count: uniform without a division (Lemire, "Fast random integer generation in an interval").
        return (int)Math.BigMul(hash, (ulong)shardCount, out _);
    }

    /// <summary>The finalizer of splitmix64 (Steele, Lea, Flood 2014), with its increment.</summary>
    private static ulong Mix(ulong x)
    {
        x += 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }
}
