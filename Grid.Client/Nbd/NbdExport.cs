using System.Buffers.Binary;
using System.Text;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>A block device that the nodes serve over NBD: a name, a size, and the pool that holds its pages, or, where it has an origin, some of them.</summary>
public sealed record NbdExport
{
    /// <summary>Bytes of the device that one object of the pool holds: 16 MiB. So a device is spread over the nodes, and an object's pages fit few batches.</summary>
    public const int ObjectBytes = 16 << 20;

    /// <summary>The largest device: 1 EiB.</summary>
    public const long MaxSizeBytes = 1L << 60;

    /// <summary>"grid:nbd" in ASCII: the first word of the ids of a device's objects.</summary>
    private const ulong ObjectTag = 0x677269643a6e6264;

    private const uint Magic = 0x44424e47;
    private const uint Format = 1;

    /// <summary>With an origin: its text, and what it was recognized by when it was first opened, stand behind the names.</summary>
    private const uint FormatWithOrigin = 2;

    private const uint ReadOnlyBit = 1;
    private const uint BackingBit = 2;
    private const int HeadBytes = 44;

    /// <summary>Its name: what a pool's may be.</summary>
    public required string Name { get; init; }

    /// <summary>The name of the pool of its pages: a persistent one that holds nothing else, or, where it has an origin, an ephemeral one.</summary>
    public required string Pool { get; init; }

    /// <summary>Bytes of the device: a multiple of <see cref="PageSizeBytes"/>, where it has an origin of 512. 0: as many as its origin has, which no node has looked at yet.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>Bytes of a page of the pool.</summary>
    public required int PageSizeBytes { get; init; }

    /// <summary>Whether writes are refused.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>Where its bytes are; null where its pool holds them.</summary>
    public NbdOrigin? Origin { get; init; }

    /// <summary>What the origin was recognized by when a node first opened it; empty: none has. A node that finds something else does not serve the device.</summary>
    internal string Seal { get; init; } = "";

    /// <summary>A random number that this definition was given when it was made: one of the same name that is made later has another.</summary>
    public required ulong Id { get; init; }

    /// <summary>How often the definition was changed; of two of one name the higher counts.</summary>
    internal ulong Revision { get; init; } = 1;

    /// <summary>Pages of one object.</summary>
    public int PagesPerObject => ObjectBytes / PageSizeBytes;

    /// <summary>The object that holds a part of the device. Page i of it is the device's page <paramref name="part"/> × <see cref="PagesPerObject"/> + i.</summary>
    /// <param name="part">The part's number, from 0.</param>
    public static ObjectId ObjectOf(ulong part) => ObjectOf(part, 0);

    /// <summary>The object that holds a part of a device that shares its pool with others.</summary>
    /// <param name="part">The part's number, from 0.</param>
    /// <param name="owner">The device's <see cref="Id"/>; 0 where the pool is its own.</param>
    internal static ObjectId ObjectOf(ulong part, ulong owner) => new(ObjectTag, part, owner);

    /// <summary>What is wrong with a size, or null when nothing is.</summary>
    /// <param name="sizeBytes">The size.</param>
    /// <param name="pageSizeBytes">Bytes of a page.</param>
    internal static string? ValidateSize(long sizeBytes, int pageSizeBytes)
    {
        if (sizeBytes is <= 0 or > MaxSizeBytes) return $"size {sizeBytes} is not 1 to {MaxSizeBytes} bytes";
        return sizeBytes % pageSizeBytes == 0 ? null : $"size {sizeBytes} is not a multiple of the page size {pageSizeBytes}";
    }

