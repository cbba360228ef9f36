using System.Globalization;
using System.Text.Json.Nodes;

namespace Grid.Cli.Cluster;

/// <summary>Values of a node's status, which an older or newer node may leave out.</summary>
internal static class Json
{
    /// <summary>A number; 0 where there is none.</summary>
    public static double Number(JsonNode? node) => node is JsonValue value && value.TryGetValue(out double number) ? number : 0;

    /// <summary>A whole number; 0 where there is none.</summary>
    public static int Integer(JsonNode? node) => (int)Number(node);

    /// <summary>Whether it says yes.</summary>
    public static bool Flag(JsonNode? node) => node is JsonValue value && value.TryGetValue(out bool flag) && flag;

    /// <summary>A text; "?" where there is none.</summary>
    public static string Text(JsonNode? node) => node?.ToString() ?? "?";

    /// <summary>The objects of an array; none where there is no array.</summary>
    public static IEnumerable<JsonObject> Objects(JsonNode? node) => node is JsonArray array ? array.OfType<JsonObject>() : [];

    /// <summary>A size for people; "?" where there is none.</summary>
    public static string Size(JsonNode? node) => node == null ? "?" : SizeText.Format(Number(node));

    /// <summary>A count for people; "?" where there is none.</summary>
    public static string Count(JsonNode? node) => node == null ? "?" : Number(node).ToString("#,0", CultureInfo.InvariantCulture);
}
