using System.Buffers.Binary;
using Grid.Node.Memory;

namespace Grid.Node.Journal;

/// <summary>One entry of an event.</summary>
/// <param name="Kind">What it does.</param>
/// <param name="Codec">Put: how the stored bytes stand for the page.</param>
/// <param name="Index">Put and flush: the page's index.</param>
/// <param name="Offset">Put: where the stored bytes begin in the event.</param>
/// <param name="StoredBytes">Put: how many stored bytes there are.</param>
/// <param name="Checksum">Put: the page's checksum.</param>
public readonly record struct EventEntry(EventEntryKind Kind, PageCodec Codec, uint Index, int Offset, int StoredBytes, ulong Checksum)
{
    /// <summary>Whether the entry decides what its index holds.</summary>
    internal bool Touches(uint index) => Kind == EventEntryKind.FlushObject || (Kind is EventEntryKind.Put or EventEntryKind.Flush && Index == index);

    internal static EventEntry Read(ReadOnlySpan<byte> bytes) => new(
        (EventEntryKind)bytes[0],
        (PageCodec)bytes[1],
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]),
        BinaryPrimitives.ReadInt32LittleEndian(bytes[8..]),
        BinaryPrimitives.ReadInt32LittleEndian(bytes[12..]),
        BinaryPrimitives.ReadUInt64LittleEndian(bytes[16..]));

    internal void Write(Span<byte> destination)
    {
        destination[0] = (byte)Kind;
        destination[1] = (byte)Codec;
        BinaryPrimitives.WriteUInt16LittleEndian(destination[2..], 0);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[4..], Index);
        BinaryPrimitives.WriteInt32LittleEndian(destination[8..], Offset);
        BinaryPrimitives.WriteInt32LittleEndian(destination[12..], StoredBytes);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[16..], Checksum);
    }
}

/// <summary>The entries of an event in the order in which they take effect, decoded as they are asked for.</summary>
public readonly struct EventEntries
{
    private readonly ReadOnlyMemory<byte> _bytes;

    internal EventEntries(ReadOnlyMemory<byte> bytes)
    {
        _bytes = bytes;
    }

    /// <summary>How many there are.</summary>
    public int Count => _bytes.Length / EventFormat.EntryBytes;

    /// <summary>The entry at a position.</summary>
    /// <param name="position">0 for the first.</param>
    public EventEntry this[int position] => EventEntry.Read(_bytes.Span.Slice(position * EventFormat.EntryBytes, EventFormat.EntryBytes));

    /// <summary>Goes through them.</summary>
    public Enumerator GetEnumerator() => new(this);

    /// <summary>Goes through the entries of an event.</summary>
    /// <param name="entries">The entries.</param>
    public struct Enumerator(EventEntries entries)
    {
        private int _position = -1;

        /// <summary>The entry reached.</summary>
        public readonly EventEntry Current => entries[_position];

        /// <summary>Goes to the next entry; false at the end.</summary>
        public bool MoveNext() => ++_position < entries.Count;
    }
}
