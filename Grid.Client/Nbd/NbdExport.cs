using System.Buffers.Binary;
using System.Text;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>A block device that the nodes serve over NBD: a name, a size, and the persistent pool that holds its pages.</summary>
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
    private const uint ReadOnlyBit = 1;
    private const int HeadBytes = 44;

    /// <summary>Its name: what a pool's may be.</summary>
    public required string Name { get; init; }

    /// <summary>The name of the persistent pool that holds its pages, and nothing else.</summary>
    public required string Pool { get; init; }

    /// <summary>Bytes of the device, a multiple of <see cref="PageSizeBytes"/>.</summary>
    public required long SizeBytes { get; init; }

    /// <summary>Bytes of a page of the pool.</summary>
    public required int PageSizeBytes { get; init; }

    /// <summary>Whether writes are refused.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>A random number that this definition was given when it was made: one of the same name that is made later has another.</summary>
    public required ulong Id { get; init; }

    /// <summary>How often the definition was changed; of two of one name the higher counts.</summary>
    internal ulong Revision { get; init; } = 1;

    /// <summary>Pages of one object.</summary>
    public int PagesPerObject => ObjectBytes / PageSizeBytes;

    /// <summary>The object that holds a part of the device. Page i of it is the device's page <paramref name="part"/> × <see cref="PagesPerObject"/> + i.</summary>
    /// <param name="part">The part's number, from 0.</param>
    public static ObjectId ObjectOf(ulong part) => new(ObjectTag, part, 0);

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
        BinaryPrimitives.WriteUInt32LittleEndian(page.AsSpan(4), Format);
        BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(8), Id);
        BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(16), Revision);
        BinaryPrimitives.WriteInt64LittleEndian(page.AsSpan(24), SizeBytes);
        BinaryPrimitives.WriteInt32LittleEndian(page.AsSpan(32), PageSizeBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(page.AsSpan(36), ReadOnly ? ReadOnlyBit : 0);
        BinaryPrimitives.WriteUInt16LittleEndian(page.AsSpan(40), (ushort)Encoding.UTF8.GetByteCount(Name));
        BinaryPrimitives.WriteUInt16LittleEndian(page.AsSpan(42), (ushort)Encoding.UTF8.GetByteCount(Pool));
        var at = HeadBytes + Encoding.UTF8.GetBytes(Name, page.AsSpan(HeadBytes));
        Encoding.UTF8.GetBytes(Pool, page.AsSpan(at));
        return page;
    }

    /// <summary>Reads a definition.</summary>
    /// <param name="page">A page that <see cref="ToPage"/> made.</param>
    /// <exception cref="GridException">It is something else, or of a later format.</exception>
    internal static NbdExport FromPage(ReadOnlySpan<byte> page)
    {
        var format = BinaryPrimitives.ReadUInt32LittleEndian(page[4..]);
        if (BinaryPrimitives.ReadUInt32LittleEndian(page) != Magic) throw Wrong("does not begin like one");
        if (format != Format) throw Wrong($"has format {format}, this program knows {Format}");
        int nameBytes = BinaryPrimitives.ReadUInt16LittleEndian(page[40..]);
        int poolBytes = BinaryPrimitives.ReadUInt16LittleEndian(page[42..]);
        if (HeadBytes + nameBytes + poolBytes > page.Length) throw Wrong("has names longer than itself");
        var export = new NbdExport
        {
            Id = BinaryPrimitives.ReadUInt64LittleEndian(page[8..]),
            Revision = BinaryPrimitives.ReadUInt64LittleEndian(page[16..]),
            SizeBytes = BinaryPrimitives.ReadInt64LittleEndian(page[24..]),
            PageSizeBytes = BinaryPrimitives.ReadInt32LittleEndian(page[32..]),
            ReadOnly = (BinaryPrimitives.ReadUInt32LittleEndian(page[36..]) & ReadOnlyBit) != 0,
            Name = Encoding.UTF8.GetString(page.Slice(HeadBytes, nameBytes)),
            Pool = Encoding.UTF8.GetString(page.Slice(HeadBytes + nameBytes, poolBytes)),
        };
        var options = new PoolOptions { PageSizeBytes = export.PageSizeBytes };
        return (options.Validate() ?? ValidateSize(export.SizeBytes, export.PageSizeBytes)) is { } wrong ? throw Wrong(wrong) : export;
    }

    private static GridException Wrong(string what) => new($"A page of pool '{NbdExports.PoolName}' is no definition of an export: it {what}.", CallOutcome.NotApplied);
}
