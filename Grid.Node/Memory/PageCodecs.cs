using System.Buffers;
using System.Runtime.InteropServices;
using Grid.Protocol;
using K4os.Compression.LZ4;
using ZstdSharp;

namespace Grid.Node.Memory;

/// <summary>Same-filled detection, encoding and back. Works in buffers of the calling thread, so nothing is allocated per page.</summary>
public static class PageCodecs
{
    /// <summary>Zstandard's level: beyond it a page of a few KiB hardly gets smaller, only slower.</summary>
    public const int ZstdLevel = 1;

    private const int WordBytes = sizeof(ulong);

    [ThreadStatic]
    private static Buffers? _buffers;

    private static Buffers Mine => _buffers ??= new Buffers();

    /// <summary>Whether one 64-bit word, repeated, is the page; a random page is known after its first words.</summary>
    /// <param name="page">At least one word, and whole words.</param>
    /// <param name="word">The word.</param>
    public static bool IsSameFilled(ReadOnlySpan<byte> page, out ulong word)
    {
        word = MemoryMarshal.Read<ulong>(page);
        // A page with period 8 equals itself shifted by 8; the comparison is vectorized and ends at the first difference.
        return page[WordBytes..].SequenceEqual(page[..^WordBytes]);
    }

    /// <summary>The same of a page in pieces.</summary>
    /// <param name="page">At least one word, and whole words.</param>
    /// <param name="word">The word.</param>
    public static bool IsSameFilled(in ReadOnlySequence<byte> page, out ulong word)
    {
        word = 0;
        var first = page.FirstSpan;
        if (page.IsSingleSegment) return IsSameFilled(first, out word);
        if (first.Length >= 2 * WordBytes && MemoryMarshal.Read<ulong>(first) != MemoryMarshal.Read<ulong>(first[WordBytes..])) return false;
        Span<byte> pattern = stackalloc byte[WordBytes];
        page.Slice(0, WordBytes).CopyTo(pattern);
        word = MemoryMarshal.Read<ulong>(pattern);
        Span<byte> rotated = stackalloc byte[WordBytes];
        var offset = 0L;
        foreach (var memory in page)
        {
            var piece = memory.Span;
            for (var i = 0; i < WordBytes; i++) rotated[i] = pattern[(int)((offset + i) & (WordBytes - 1))];
            var head = Math.Min(WordBytes, piece.Length);
            if (!piece[..head].SequenceEqual(rotated[..head])) return false;
            if (piece.Length > WordBytes && !piece[WordBytes..].SequenceEqual(piece[..^WordBytes])) return false;
            offset += piece.Length;
        }
        return true;
    }

    /// <summary>Compresses a page into fewer than so many bytes; what comes back stands in a buffer of this thread until its next call.</summary>
    /// <param name="compression">How; not none.</param>
    /// <param name="page">The page.</param>
    /// <param name="maxBytes">The most bytes worth having.</param>
    /// <param name="codec">The codec.</param>
    /// <param name="stored">The compressed bytes.</param>
    /// <returns>False where the page does not get that small.</returns>
    public static bool TryCompress(PageCompression compression, ReadOnlySpan<byte> page, int maxBytes, out PageCodec codec, out ReadOnlySpan<byte> stored)
    {
        var buffers = Mine;
        var target = buffers.Target.AsSpan(0, maxBytes);
        int length;
        if (compression == PageCompression.Lz4)
        {
            codec = PageCodec.Lz4;
            length = LZ4Codec.Encode(page, target);
        }
        else
        {
            codec = PageCodec.Zstd;
            if (!buffers.Compressor.TryWrap(page, target, out length)) length = 0;
        }
        stored = target[..Math.Max(length, 0)];
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
            case PageCodec.Same when stored.Length == WordBytes:
                MemoryMarshal.Cast<byte, ulong>(page).Fill(MemoryMarshal.Read<ulong>(stored));
                return;
            case PageCodec.Lz4:
                length = LZ4Codec.Decode(stored, page);
                break;
            case PageCodec.Zstd:
                length = DecodeZstd(stored, page);
                break;
        }
        if (length != page.Length)
            throw new InvalidDataException($"{stored.Length} bytes of {codec} do not decode to a page of {page.Length} bytes.");
    }

    /// <summary>Decodes a page into an output whose spans may be shorter than a page.</summary>
    /// <param name="codec">How it is encoded.</param>
    /// <param name="stored">Its bytes.</param>
    /// <param name="pageSizeBytes">Bytes of a page.</param>
    /// <param name="output">Where to.</param>
    /// <exception cref="InvalidDataException">The bytes are no page of that size; nothing was written.</exception>
    public static void Decode(PageCodec codec, ReadOnlySpan<byte> stored, int pageSizeBytes, IBufferWriter<byte> output)
    {
        if (codec == PageCodec.Raw && stored.Length == pageSizeBytes)
        {
            output.Write(stored);
            return;
        }
        var span = output.GetSpan();
        if (span.Length >= pageSizeBytes)
        {
            Decode(codec, stored, span[..pageSizeBytes]);
            output.Advance(pageSizeBytes);
            return;
        }
        var page = Mine.Source.AsSpan(0, pageSizeBytes);
        Decode(codec, stored, page);
        output.Write(page);
    }

    /// <summary>The page in one piece; where it has several, in a buffer of this thread until its next call.</summary>
    /// <param name="page">The page.</param>
    public static ReadOnlySpan<byte> Join(in ReadOnlySequence<byte> page)
    {
        if (page.IsSingleSegment) return page.FirstSpan;
        var joined = Mine.Source.AsSpan(0, (int)page.Length);
        page.CopyTo(joined);
        return joined;
    }

    // The bytes decoded, or −1.
    private static int DecodeZstd(ReadOnlySpan<byte> stored, Span<byte> page)
    {
        try
        {
            return Mine.Decompressor.TryUnwrap(stored, page, out var length) ? length : -1;
        }
        catch (ZstdException)
        {
            return -1;
        }
    }

    private sealed class Buffers
    {
        private Compressor? _compressor;
        private Decompressor? _decompressor;

        public byte[] Source { get; } = new byte[PoolOptions.MaxPageSizeBytes];

        public byte[] Target { get; } = new byte[PoolOptions.MaxPageSizeBytes];

        public Compressor Compressor => _compressor ??= new Compressor(ZstdLevel);

        public Decompressor Decompressor => _decompressor ??= new Decompressor();
    }
}
