using CsCheck;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Protocol;

public sealed class ShardHashTests
{
    private const int Shards = 128;

    [Fact]
    public void Every_shard_is_in_range()
    {
        Gen.Select(Gen.ULong, Gen.ULong, Gen.ULong, Gen.ULong, Gen.Int[1, int.MaxValue]).Sample((pool, a, b, c, shards) =>
            Assert.InRange(ShardHash.ShardOf(new ObjectKey(new PoolId(pool), new ObjectId(a, b, c)), shards), 0, shards - 1));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    public void A_count_below_one_is_refused(int shards) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => ShardHash.ShardOf(default, shards));

    /// <summary>Names as programs make them: small numbers in one of the words, pools in a row.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Regular_names_spread_evenly(int varying)
    {
        const int PerShard = 1000;
        var counts = new int[Shards];
        for (ulong i = 0; i < Shards * PerShard; i++)
        {
            var id = new ObjectId(varying == 0 ? i : 0, varying == 1 ? i : 0, varying == 2 ? i : 0);
            counts[ShardHash.ShardOf(new ObjectKey(new PoolId(varying == 3 ? i : 1), id), Shards)]++;
        }

        // χ² with 127 degrees of freedom: a fair hash exceeds 200 once in about 30,000.
        var chiSquare = counts.Sum(count => (count - PerShard) * (double)(count - PerShard) / PerShard);
        Assert.True(chiSquare < 200, $"χ² is {chiSquare:F0}");
    }

    [Fact]
    public void Every_bit_of_a_key_matters()
    {
        var key = new ObjectKey(new PoolId(0x1234), new ObjectId(0x5678, 0x9abc, 0xdef0));
        var moved = 0;
        for (var bit = 0; bit < 64; bit++)
        {
            var flip = 1UL << bit;
            ObjectKey[] changed =
            [
                key with { Pool = new PoolId(key.Pool.Value ^ flip) },
                key with { Object = key.Object with { Word0 = key.Object.Word0 ^ flip } },
                key with { Object = key.Object with { Word1 = key.Object.Word1 ^ flip } },
                key with { Object = key.Object with { Word2 = key.Object.Word2 ^ flip } },
            ];
            moved += changed.Count(other => ShardHash.ShardOf(other, 1 << 30) != ShardHash.ShardOf(key, 1 << 30));
        }

        Assert.Equal(256, moved);
    }
}
