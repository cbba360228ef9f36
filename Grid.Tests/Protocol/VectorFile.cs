using System.Globalization;
using Grid.Tests.Hosting;

namespace Grid.Tests.Protocol;

/// <summary>One golden vector: a frame's bytes and its fields in order. A shard vector has fields only.</summary>
/// <param name="Name">Its name; <c>shard</c> for a shard vector.</param>
/// <param name="Bytes">The frame.</param>
/// <param name="Fields">Keys and values in the order of the frame.</param>
internal sealed record Vector(string Name, byte[] Bytes, IReadOnlyList<KeyValuePair<string, string>> Fields);

/// <summary>Reads docs/protocol-vectors.txt; its head explains the format.</summary>
internal static class VectorFile
{
    /// <summary>Every vector of the file.</summary>
    public static IReadOnlyList<Vector> ReadAll()
    {
        var vectors = new List<Vector>();
        var name = "";
        var bytes = new List<byte>();
        var fields = new List<KeyValuePair<string, string>>();
        foreach (var raw in File.ReadLines(Path.Combine(Repository.Root, "docs", "protocol-vectors.txt")).Append("end"))
        {
            if (raw.StartsWith('#') || raw.Length == 0) continue;
            if (raw[0] == ' ')
            {
                var line = raw.Trim();
                if (line.StartsWith("= ", StringComparison.Ordinal)) fields.Add(Field(line[2..]));
                else bytes.AddRange(Hex(line.Split(';')[0]));
                continue;
            }

            if (name.Length > 0) vectors.Add(new Vector(name, [.. bytes], [.. fields]));
            name = raw.StartsWith("vector ", StringComparison.Ordinal) ? raw["vector ".Length..] : raw;
            bytes.Clear();
            fields.Clear();
        }

        return vectors;
    }

    /// <summary>Bytes written as <c>5a 01 00*4092</c>.</summary>
    public static byte[] Hex(string text)
    {
        var bytes = new List<byte>();
        foreach (var token in text.Split(' ', StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = token.Split('*');
            var value = byte.Parse(parts[0], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            bytes.AddRange(Enumerable.Repeat(value, parts.Length == 1 ? 1 : int.Parse(parts[1], CultureInfo.InvariantCulture)));
        }

        return [.. bytes];
    }

    /// <summary>The shortest text that <see cref="Hex"/> reads back: runs of five and more are written with their length.</summary>
    public static string ToHex(ReadOnlySpan<byte> bytes)
    {
        var tokens = new List<string>();
        while (bytes.Length > 0)
        {
            var run = bytes.IndexOfAnyExcept(bytes[0]);
            if (run < 0) run = bytes.Length;
            if (run < 5) run = 1;
            tokens.Add(run == 1 ? $"{bytes[0]:x2}" : $"{bytes[0]:x2}*{run}");
            bytes = bytes[run..];
        }

        return string.Join(' ', tokens);
    }

    private static KeyValuePair<string, string> Field(string line)
    {
        var colon = line.IndexOf(':', StringComparison.Ordinal);
        return new(line[..colon], line[(colon + 1)..].Trim());
    }
}
