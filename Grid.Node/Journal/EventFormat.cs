using System.Buffers.Binary;
using System.IO.Hashing;
using Grid.Node.Memory;
using Grid.Protocol;

namespace Grid.Node.Journal;

/// <summary>What an entry of an event does. The values are part of the format.</summary>
public enum EventEntryKind : byte
{
    /// <summary>No entry has it.</summary>
    None = 0,

    /// <summary>A page is stored under an index.</summary>
    Put = 1,

    /// <summary>An index is emptied.</summary>
    Flush = 2,

    /// <summary>Every index of the object is emptied.</summary>
    FlushObject = 3,

    /// <summary>Nothing changes: an incarnation of the object proves that it may write.</summary>
    Fence = 4,

    /// <summary>Format 2, the first entry of its event: the entries behind it tell everything that a range of the object's index holds (<see cref="PagePlace"/>).</summary>
    Range = 5,

    /// <summary>Format 2, behind a range: an index holds a page, and in which event that page stands.</summary>
    Held = 6,
}

/// <summary>
/// The bytes of a journal event, formats 1 and 2; this build writes 2. Little-endian throughout.
/// <code>
/// header, 56 bytes (format 1: 40)
///    0  u8   format: 2 (or 1)
///    1  u8   0
///    2  u8   log2 of the pool's page size (12 to 16)
///    3  u8   0
///    4  u32  entries
///    8  u64  incarnation of the object's owner that wrote the event
///   16  u32  pages the object holds after the event
///   20  u32  bytes of the whole event
///   24  u64  checksum of all entries
///   32  u64  base: the event after which a recovery may begin; 0: at the very beginning; 2^64-1: directly before this event    (format 1: not there)
///   40  u64  bytes of all the object's events up to and with this one, deleted ones too                                        (format 1: not there)
///   48  u64  checksum of bytes 0 to 47                                                                  (format 1: at 32, of bytes 0 to 31)
/// entries, 24 bytes each, in the order in which they take effect
///    0  u8   kind: 1 put, 2 flush, 3 flush object, 4 fence; format 2 only: 5 range, 6 held
///    1  u8   put: codec of the stored bytes (PageCodec), else 0
///    2  u16  0
///    4  u32  put, flush, held: index of the page; range: its first place; else 0
///    8  u32  put: where the stored bytes begin in the event; range: its last place; else 0
///   12  u32  put: how many they are; held: how many they are in the event that has them; else 0
///   16  u64  put: checksum of the page; held: sequence number of the event that has the page; range: see below; else 0
/// stored bytes of the puts, in the order of their entries, without gaps, to the event's end
/// </code>
/// Checksums are XxHash3 (64 bits), seeded with the checksum of what the bytes belong to. Header and entries: of 32 bytes, u64 pool and 3 x u64 object id.
/// The stored bytes of a page: of 48 bytes, pool and object id, u32 index, u32 page size, u32 codec, u32 stored bytes. So no page passes as one of another handle; the
/// event's sequence number is not known when it is made: the journal's reader demands numbers without gaps instead.
/// <para>
/// An event that begins with a range is a piece of a <b>checkpoint</b> and has nothing but held entries behind it. It changes nothing: it says which pages the places of its range hold
/// at its own point of the journal, no more and no fewer. A whole checkpoint is pieces, in order, whose ranges cover all places from 0 to 2^32-1; other events may stand between them.
/// The last 8 bytes of its range entry are the sequence number of the checkpoint's first piece, 0 in the first piece itself. The last piece and every event after it
/// have the first piece's predecessor as their base, until the next checkpoint is whole; an event that flushes the object is a base by itself.
/// </para>
/// </summary>
internal static class EventFormat
{
    public const byte Version = 2;

    public const byte Version1 = 1;

    public const int HeaderBytes = 56;

    public const int Header1Bytes = 40;

    /// <summary>A header's base that means: directly before the event itself.</summary>
    public const ulong BaseIsHere = ulong.MaxValue;

    public const int EntryBytes = 24;

    /// <summary>The most page bytes in an event: one whole batch.</summary>
    public const int MaxPageBytes = ProtocolLimits.MaxBatchBytes;

    /// <summary>The most entries in an event.</summary>
    public const int MaxEntries = 8192;

    /// <summary>The longest event.</summary>
    public const int MaxEventBytes = HeaderBytes + (MaxEntries * EntryBytes) + MaxPageBytes;

    private const int ObjectBytes = sizeof(ulong) + ObjectId.SizeBytes;

    /// <summary>Checksum of a header or of entries.</summary>
    public static ulong Checksum(ObjectKey key, ReadOnlySpan<byte> bytes)
    {
        Span<byte> prefix = stackalloc byte[ObjectBytes];
        WriteObject(prefix, key);
        return XxHash3.HashToUInt64(bytes, unchecked((long)XxHash3.HashToUInt64(prefix)));
    }

    /// <summary>Checksum of a page.</summary>
    public static ulong PageChecksum(ObjectKey key, uint index, int pageSizeBytes, PageCodec codec, ReadOnlySpan<byte> stored)
    {
        Span<byte> prefix = stackalloc byte[ObjectBytes + 16];
        WriteObject(prefix, key);
        BinaryPrimitives.WriteUInt32LittleEndian(prefix[32..], index);
        BinaryPrimitives.WriteInt32LittleEndian(prefix[36..], pageSizeBytes);
        BinaryPrimitives.WriteUInt32LittleEndian(prefix[40..], (byte)codec);
        BinaryPrimitives.WriteInt32LittleEndian(prefix[44..], stored.Length);
        return XxHash3.HashToUInt64(stored, unchecked((long)XxHash3.HashToUInt64(prefix)));
    }

    private static void WriteObject(Span<byte> destination, ObjectKey key)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, key.Pool.Value);
        key.Object.Write(destination[sizeof(ulong)..]);
    }
}
