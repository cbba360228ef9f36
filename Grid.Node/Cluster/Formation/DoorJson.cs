using System.Text.Json;
using System.Text.Json.Serialization;

namespace Grid.Node.Cluster.Formation;

/// <summary>How questions and answers are written, whichever way they travel. Fields that are unknown are passed over: newer nodes may send more.</summary>
internal static class DoorJson
{
    /// <summary>The longest question or answer that is read.</summary>
    public const int BytesMax = 64 << 10;

    /// <summary>Options of the serializer.</summary>
    public static JsonSerializerOptions Options { get; } = new(JsonSerializerDefaults.Web)
    {
        RespectRequiredConstructorParameters = true,
        RespectNullableAnnotations = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };
}
