using System.Buffers.Binary;
using System.IO.Hashing;
using Grid.Protocol;

namespace Grid.Cli.Files;

/// <summary>
/// Says which manifest is the pool's: one page, in one of two slots (pages 0 and 1 of <see cref="HeaderObject"/>). A new header goes to the slot that does not
/// hold the newest one, so that neither a crash nor a refusal (which empties its page) loses the previous manifest.
/// Layout, little-endian: u64 magic "GRIDTREE", u32 format 1, u32 zero, u64 generation, u64 run, u64 body bytes, 16 bytes XxHash3-128 of the body, u64 XxHash3-64 of all before it.
/// </summary>
/// <param name="Generation">Grows by one with every store; the newer slot wins.</param>
/// <param name="Run">Random number of the store that wrote it; names the object of the manifest's body.</param>
/// <param name="BodyBytes">Bytes of the body.</param>
/// <param name="BodyChecksum">XxHash3-128 of the body.</param>
internal readonly record struct ManifestHeader(ulong Generation, ulong Run, long BodyBytes, UInt128 BodyChecksum)
{
    /// <summary>Slots a header may stand in.</summary>
    public const int Slots = 2;

    private const ulong Magic = 0x4545525444495247;
    private const uint Format = 1;
    private const int SizeBytes = 64;

    /// <summary>The object that holds the headers: "grid:tree" in ASCII, the same in every pool.</summary>
    public static ObjectId HeaderObject { get; } = new(0x677269643A747265, 0x6500000000000000, 0);

    /// <summary>The object of the manifest's body.</summary>
    public ObjectId BodyObject => BodyObjectOf(Run);

    /// <summary>The slot this header belongs in.</summary>
    public uint Slot => (uint)(Generation % Slots);

    /// <summary>The object of the manifest that a store writes.</summary>
    /// <param name="run">The store's random number, not 0.</param>
    public static ObjectId BodyObjectOf(ulong run) => HeaderObject with { Word2 = run };

    /// <summary>Writes the header into a page, the rest of which becomes zero.</summary>
    /// <param name="page">The page.</param>
    public void Write(Span<byte> page)
    {
        page.Clear();
        BinaryPrimitives.WriteUInt64LittleEndian(page, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(page[8..], Format);
        BinaryPrimitives.WriteUInt64LittleEndian(page[16..], Generation);
        BinaryPrimitives.WriteUInt64LittleEndian(page[24..], Run);
        BinaryPrimitives.WriteInt64LittleEndian(page[32..], BodyBytes);
        BinaryPrimitives.WriteUInt128LittleEndian(page[40..], BodyChecksum);
        BinaryPrimitives.WriteUInt64LittleEndian(page[56..], XxHash3.HashToUInt64(page[..56]));
    }

    /// <summary>Reads a header.</summary>
    /// <param name="page">The page.</param>
    /// <exception cref="ManifestException">It is none, or damaged.</exception>
    public static ManifestHeader Read(ReadOnlySpan<byte> page)
    {
        if (page.Length < SizeBytes || BinaryPrimitives.ReadUInt64LittleEndian(page) != Magic) throw new ManifestException("the pool's manifest header is not one");
        if (BinaryPrimitives.ReadUInt64LittleEndian(page[56..]) != XxHash3.HashToUInt64(page[..56])) throw new ManifestException("the pool's manifest header has a wrong checksum");
        if (BinaryPrimitives.ReadUInt32LittleEndian(page[8..]) is var format && format != Format)
            throw new ManifestException($"the pool's manifest header has format {format}, this program reads {Format}");
        var header = new ManifestHeader(
            BinaryPrimitives.ReadUInt64LittleEndian(page[16..]),
            BinaryPrimitives.ReadUInt64LittleEndian(page[24..]),
            BinaryPrimitives.ReadInt64LittleEndian(page[32..]),
            BinaryPrimitives.ReadUInt128LittleEndian(page[40..]));
        return header.BodyBytes is >= 0 and <= int.MaxValue ? header : throw new ManifestException($"the pool's manifest header claims {header.BodyBytes} bytes");
    }
}
