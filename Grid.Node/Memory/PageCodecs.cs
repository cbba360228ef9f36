using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Grid.Protocol;
using K4os.Compression.LZ4;
using ZstdSharp;

namespace Grid.Node.Memory;

/// <summary>Encodes and decodes pages. Scratch buffers and compressors belong to the thread; nothing is allocated per page.</summary>
public static class PageCodecs
{
    /// <summary>Zstandard's level: its fastest ordinary one; a page is too short for more to pay.</summary>
    private const int ZstdLevel = 1;

    [ThreadStatic]
    private static byte[]? _page;

    [ThreadStatic]
    private static byte[]? _encoded;

    [ThreadStatic]
    private static Compressor? _compressor;

    [ThreadStatic]
    private static Decompressor? _decompressor;

    /// <summary>Whether one 64-bit word fills the page; random pages are told apart by their first words.</summary>
    /// <param name="page">The page; its length is a multiple of 8.</param>
    /// <param name="word">The word.</param>
    public static bool IsSameFilled(ReadOnlySpan<byte> page, out ulong word)
    {
        word = BinaryPrimitives.ReadUInt64LittleEndian(page);
        if (BinaryPrimitives.ReadUInt64LittleEndian(page[8..]) != word) return false;
        var words = MemoryMarshal.Cast<byte, ulong>(page);
        return words.IndexOfAnyExcept(BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word)) < 0;
    }

    /// <summary>A page of several segments as one span; valid until the thread's next call.</summary>
    /// <param name="page">The page.</param>
    public static ReadOnlySpan<byte> Flatten(in ReadOnlySequence<byte> page)
    {
        if (page.IsSingleSegment) return page.FirstSpan;
        var scratch = _page ??= new byte[PoolOptions.MaxPageSizeBytes];
        page.CopyTo(scratch);
        return scratch.AsSpan(0, (int)page.Length);
    }

    /// <summary>Compresses a page; false where it does not get below <paramref name="mostBytes"/>.</summary>
    /// <param name="compression">How.</param>
    /// <param name="page">The page.</param>
    /// <param name="mostBytes">The most bytes that are worth it.</param>
    /// <param name="codec">The codec used.</param>
    /// <param name="encoded">The result; valid until the thread's next call.</param>
    public static bool TryCompress(PageCompression compression, ReadOnlySpan<byte> page, int mostBytes, out PageCodec codec, out ReadOnlySpan<byte> encoded)
    {
        var scratch = _encoded ??= new byte[PoolOptions.MaxPageSizeBytes];
        var room = scratch.AsSpan(0, mostBytes);
        int length;
        if (compression == PageCompression.Lz4)
        {
            codec = PageCodec.Lz4;
            length = LZ4Codec.Encode(page, room);
        }
        else
        {
            codec = PageCodec.Zstd;
            if (!(_compressor ??= new Compressor(ZstdLevel)).TryWrap(page, room, out length)) length = 0;
        }

        encoded = length > 0 ? scratch.AsSpan(0, length) : default;
        return length > 0;
    }

    /// <summary>Decodes a page.</summary>
    /// <param name="codec">How it is encoded.</param>
    /// <param name="stored">Its bytes.</param>
    /// <param name="page">Where to: exactly one page.</param>
    /// <exception cref="InvalidDataException">The bytes are no page of that size.</exception>
    public static void Decode(PageCodec codec, ReadOnlySpan<byte> stored, Span<byte> page)
    {
        var length = -1;
        switch (codec)
        {
            case PageCodec.Raw when stored.Length == page.Length:
                stored.CopyTo(page);
                return;
            case PageCodec.Same when stored.Length == sizeof(ulong):
                Fill(BinaryPrimitives.ReadUInt64LittleEndian(stored), page);
                return;
            case PageCodec.Lz4:
                length = LZ4Codec.Decode(stored, page);
                break;
            case PageCodec.Zstd:
                if (!(_decompressor ??= new Decompressor()).TryUnwrap(stored, page, out length)) length = -1;
                break;
        }

        if (length != page.Length) throw new InvalidDataException($"{stored.Length} bytes stored as {codec} do not decode to a page of {page.Length} bytes");
    }

    /// <summary>Decodes a page into an output whose spans may be shorter than a page.</summary>
    /// <param name="codec">How it is encoded.</param>
    /// <param name="stored">Its bytes.</param>
    /// <param name="pageSizeBytes">Bytes of a page.</param>
    /// <param name="output">Where to.</param>
    public static void Decode(PageCodec codec, ReadOnlySpan<byte> stored, int pageSizeBytes, IBufferWriter<byte> output)
    {
        if (codec == PageCodec.Raw && stored.Length == pageSizeBytes)
        {
            output.Write(stored);
            return;
        }

        var page = (_page ??= new byte[PoolOptions.MaxPageSizeBytes]).AsSpan(0, pageSizeBytes);
        Decode(codec, stored, page);
        output.Write(page);
    }

    /// <summary>Fills a page with a word, little-endian.</summary>
    /// <param name="word">The word.</param>
    /// <param name="page">The page; its length is a multiple of 8.</param>
    public static void Fill(ulong word, Span<byte> page) =>
        MemoryMarshal.Cast<byte, ulong>(page).Fill(BitConverter.IsLittleEndian ? word : BinaryPrimitives.ReverseEndianness(word));
}
