using System.Buffers.Binary;

namespace Grid.Protocol;

/// <summary>
/// One entry of a write batch: u32 index, u8 kind (0 put, 1 flush), 3 zero bytes. The <see cref="ObjectRequestHead.Count"/> entries
/// stand after the head; the pages of the puts follow them in the same order, each of the pool's page size.
/// </summary>
/// <param name="Index">The page.</param>
/// <param name="IsFlush">Whether the page is removed rather than stored.</param>
public readonly record struct BatchEntry(uint Index, bool IsFlush)
{
    /// <summary>Bytes of an entry: 8.</summary>
    public const int SizeBytes = 8;

    /// <summary>Writes the entry.</summary>
    /// <param name="destination">At least 8 bytes.</param>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination, Index);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[4..], IsFlush ? 1u : 0u);
    }

    /// <summary>Reads the entry; false where the kind is unknown or a zero byte is not zero.</summary>
    /// <param name="source">At least 8 bytes.</param>
    /// <param name="entry">The entry.</param>
    public static bool TryRead(ReadOnlySpan<byte> source, out BatchEntry entry)
    {
        var kind = BinaryPrimitives.ReadUInt32LittleEndian(source[4..]);
        entry = new BatchEntry(BinaryPrimitives.ReadUInt32LittleEndian(source), kind == 1);
        return kind <= 1;
    }
}
