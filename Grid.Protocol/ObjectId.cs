using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;

namespace Grid.Protocol;

/// <summary>
/// The name of an object inside a pool: 192 bits, three 64-bit words as in Linux's tmem (<c>struct tmem_oid</c>).
/// Text form: 48 lower-case hexadecimal digits, the words in order, each most significant digit first.
/// </summary>
/// <param name="Word0">The first word.</param>
/// <param name="Word1">The second word.</param>
/// <param name="Word2">The third word.</param>
public readonly record struct ObjectId(ulong Word0, ulong Word1, ulong Word2) : IComparable<ObjectId>
{
    /// <summary>Bytes an id takes on the wire: 24 (three little-endian words).</summary>
    public const int SizeBytes = 24;

    /// <summary>Characters of the text form: 48.</summary>
    public const int TextLength = 48;

    private static readonly SearchValues<char> HexDigits = SearchValues.Create("0123456789abcdefABCDEF");

    /// <summary>Makes an id of a single number: convenient for tests and small name spaces.</summary>
    /// <param name="number">The number, which becomes <see cref="Word0"/>.</param>
    public static ObjectId FromUInt64(ulong number) => new(number, 0, 0);

    /// <summary>Reads the 24 bytes of the wire form.</summary>
    /// <param name="source">At least <see cref="SizeBytes"/> bytes.</param>
    public static ObjectId Read(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(source),
        BinaryPrimitives.ReadUInt64LittleEndian(source[8..]),
        BinaryPrimitives.ReadUInt64LittleEndian(source[16..]));

    /// <summary>Writes the 24 bytes of the wire form.</summary>
    /// <param name="destination">At least <see cref="SizeBytes"/> bytes.</param>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, Word0);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], Word1);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[16..], Word2);
    }

    /// <summary>Parses the text form (48 hexadecimal digits, either case).</summary>
    /// <param name="text">The text.</param>
    /// <exception cref="FormatException">The text is not 48 hexadecimal digits.</exception>
    public static ObjectId Parse(ReadOnlySpan<char> text) => TryParse(text, out var id)
        ? id
        : throw new FormatException($"'{text}' is not an object id: 48 hexadecimal digits are expected, {text.Length} characters were given.");

    /// <summary>Parses the text form; false where it is not 48 hexadecimal digits.</summary>
    /// <param name="text">The text.</param>
    /// <param name="id">The id.</param>
    public static bool TryParse(ReadOnlySpan<char> text, out ObjectId id)
    {
        id = default;
        // ulong.TryParse alone lets NUL characters pass at the end of a number.
        if (text.Length != TextLength
            || text.ContainsAnyExcept(HexDigits)
            || !ulong.TryParse(text[..16], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var word0)
            || !ulong.TryParse(text[16..32], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var word1)
            || !ulong.TryParse(text[32..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var word2))
            return false;
        id = new ObjectId(word0, word1, word2);
        return true;
    }

    /// <summary>Orders ids by word 0, then 1, then 2.</summary>
    /// <param name="other">The other id.</param>
    public int CompareTo(ObjectId other)
    {
        var order = Word0.CompareTo(other.Word0);
        if (order == 0) order = Word1.CompareTo(other.Word1);
        return order != 0 ? order : Word2.CompareTo(other.Word2);
    }

    /// <summary>The text form: 48 lower-case hexadecimal digits.</summary>
    public override string ToString() => $"{Word0:x16}{Word1:x16}{Word2:x16}";
}
