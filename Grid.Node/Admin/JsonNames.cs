using System.Collections.Concurrent;
using System.Text.Json;

namespace Grid.Node.Admin;

/// <summary>Names of enumeration values in metrics and JSON: <c>FlushPage</c> is <c>flush_page</c>.</summary>
internal static class JsonNames
{
    private static readonly ConcurrentDictionary<Enum, string> Names = new();

    /// <summary>The name of a value.</summary>
    public static string Of(Enum value)
    {
        return Names.GetOrAdd(value, static v => JsonNamingPolicy.SnakeCaseLower.ConvertName(v.ToString()));
    }
}
