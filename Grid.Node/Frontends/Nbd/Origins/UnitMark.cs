using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>
/// A page that says that a unit is being written, or being read from the origin, and by whom. It is one word repeated: such a page takes no memory for its bytes and is not evicted, so marks vanish only with the node
/// that holds them, or where a pool refuses them.
/// </summary>
/// <param name="Word">The word; 0: there is no mark.</param>
internal readonly record struct UnitMark(ulong Word)
{
    private const ulong WriterBit = 1UL << 63;
    private static readonly uint Run = BitConverter.ToUInt32(RandomNumberGenerator.GetBytes(sizeof(uint))) >> 1;
    private static int _count;

    /// <summary>Whether there is one.</summary>
    public bool IsThere => Word != 0;

    /// <summary>Whether a writer has put it.</summary>
    public bool IsWriters => (Word & WriterBit) != 0;

    /// <summary>A mark of a writer, unlike all others.</summary>
    public static UnitMark OfWriter() => new(WriterBit | Next());

    /// <summary>A mark of a reader that reads the origin, unlike all others.</summary>
    public static UnitMark OfReader() => new(Next());

    /// <summary>Reads the mark of a page.</summary>
    public static UnitMark Of(ReadOnlySpan<byte> page) => new(MemoryMarshal.Read<ulong>(page));

    /// <summary>The page.</summary>
    public byte[] ToPage(int pageBytes)
    {
        var page = new byte[pageBytes];
        MemoryMarshal.Cast<byte, ulong>(page.AsSpan()).Fill(Word);
        return page;
    }

    private static ulong Next() => ((ulong)Run << 32) | (uint)Interlocked.Increment(ref _count);
}
