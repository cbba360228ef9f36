using System.Buffers.Binary;
using Grid.Node.Memory;

namespace Grid.Node.Journal;

/// <summary>One entry of an event.</summary>
/// <param name="Kind">What it does.</param>
/// <param name="Codec">Put: how the stored bytes stand for the page.</param>
/// <param name="Index">Put, flush and held: the page's index. Range: <see cref="FirstPlace"/>.</param>
/// <param name="Offset">Put: where the stored bytes begin in the event. Range: <see cref="LastPlace"/>.</param>
/// <param name="StoredBytes">Put and held: how many stored bytes there are.</param>
/// <param name="Checksum">Put: the page's checksum. Held: <see cref="HeldBy"/>. Range: <see cref="FirstPiece"/>.</param>
public readonly record struct EventEntry(EventEntryKind Kind, PageCodec Codec, uint Index, int Offset, int StoredBytes, ulong Checksum)
{
    /// <summary>Range: the first place it tells of.</summary>
    public uint FirstPlace => Index;

    /// <summary>Range: the last place it tells of.</summary>
    public uint LastPlace => (uint)Offset;

    /// <summary>Range: the sequence number of its checkpoint's first piece; 0 in that piece itself.</summary>
    public long FirstPiece => (long)Checksum;

    /// <summary>Held: the sequence number of the event that has the page.</summary>
    public long HeldBy => (long)Checksum;

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
