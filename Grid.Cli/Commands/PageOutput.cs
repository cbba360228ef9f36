using System.Globalization;
using System.Text;
using Grid.Client;

namespace Grid.Cli.Commands;

/// <summary>A page on its way to a file, a pipe or a terminal.</summary>
internal static class PageOutput
{
    private const int BytesPerLine = 16;

    /// <summary>Writes a page as the options say.</summary>
    /// <param name="output">Where results go.</param>
    /// <param name="page">The page.</param>
    /// <param name="result">How it was found.</param>
    /// <param name="path">A file, or null.</param>
    /// <param name="hex">Whether a dump is wanted.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    public static async Task WriteAsync(Output output, byte[] page, GetResult result, string? path, bool hex, CancellationToken cancellation)
    {
        if (path != null) await File.WriteAllBytesAsync(path, page, cancellation);
        var version = result.Version.ToString();
        if (output.Json && path != null) output.WriteJson(new { hit = true, version, bytes = page.Length, file = path });
        else if (output.Json) output.WriteJson(new { hit = true, version, bytes = page.Length, base64 = Convert.ToBase64String(page) });
        else if (path != null) await output.Standard.WriteLineAsync($"{page.Length} bytes to {path} (version {version})");
        else if (hex || output.StandardIsTerminal) await output.Standard.WriteAsync(Dump(page));
        else await WriteRawAsync(page, cancellation);
    }

    /// <summary>A dump like <c>hexdump -C</c>: equal lines are shown once.</summary>
    /// <param name="page">The bytes.</param>
    public static string Dump(ReadOnlySpan<byte> page)
    {
        var text = new StringBuilder();
        var skipping = false;
        for (var at = 0; at < page.Length; at += BytesPerLine)
        {
            var line = page.Slice(at, Math.Min(BytesPerLine, page.Length - at));
            var repeats = at > 0 && line.SequenceEqual(page.Slice(at - BytesPerLine, line.Length));
            if (!repeats) AppendLine(text, at, line);
            else if (!skipping) text.Append("*\n");
            skipping = repeats;
        }

        return text.Append(CultureInfo.InvariantCulture, $"{page.Length:x8}\n").ToString();
    }

    private static void AppendLine(StringBuilder text, int at, ReadOnlySpan<byte> line)
    {
        text.Append(CultureInfo.InvariantCulture, $"{at:x8} ");
        for (var i = 0; i < BytesPerLine; i++)
        {
            if (i == BytesPerLine / 2) text.Append(' ');
            if (i < line.Length) text.Append(CultureInfo.InvariantCulture, $" {line[i]:x2}");
            else text.Append("   ");
        }

        text.Append("  |");
        foreach (var value in line) text.Append(value is >= 0x20 and < 0x7f ? (char)value : '.');
        text.Append("|\n");
    }

    private static async Task WriteRawAsync(byte[] page, CancellationToken cancellation)
    {
        await using var output = Console.OpenStandardOutput();
        await output.WriteAsync(page, cancellation);
    }
}
