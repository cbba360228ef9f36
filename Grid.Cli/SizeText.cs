using System.Globalization;

namespace Grid.Cli;

/// <summary>Sizes and durations as people write them, the same units as in a node's configuration.</summary>
internal static class SizeText
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

    /// <summary>Reads <c>4096</c>, <c>4KiB</c>, <c>1.5 GiB</c>; K, M, G, T stand for KiB, MiB, GiB, TiB. False where it is something else or no whole number of bytes.</summary>
    /// <param name="text">The text.</param>
    /// <param name="bytes">The size.</param>
    public static bool TryParseBytes(string text, out long bytes)
    {
        bytes = 0;
        var trimmed = text.AsSpan().Trim();
        var digits = trimmed.IndexOfAnyExcept("0123456789.");
        var number = digits < 0 ? trimmed : trimmed[..digits];
        var unit = digits < 0 ? "B" : trimmed[digits..].Trim();
        if (!decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)) return false;
        var power = PowerOf(unit);
        if (power < 0) return false;
        for (var i = 0; i < power; i++)
        {
            value *= 1024;
            if (value > long.MaxValue) return false;
        }

        if (value > long.MaxValue || value != decimal.Truncate(value)) return false;
        bytes = (long)value;
        return true;
    }

    /// <summary>Reads <c>1000</c> or <c>1000 pages</c> (pages) or a size with a unit (whole pages of it).</summary>
    /// <param name="text">The text.</param>
    /// <param name="pageSizeBytes">Bytes of a page.</param>
    /// <param name="pages">The quota; 0 where it is none.</param>
    public static bool TryParseQuota(string text, int pageSizeBytes, out ulong pages)
    {
        var trimmed = text.AsSpan().Trim();
        if (trimmed.EndsWith("pages", StringComparison.OrdinalIgnoreCase)) trimmed = trimmed[..^5].TrimEnd();
        if (ulong.TryParse(trimmed, NumberStyles.None, CultureInfo.InvariantCulture, out pages)) return true;
        if (!TryParseBytes(text, out var bytes)) return false;
        pages = (ulong)(bytes / pageSizeBytes);
        // Less than one page would silently mean "no quota".
        return bytes == 0 || pages > 0;
    }

    /// <summary>Reads <c>500ms</c>, <c>5s</c>, <c>1.5m</c>, <c>1h</c>; a number alone is seconds. False where it is something else or not positive.</summary>
    /// <param name="text">The text.</param>
    /// <param name="duration">The duration.</param>
    public static bool TryParseDuration(string text, out TimeSpan duration)
    {
        duration = default;
        var trimmed = text.AsSpan().Trim();
        var digits = trimmed.IndexOfAnyExcept("0123456789.");
        var number = digits < 0 ? trimmed : trimmed[..digits];
        var milliseconds = (digits < 0 ? "s" : trimmed[digits..].Trim()) switch
        {
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 60e3,
            "h" => 3600e3,
            _ => 0,
        };
        if (milliseconds == 0 || !double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)) return false;
        value *= milliseconds;
        if (value is < 1 or > 86_400_000) return false;
        duration = TimeSpan.FromMilliseconds(value);
        return true;
    }

    /// <summary>A size for people: <c>17.3 MiB</c>.</summary>
    /// <param name="bytes">The size.</param>
    public static string Format(double bytes)
    {
        var unit = 0;
        while (Math.Abs(bytes) >= 1024 && unit < Units.Length - 1)
        {
            bytes /= 1024;
            unit++;
        }

        var format = unit == 0 || bytes == Math.Floor(bytes) ? "0" : "0.0";
        return $"{bytes.ToString(format, CultureInfo.InvariantCulture)} {Units[unit]}";
    }

    private static int PowerOf(ReadOnlySpan<char> unit)
    {
        for (var i = 0; i < Units.Length - 1; i++)
            if (unit.Equals(Units[i], StringComparison.OrdinalIgnoreCase) || (i > 0 && unit.Equals(Units[i].AsSpan(0, 1), StringComparison.OrdinalIgnoreCase)))
                return i;
        return -1;
    }
}
