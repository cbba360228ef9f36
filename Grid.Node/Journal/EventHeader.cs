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
    /// <summary>Bytes of a header.</summary>
    public const int SizeBytes = EventFormat.HeaderBytes;

    /// <summary>Bytes of the header and the entries: the event without its pages.</summary>
    public int HeadBytes => EventFormat.HeaderBytes + (EntryCount * EventFormat.EntryBytes);

    /// <summary>Reads and verifies a header.</summary>
    /// <param name="key">The object whose journal the event stands in.</param>
    /// <param name="sequenceNr">The event's number, for the error.</param>
    /// <param name="bytes">The event's bytes, or as many of its first as there are.</param>
    /// <exception cref="JournalCorruptException">The bytes are no header of an event of this object.</exception>
    public static EventHeader Read(ObjectKey key, long sequenceNr, ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length < SizeBytes) throw JournalCorruptException.InEvent(key, sequenceNr, $"it has {bytes.Length} bytes, a header takes {SizeBytes}");
        if (bytes[0] != EventFormat.Version) throw JournalCorruptException.InEvent(key, sequenceNr, $"its format is {bytes[0]}, this build reads {EventFormat.Version}");
        if (BinaryPrimitives.ReadUInt64LittleEndian(bytes[32..]) != EventFormat.Checksum(key, bytes[..32]))
            throw JournalCorruptException.InEvent(key, sequenceNr, "its header's checksum does not hold");

        var entries = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(bytes[20..]);
        if (bytes[1] != 0 || bytes[3] != 0 || bytes[2] is < 12 or > 16) throw JournalCorruptException.InEvent(key, sequenceNr, "its header has values of a later format");
        if (entries is 0 or > EventFormat.MaxEntries
            || length < EventFormat.HeaderBytes + (entries * EventFormat.EntryBytes)
            || length > EventFormat.MaxEventBytes)
            throw JournalCorruptException.InEvent(key, sequenceNr, $"its header tells of {entries} entries in {length} bytes");
        return new EventHeader(
            1 << bytes[2],
            (int)entries,
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[16..]),
            (int)length,
            BinaryPrimitives.ReadUInt64LittleEndian(bytes[24..]));
    }

    /// <summary>Writes the header with its checksum.</summary>
    internal void Write(ObjectKey key, Span<byte> destination)
    {
        destination[..SizeBytes].Clear();
        destination[0] = EventFormat.Version;
        destination[2] = (byte)BitOperations.Log2((uint)PageSizeBytes);
        BinaryPrimitives.WriteInt32LittleEndian(destination[4..], EntryCount);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], Incarnation);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[16..], PagesAfter);
        BinaryPrimitives.WriteInt32LittleEndian(destination[20..], EventBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[24..], EntriesChecksum);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[32..], EventFormat.Checksum(key, destination[..32]));
    }
}
