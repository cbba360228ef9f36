using System.Buffers.Binary;
using System.Numerics;
using Grid.Protocol;

namespace Grid.Node.Journal;

/// <summary>What an event's first bytes say (<see cref="SizeBytes"/> of them are enough).</summary>
/// <param name="PageSizeBytes">The pool's page size.</param>
/// <param name="EntryCount">Entries in the event.</param>
/// <param name="Incarnation">The incarnation of the object's owner that wrote it.</param>
/// <param name="PagesAfter">Pages the object holds after the event.</param>
/// <param name="EventBytes">Length of the whole event.</param>
/// <param name="EntriesChecksum">Checksum of the entries.</param>
public readonly record struct EventHeader(int PageSizeBytes, int EntryCount, ulong Incarnation, uint PagesAfter, int EventBytes, ulong EntriesChecksum)
{
    /// <summary>Bytes of a header, enough for every format.</summary>
    public const int SizeBytes = EventFormat.HeaderBytes;

    /// <summary>The event's format.</summary>
    public byte Format { get; init; } = EventFormat.Version;

    /// <summary>The event after which a recovery may begin; 0 at the very beginning, also where the format does not tell.</summary>
    public long Base { get; init; }

    /// <summary>Bytes of all the object's events up to and with this one, deleted ones too; 0 where the format does not tell.</summary>
    public long LogBytes { get; init; }

    /// <summary>Bytes of the header and the entries: the event without its pages.</summary>
    public int HeadBytes => OwnBytes(Format) + (EntryCount * EventFormat.EntryBytes);

    /// <summary>Bytes of a header of a format.</summary>
    internal static int OwnBytes(byte format) => format == EventFormat.Version1 ? EventFormat.Header1Bytes : EventFormat.HeaderBytes;

    /// <summary>Reads and verifies a header.</summary>
    /// <param name="key">The object whose journal the event stands in.</param>
    /// <param name="sequenceNr">The event's number there.</param>
    /// <param name="bytes">The event's bytes, or as many of its first as there are.</param>
    /// <exception cref="JournalCorruptException">The bytes are no header of an event of this object.</exception>
    public static EventHeader Read(ObjectKey key, long sequenceNr, ReadOnlySpan<byte> bytes)
    {
        var format = bytes.Length > 0 ? bytes[0] : EventFormat.Version;
        if (format is not (EventFormat.Version or EventFormat.Version1))
            throw JournalCorruptException.InEvent(key, sequenceNr, $"its format is {format}, this build reads {EventFormat.Version1} and {EventFormat.Version}");
        var own = OwnBytes(format);
        if (bytes.Length < own) throw JournalCorruptException.InEvent(key, sequenceNr, $"it has {bytes.Length} bytes, a header takes {own}");
        if (BinaryPrimitives.ReadUInt64LittleEndian(bytes[(own - 8)..]) != EventFormat.Checksum(key, bytes[..(own - 8)]))
            throw JournalCorruptException.InEvent(key, sequenceNr, "its header's checksum does not hold");

        var entries = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(bytes[20..]);
        if (bytes[1] != 0 || bytes[3] != 0 || bytes[2] is < 12 or > 16) throw JournalCorruptException.InEvent(key, sequenceNr, "its header has values of a later format");
        if (entries is 0 or > EventFormat.MaxEntries || length < own + (entries * EventFormat.EntryBytes) || length > EventFormat.MaxEventBytes)
            throw JournalCorruptException.InEvent(key, sequenceNr, $"its header tells of {entries} entries in {length} bytes");
        var header = new EventHeader(
            1 << bytes[2],
            (int)entries,
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[16..]),
            (int)length,
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]));
        return format == EventFormat.Version1
            ? header with { Format = format }
            : header with { Base = ReadBase(key, sequenceNr, bytes), LogBytes = (long)BinaryPrimitives.ReadUInt64LittleEndian(bytes[40..]) };
    }

    /// <summary>Writes the header with its checksum.</summary>
    /// <param name="key">The object.</param>
    /// <param name="destination">Where to.</param>
    /// <param name="baseIsHere">Whether the event is a base by itself; its number is not known yet.</param>
    internal void Write(ObjectKey key, Span<byte> destination, bool baseIsHere)
    {
        destination[..SizeBytes].Clear();
        destination[0] = EventFormat.Version;
        destination[2] = (byte)BitOperations.Log2((uint)PageSizeBytes);
        BinaryPrimitives.WriteInt32LittleEndian(destination[4..], EntryCount);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], Incarnation);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[16..], PagesAfter);
        BinaryPrimitives.WriteInt32LittleEndian(destination[20..], EventBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[24..], EntriesChecksum);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[32..], baseIsHere ? EventFormat.BaseIsHere : (ulong)Base);
        BinaryPrimitives.WriteInt64LittleEndian(destination[40..], LogBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[48..], EventFormat.Checksum(key, destination[..48]));
    }

    private static long ReadBase(ObjectKey key, long sequenceNr, ReadOnlySpan<byte> bytes)
    {
        var number = BinaryPrimitives.ReadUInt64LittleEndian(bytes[32..]);
        if (number == EventFormat.BaseIsHere) return sequenceNr - 1;
        return number < (ulong)sequenceNr ? (long)number : throw JournalCorruptException.InEvent(key, sequenceNr, $"its base is the later event {number}");
    }
}
