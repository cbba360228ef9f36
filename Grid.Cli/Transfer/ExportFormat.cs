using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Grid.Protocol;

namespace Grid.Cli.Transfer;

/// <summary>An export file is not what was written, or no export file; the message says what is wrong and where.</summary>
/// <param name="message">The message.</param>
internal sealed class ExportFormatException(string message) : Exception(message);

/// <summary>What the records of an export file are; docs/export-format.md is the reference.</summary>
internal enum RecordKind : byte
{
    /// <summary>The pool's attributes; the first.</summary>
    Pool = 1,

    /// <summary>An object begins.</summary>
    Object = 2,

    /// <summary>Pages of the object.</summary>
    Pages = 3,

    /// <summary>The object ends.</summary>
    ObjectEnd = 4,

    /// <summary>The file ends; the last.</summary>
    End = 5,
}

/// <summary>How a page's stored bytes stand for it.</summary>
internal enum StoredAs : byte
{
    /// <summary>As they are.</summary>
    Raw = 0,

    /// <summary>One word of 8 bytes that fills the page.</summary>
    Same = 1,
}

/// <summary>The forms that writer and reader share, version 1.</summary>
internal static class ExportFormat
{
    public const uint Version = 1;

    public const int MagicBytes = 16;

    public const int RecordHeadBytes = 8;

    public const int ChecksumBytes = sizeof(ulong);

    public const int PageEntryBytes = 24;

    public const int MaxPages = ProtocolLimits.MaxBatchPages;

    public const int MaxPayloadBytes = sizeof(uint) + (MaxPages * PageEntryBytes) + ProtocolLimits.MaxBatchBytes;

    public const uint FrozenBit = 1;

    public const uint ChangedBit = 1;

    private const int WordBytes = sizeof(ulong);

    /// <summary>The first bytes of a file.</summary>
    public static byte[] Magic { get; } = [.. "GRIDPOOL"u8, (byte)Version, 0, 0, 0, 0, 0, 0, 0];

    /// <summary>A record's checksum covers its head, its payload and, as the seed, the checksum of the record before it: none can be lost, doubled or moved.</summary>
    public static ulong RecordChecksum(ulong before, ReadOnlySpan<byte> headAndPayload) => XxHash3.HashToUInt64(headAndPayload, unchecked((long)before));

    /// <summary>A page's checksum covers where it belongs: the file (by the checksum of its pool record), the object, the index, and how it is stored.</summary>
    public static ulong PageChecksum(ulong pool, ObjectId obj, uint index, int pageSizeBytes, StoredAs codec, ReadOnlySpan<byte> stored)
    {
        Span<byte> prefix = stackalloc byte[8 + ObjectId.SizeBytes + 16];
        BinaryPrimitives.WriteUInt64LittleEndian(prefix, pool);
        obj.Write(prefix[8..]);
        BinaryPrimitives.WriteUInt32LittleEndian(prefix[32..], index);
        BinaryPrimitives.WriteInt32LittleEndian(prefix[36..], pageSizeBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(prefix[40..], (byte)codec);
        BinaryPrimitives.WriteInt32LittleEndian(prefix[44..], stored.Length);
        return XxHash3.HashToUInt64(stored, unchecked((long)XxHash3.HashToUInt64(prefix)));
    }

    /// <summary>The shortest form of a page.</summary>
    public static ReadOnlySpan<byte> Store(ReadOnlySpan<byte> page, out StoredAs codec)
    {
        // A page with period 8 equals itself shifted by 8.
        codec = page[WordBytes..].SequenceEqual(page[..^WordBytes]) ? StoredAs.Same : StoredAs.Raw;
        return codec == StoredAs.Same ? page[..WordBytes] : page;
    }

    /// <summary>The page back; false where the bytes can't be one.</summary>
    public static bool TryRestore(StoredAs codec, ReadOnlySpan<byte> stored, Span<byte> page)
    {
        switch (codec)
        {
            case StoredAs.Raw when stored.Length == page.Length:
                stored.CopyTo(page);
                return true;
            case StoredAs.Same when stored.Length == WordBytes:
                MemoryMarshal.Cast<byte, ulong>(page).Fill(MemoryMarshal.Read<ulong>(stored));
                return true;
            default:
                return false;
        }
    }
}

/// <summary>What a file says of its pool.</summary>
/// <param name="Name">The pool's name.</param>
/// <param name="Tenant">Whose it was.</param>
/// <param name="Options">Its attributes.</param>
/// <param name="Frozen">Whether it was frozen, other than for the export.</param>
/// <param name="CreatedUtc">When the export began.</param>
/// <param name="Agent">What wrote the file.</param>
internal sealed record ExportedPool(string Name, string Tenant, PoolOptions Options, bool Frozen, DateTime CreatedUtc, string Agent);

/// <summary>What a file says at its end.</summary>
/// <param name="Objects">Objects in it.</param>
/// <param name="Pages">Pages in it.</param>
/// <param name="ChangedObjects">Objects that changed while they were read.</param>
internal sealed record ExportTotals(ulong Objects, ulong Pages, ulong ChangedObjects);
