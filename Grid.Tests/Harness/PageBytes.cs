using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Grid.Client;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Harness;

/// <summary>
/// Page contents that a number determines, so that a test needs to remember numbers only. The number stands in the first word:
/// a wrong page says whose it is.
/// </summary>
internal static class PageBytes
{
    /// <summary>A page of random words: nothing compresses it.</summary>
    public static byte[] Random(ulong number, int bytes = PoolOptions.MinPageSizeBytes)
    {
        var page = new byte[bytes];
        FillRandom(page, number);
        return page;
    }

    public static void FillRandom(Span<byte> page, ulong number)
    {
        var words = MemoryMarshal.Cast<byte, ulong>(page);
        var state = (number * 0x9E3779B97F4A7C15) + 1;
        for (var i = 0; i < words.Length; i++)
        {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            words[i] = state;
        }

        words[0] = number;
    }

    /// <summary>A page that any compression shrinks: words counting up.</summary>
    public static byte[] Compressible(ulong number, int bytes = PoolOptions.MinPageSizeBytes)
    {
        var page = new byte[bytes];
        for (var at = 0; at < bytes; at += 8) BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(at), number + (ulong)(at >> 6));
        return page;
    }

    /// <summary>A page filled with one word.</summary>
    public static byte[] Filled(ulong word, int bytes = PoolOptions.MinPageSizeBytes)
    {
        var page = new byte[bytes];
        MemoryMarshal.Cast<byte, ulong>(page.AsSpan()).Fill(word);
        return page;
    }

    /// <summary>A page for the number, of a sort that the number chooses: mostly random, some compressible, some filled.</summary>
    public static byte[] Mixed(ulong number, int bytes = PoolOptions.MinPageSizeBytes) => (number % 5) switch
    {
        0 => Compressible(number, bytes),
        1 => Filled(number, bytes),
        _ => Random(number, bytes),
    };

    public static ulong NumberOf(ReadOnlySpan<byte> page) => BinaryPrimitives.ReadUInt64LittleEndian(page);

    public static string Describe(ReadOnlySpan<byte> page) => page.Length < 16 ? Convert.ToHexString(page) : $"{page.Length} bytes, first words {NumberOf(page):x} {NumberOf(page[8..]):x}";
}

/// <summary>Asks about one page and compares.</summary>
internal static class PoolAssertions
{
    private const byte Untouched = 0xA5;

    /// <summary>The get hits and every byte is as expected.</summary>
    public static async Task<ObjectVersion> AssertHoldsAsync(
        this Pool pool, ObjectId id, uint index, byte[] expected, GetMode mode = GetMode.Keep)
    {
        var (hit, page, version) = await pool.ReadAsync(id, index, mode);
        Assert.True(hit, $"{pool.Name}/{id}/{index}: a miss; expected {PageBytes.Describe(expected)}");
        AssertSame(expected, page, $"{pool.Name}/{id}/{index}");
        return version;
    }

    /// <summary>The get misses, and the caller's buffer is untouched.</summary>
    public static async Task<ObjectVersion> AssertMissAsync(this Pool pool, ObjectId id, uint index, GetMode mode = GetMode.Keep)
    {
        var (hit, page, version) = await pool.ReadAsync(id, index, mode);
        Assert.False(hit, $"{pool.Name}/{id}/{index}: expected a miss, got {PageBytes.Describe(page)}");
        Assert.True(page.AsSpan().IndexOfAnyExcept(Untouched) < 0, "a miss changed the caller's buffer");
        return version;
    }

    public static async Task<(bool Hit, byte[] Page, ObjectVersion Version)> ReadAsync(
        this Pool pool, ObjectId id, uint index, GetMode mode = GetMode.Keep)
    {
        var page = new byte[pool.PageSizeBytes];
        page.AsSpan().Fill(Untouched);
        var result = await pool.GetAsync(id, index, page, mode);
        return (result.Hit, page, result.Version);
    }

    /// <summary>The put is stored.</summary>
    public static async Task<ObjectVersion> StoreAsync(this Pool pool, ObjectId id, uint index, ReadOnlyMemory<byte> page)
    {
        var result = await pool.PutAsync(id, index, page);
        Assert.True(result.Stored, $"{pool.Name}/{id}/{index}: refused, {result.Reason}");
        return result.Version;
    }

    public static void AssertSame(ReadOnlySpan<byte> expected, ReadOnlySpan<byte> actual, string handle)
    {
        var at = expected.CommonPrefixLength(actual);
        Assert.True(
            at == expected.Length && actual.Length == expected.Length,
            $"{handle}: differs from byte {at} on; expected {PageBytes.Describe(expected)}, got {PageBytes.Describe(actual)}");
    }
}
