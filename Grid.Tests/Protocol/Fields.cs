using System.Globalization;
using System.Text;

namespace Grid.Tests.Protocol;

/// <summary>The fields of a vector while a frame is made of them: each is taken once, in order.</summary>
internal sealed class FieldReader(IReadOnlyList<KeyValuePair<string, string>> fields)
{
    private int _at;

    /// <summary>The next field's key; null at the end.</summary>
    public string? NextKey => _at < fields.Count ? fields[_at].Key : null;

    public string Text(string key)
    {
        if (NextKey != key) throw new InvalidOperationException($"field '{key}' is expected, '{NextKey}' stands there");
        return fields[_at++].Value;
    }

    public ulong Number(string key) => ulong.Parse(Text(key), NumberStyles.None, CultureInfo.InvariantCulture);

    public uint UInt32(string key) => checked((uint)Number(key));

    public bool YesNo(string key) => Text(key) switch
    {
        "yes" => true,
        "no" => false,
        var other => throw new InvalidOperationException($"'{key}: {other}' is neither yes nor no"),
    };

    public T Name<T>(string key)
        where T : struct, Enum => Enum.Parse<T>(Text(key).Replace("-", "", StringComparison.Ordinal).Replace(' ', ','), ignoreCase: true);

    public int[] Numbers(string key) =>
        [.. Text(key).Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(number => int.Parse(number, CultureInfo.InvariantCulture))];

    public void End()
    {
        if (NextKey is { } left) throw new InvalidOperationException($"field '{left}' was not used");
    }
}

/// <summary>The fields of a frame that is being decoded.</summary>
internal sealed class FieldWriter
{
    private readonly List<KeyValuePair<string, string>> _fields = [];

    public IReadOnlyList<KeyValuePair<string, string>> Fields => _fields;

    public void Text(string key, string value) => _fields.Add(new(key, value));

    public void Number(string key, ulong value) => Text(key, value.ToString(CultureInfo.InvariantCulture));

    public void YesNo(string key, bool value) => Text(key, value ? "yes" : "no");

    public void Name<T>(string key, T value)
        where T : struct, Enum => Text(key, string.Join(' ', value.ToString().Split(", ").Select(Kebab)));

    public void Numbers(string key, IEnumerable<long> values) => Text(key, string.Join(' ', values));

    private static string Kebab(string name)
    {
        var text = new StringBuilder();
        foreach (var c in name)
        {
            if (char.IsUpper(c) && text.Length > 0) text.Append('-');
            text.Append(char.ToLowerInvariant(c));
        }

        return text.ToString();
    }
}
