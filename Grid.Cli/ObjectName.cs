using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Grid.Protocol;

namespace Grid.Cli;

/// <summary>Objects as they are written on the command line.</summary>
internal static class ObjectName
{
    private const string NamePrefix = "name:";

    /// <summary>What is accepted, for help and errors.</summary>
    public const string Forms = "48 hexadecimal digits, a number (decimal, or hexadecimal with 0x), or name:TEXT";

    /// <summary>Reads an object; false where the text is none of <see cref="Forms"/>.</summary>
    /// <param name="text">The text.</param>
    /// <param name="id">The object.</param>
    public static bool TryParse(string text, out ObjectId id)
    {
        if (ObjectId.TryParse(text, out id)) return true;
        if (text.StartsWith(NamePrefix, StringComparison.Ordinal) && text.Length > NamePrefix.Length)
        {
            id = OfName(text[NamePrefix.Length..]);
            return true;
        }

        var hexadecimal = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        var digits = hexadecimal ? text.AsSpan(2) : text;
        var style = hexadecimal ? NumberStyles.AllowHexSpecifier : NumberStyles.None;
        if (!ulong.TryParse(digits, style, CultureInfo.InvariantCulture, out var number)) return false;
        id = ObjectId.FromUInt64(number);
        return true;
    }

    /// <summary>The object of a name: the first 192 bits of the SHA-256 of its UTF-8 form.</summary>
    /// <param name="name">The name.</param>
    public static ObjectId OfName(string name)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(name), hash);
        return ObjectId.Read(hash);
    }
}
