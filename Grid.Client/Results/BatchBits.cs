using System.Buffers.Binary;
using System.Numerics;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>One bit per entry of a batch: 256 bits, by value.</summary>
public readonly struct BatchBits : IEquatable<BatchBits>
{
    private readonly ulong _word0;
    private readonly ulong _word1;
    private readonly ulong _word2;
    private readonly ulong _word3;

    private BatchBits(ulong word0, ulong word1, ulong word2, ulong word3)
    {
        _word0 = word0;
        _word1 = word1;
        _word2 = word2;
        _word3 = word3;
    }

    /// <summary>The bit of an entry; false for entries the batch did not have.</summary>
    /// <param name="entry">The entry's place in the batch, 0 to 255.</param>
    /// <exception cref="ArgumentOutOfRangeException">The place is not 0 to 255.</exception>
    public bool this[int entry] => ((Word(entry >> 6) >> (entry & 63)) & 1) != 0;

    /// <summary>How many bits are set.</summary>
    public int Count =>
        BitOperations.PopCount(_word0) + BitOperations.PopCount(_word1) + BitOperations.PopCount(_word2) + BitOperations.PopCount(_word3);

    /// <summary>Whether the same bits are set.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator ==(BatchBits left, BatchBits right) => left.Equals(right);

    /// <summary>Whether other bits are set.</summary>
    /// <param name="left">One.</param>
    /// <param name="right">The other.</param>
    public static bool operator !=(BatchBits left, BatchBits right) => !left.Equals(right);

    /// <summary>Whether the same bits are set.</summary>
    /// <param name="other">The other.</param>
    public bool Equals(BatchBits other) => _word0 == other._word0 && _word1 == other._word1 && _word2 == other._word2 && _word3 == other._word3;

    /// <summary>Whether the other is a <see cref="BatchBits"/> with the same bits set.</summary>
    /// <param name="obj">The other.</param>
    public override bool Equals(object? obj) => obj is BatchBits other && Equals(other);

    /// <summary>A hash of the bits.</summary>
    public override int GetHashCode() => HashCode.Combine(_word0, _word1, _word2, _word3);

    /// <summary>The number of bits set.</summary>
    public override string ToString() => $"{Count} of {ProtocolLimits.MaxBatchPages} bits";

    /// <summary>Reads the wire's 32 bytes.</summary>
    internal static BatchBits Read(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(source),
        BinaryPrimitives.ReadUInt64LittleEndian(source[8..]),
        BinaryPrimitives.ReadUInt64LittleEndian(source[16..]),
        BinaryPrimitives.ReadUInt64LittleEndian(source[24..]));

    /// <summary>Whether a bit at or past this place is set.</summary>
    internal bool AnyFrom(int entry)
    {
        for (var i = entry; i < ProtocolLimits.MaxBatchPages; i++)
            if (this[i]) return true;
        return false;
    }

    private ulong Word(int word) => word switch
    {
        0 => _word0,
        1 => _word1,
        2 => _word2,
        3 => _word3,
        _ => throw new ArgumentOutOfRangeException(nameof(word), "A batch's entries are numbered 0 to 255."),
    };
}
