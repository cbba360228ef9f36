using System.Globalization;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Hosting;

/// <summary>Reads typed settings; a value of the wrong type or out of range is refused by its name and source.</summary>
internal sealed class SettingReader(SettingLayers layers)
{
    private static readonly (string Unit, long Factor)[] Sizes =
        [("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40), ("B", 1), ("", 1)];

    private static readonly (string Unit, double Milliseconds)[] Durations =
        [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];

    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    /// <summary>Names of the settings that were read.</summary>
    public IReadOnlySet<string> Read => _read;

    /// <summary>A text without control characters.</summary>
    public string Text(string path)
    {
        var value = Scalar(path);
        if (value.Text.Any(char.IsControl)) throw Bad(value, "must not contain control characters");
        return value.Text;
    }

    /// <summary>A list of texts; a single text is a list of those between its commas.</summary>
    public IReadOnlyList<string> Texts(string path)
    {
        var value = Value(path);
        return value.List ?? value.Text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
    }

    /// <summary>A whole number in a range.</summary>
    public int Number(string path, int min, int max)
    {
        var value = Scalar(path);
        if (!int.TryParse(value.Text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)) throw Bad(value, $"must be a whole number from {min} to {max}");
        if (number < min || number > max) throw Bad(value, $"must be from {min} to {max}");
        return number;
    }

    /// <summary>A size in bytes in a range.</summary>
    public long Bytes(string path, long min, long max)
    {
        var value = Scalar(path);
        if (!TryBytes(value.Text, out var bytes)) throw Bad(value, "must be a size like 8MiB (units B, KiB, MiB, GiB, TiB)");
        if (bytes < min || bytes > max) throw Bad(value, $"must be from {min} to {max} bytes");
        return bytes;
    }

    /// <summary>A duration in a range.</summary>
    public TimeSpan Duration(string path, TimeSpan min, TimeSpan max)
    {
        var value = Scalar(path);
        if (!TryDuration(value.Text, out var duration)) throw Bad(value, "must be a duration like 5s (units ms, s, m, h)");
        if (duration < min || duration > max) throw Bad(value, $"must be from {Show(min)} to {Show(max)}");
        return duration;
    }

    /// <summary>A switch: on or off.</summary>
    public bool Switch(string path)
    {
        var value = Scalar(path);
        return value.Text.ToLowerInvariant() switch
        {
            "on" or "true" or "yes" => true,
            "off" or "false" or "no" => false,
            _ => throw Bad(value, "must be on or off"),
        };
    }

    /// <summary>One of the names of an enumeration, in lower case.</summary>
    public T OneOf<T>(string path) where T : struct, Enum
    {
        var value = Scalar(path);
        foreach (var candidate in Enum.GetValues<T>())
            if (candidate.ToString().Equals(value.Text, StringComparison.OrdinalIgnoreCase) && !candidate.Equals(LogLevel.None))
                return candidate;
        var names = Enum.GetValues<T>().Where(candidate => !candidate.Equals(LogLevel.None)).Select(candidate => candidate.ToString().ToLowerInvariant());
        throw Bad(value, $"must be one of {string.Join(", ", names)}");
    }

    /// <summary>A refusal that names the setting, its value and where it comes from.</summary>
    public StartupException Bad(string path, string rule)
    {
        return Bad(layers[path], rule);
    }

    internal static bool TryBytes(string text, out long bytes)
    {
        bytes = 0;
        var digits = text.TakeWhile(c => char.IsAsciiDigit(c) || c == '.').Count();
        var unit = text[digits..].Trim();
        foreach (var (name, factor) in Sizes)
        {
            if (!unit.Equals(name, StringComparison.OrdinalIgnoreCase)) continue;
            if (!decimal.TryParse(text.AsSpan(0, digits), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return false;
            if (number > long.MaxValue / factor) return false;
            bytes = (long)(number * factor);
            return true;
        }
        return false;
    }

    internal static bool TryDuration(string text, out TimeSpan duration)
    {
        duration = default;
        var digits = text.TakeWhile(c => char.IsAsciiDigit(c) || c == '.').Count();
        var unit = text[digits..].Trim();
        foreach (var (name, milliseconds) in Durations)
        {
            if (!unit.Equals(name, StringComparison.OrdinalIgnoreCase)) continue;
            if (!double.TryParse(text.AsSpan(0, digits), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return false;
            if (number * milliseconds > TimeSpan.MaxValue.TotalMilliseconds / 2) return false;
            duration = TimeSpan.FromMilliseconds(number * milliseconds);
            return true;
        }
        return false;
    }

    private static StartupException Bad(SettingValue value, string rule)
    {
        var shown = Secrets.IsSecret(value.Path) ? Secrets.Redacted : $"\"{value.Text}\"";
        return StartupException.Setting($"{value.Path} = {shown} ({value.Source}) {rule}");
    }

    private static string Show(TimeSpan duration)
    {
        return duration.TotalSeconds < 1 ? $"{duration.TotalMilliseconds:0} ms" : duration.TotalMinutes < 1 ? $"{duration.TotalSeconds:0} s"
            : duration.TotalHours < 1 ? $"{duration.TotalMinutes:0} m" : $"{duration.TotalHours:0} h";
    }

    private SettingValue Value(string path)
    {
        _read.Add(path);
        return layers[path];
    }

    private SettingValue Scalar(string path)
    {
        var value = Value(path);
        return value.List == null && !value.IsEmptySection ? value : throw Bad(value, "must be a single value");
    }
}
