using System.Text.Json;
using Akka.Actor;
using Akka.Serialization;
using Grid.Node.Admin;

namespace Grid.Node.Cluster.Formation;

/// <summary>Questions and answers between the doors of nodes, over Akka's remoting. Version in the manifest.</summary>
/// <param name="system">The actor system.</param>
internal sealed class DoorSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private const string QuestionManifest = "Q1";
    private const string AnswerManifest = "A1";
    private readonly ClusterTraffic _traffic = ClusterTraffic.Of(system);

    /// <inheritdoc/>
    public override int Identifier => 1631;

    /// <inheritdoc/>
    public override string Manifest(object o) => o switch
    {
        ContactQuestion => QuestionManifest,
        ContactAnswer => AnswerManifest,
        _ => throw new ArgumentException($"{o.GetType()} is no message of the door"),
    };

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj)
    {
        Manifest(obj);
        return _traffic.Count(TrafficKind.Formation, JsonSerializer.SerializeToUtf8Bytes(obj, obj.GetType(), DoorJson.Options));
    }

    /// <inheritdoc/>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        if (bytes.Length > DoorJson.BytesMax) throw new InvalidDataException($"a message of the door has {bytes.Length} bytes");
        object? message = manifest switch
        {
            QuestionManifest => JsonSerializer.Deserialize<ContactQuestion>(bytes, DoorJson.Options),
            AnswerManifest => JsonSerializer.Deserialize<ContactAnswer>(bytes, DoorJson.Options),
            _ => throw new InvalidDataException($"a message of the door has the unknown manifest '{manifest}'"),
        };
        return message ?? throw new InvalidDataException("a message of the door is empty");
    }
}
