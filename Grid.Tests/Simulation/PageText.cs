using System.Runtime.InteropServices;
using Grid.Protocol;

namespace Grid.Tests.Simulation;

/// <summary>Pages whose bytes follow from a number, quick to make: noise, compressible ones, and ones that a word fills.</summary>
internal static class PageText
{
    private const int Noises = 16;
    private static readonly byte[][] Noise = [.. Enumerable.Range(0, Noises).Select(NoiseOf)];

    /// <summary>The page of a number.</summary>
    public static void Write(ulong number, Span<byte> page)
    {
        switch (number % 4)
        {
            case 0:
                MemoryMarshal.Cast<byte, ulong>(page).Fill(number);
                return;
            case 1:
                page.Fill((byte)(number >> 2));
                break;
            default:
                Noise[(number >> 2) % Noises].AsSpan(0, page.Length).CopyTo(page);
                break;
        }

        MemoryMarshal.Write(page, number);
        MemoryMarshal.Write(page[^sizeof(ulong)..], ~number);
    }

    /// <summary>Whether the bytes are the page of the number.</summary>
    public static bool Is(ulong number, ReadOnlySpan<byte> page)
    {
        Span<byte> expected = stackalloc byte[PageBytes];
        Write(number, expected);
        return page.SequenceEqual(expected);
    }

    private const int PageBytes = PoolOptions.MinPageSizeBytes;

    private static byte[] NoiseOf(int seed)
    {
        var noise = new byte[PageBytes];
        new Random(seed).NextBytes(noise);
        return noise;
    }
}