    /// <summary>Writes the definition as a page.</summary>
    internal byte[] ToPage()
    {
        var page = new byte[PoolOptions.MinPageSizeBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(page, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(page.AsSpan(4), Origin is null ? Format : FormatWithOrigin);
        BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(8), Id);
        BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(16), Revision);
        BinaryPrimitives.WriteInt64LittleEndian(page.AsSpan(24), SizeBytes);
        BinaryPrimitives.WriteInt32LittleEndian(page.AsSpan(32), PageSizeBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(page.AsSpan(36), (ReadOnly ? ReadOnlyBit : 0) | (Origin is { IsBacking: true } ? BackingBit : 0));
        BinaryPrimitives.WriteUInt16LittleEndian(page.AsSpan(40), (ushort)Encoding.UTF8.GetByteCount(Name));
        BinaryPrimitives.WriteUInt16LittleEndian(page.AsSpan(42), (ushort)Encoding.UTF8.GetByteCount(Pool));
        var at = HeadBytes + Encoding.UTF8.GetBytes(Name, page.AsSpan(HeadBytes));
        at += Encoding.UTF8.GetBytes(Pool, page.AsSpan(at));
        if (Origin is null) return page;
        at += WriteText(page.AsSpan(at), Origin.Location);
        WriteText(page.AsSpan(at), Seal);
        return page;
    }

    /// <summary>Reads a definition.</summary>
    /// <param name="page">A page that <see cref="ToPage"/> made.</param>
    /// <exception cref="GridException">It is something else, or of a later format.</exception>
    internal static NbdExport FromPage(ReadOnlySpan<byte> page)
    {
        var format = BinaryPrimitives.ReadUInt32LittleEndian(page[4..]);
        if (BinaryPrimitives.ReadUInt32LittleEndian(page) != Magic) throw Wrong("does not begin like one");
        if (format is not (Format or FormatWithOrigin)) throw Wrong($"has format {format}, this program knows {Format} and {FormatWithOrigin}");
        int nameBytes = BinaryPrimitives.ReadUInt16LittleEndian(page[40..]);
        int poolBytes = BinaryPrimitives.ReadUInt16LittleEndian(page[42..]);
        if (HeadBytes + nameBytes + poolBytes > page.Length) throw Wrong("has names longer than itself");
        var flags = BinaryPrimitives.ReadUInt32LittleEndian(page[36..]);
        var (origin, seal) = ((NbdOrigin?)null, "");
        if (format == FormatWithOrigin)
        {
            var rest = page[(HeadBytes + nameBytes + poolBytes)..];
            origin = new NbdOrigin(ReadText(ref rest), (flags & BackingBit) != 0);
            seal = ReadText(ref rest);
        }

        var export = new NbdExport
        {
            Id = BinaryPrimitives.ReadUInt64LittleEndian(page[8..]),
            Revision = BinaryPrimitives.ReadUInt64LittleEndian(page[16..]),
            SizeBytes = BinaryPrimitives.ReadInt64LittleEndian(page[24..]),
            PageSizeBytes = BinaryPrimitives.ReadInt32LittleEndian(page[32..]),
            ReadOnly = (flags & ReadOnlyBit) != 0,
            Origin = origin,
            Seal = seal,
            Name = Encoding.UTF8.GetString(page.Slice(HeadBytes, nameBytes)),
            Pool = Encoding.UTF8.GetString(page.Slice(HeadBytes + nameBytes, poolBytes)),
        };
        var options = new PoolOptions { PageSizeBytes = export.PageSizeBytes };
        return (options.Validate() ?? export.ValidateSize() ?? origin?.Validate()) is { } wrong ? throw Wrong(wrong) : export;
    }

    /// <summary>What is wrong with its size, or null when nothing is. What the pages of an origin's end lack is zeros, so it need not end with one.</summary>
    internal string? ValidateSize()
    {
        const int SectorBytes = 512;
        if (Origin is null) return ValidateSize(SizeBytes, PageSizeBytes);
        return SizeBytes == 0 && !Origin.IsBacking ? null : ValidateSize(SizeBytes, SectorBytes)?.Replace("page size", "sector size", StringComparison.Ordinal);
    }

    private static int WriteText(Span<byte> page, string text)
    {
        var bytes = Encoding.UTF8.GetBytes(text, page[sizeof(ushort)..]);
        BinaryPrimitives.WriteUInt16LittleEndian(page, (ushort)bytes);
        return sizeof(ushort) + bytes;
    }

    private static string ReadText(ref ReadOnlySpan<byte> page)
    {
        var bytes = page.Length < sizeof(ushort) ? ushort.MaxValue : BinaryPrimitives.ReadUInt16LittleEndian(page);
        if (sizeof(ushort) + bytes > page.Length) throw Wrong("has texts longer than itself");
        var text = Encoding.UTF8.GetString(page.Slice(sizeof(ushort), bytes));
        page = page[(sizeof(ushort) + bytes)..];
        return text;
    }

    private static GridException Wrong(string what) => new($"A page of pool '{NbdExports.PoolName}' is no definition of an export: it {what}.", CallOutcome.NotApplied);
}
