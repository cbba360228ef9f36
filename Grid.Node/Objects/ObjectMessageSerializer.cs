using System.Buffers;
using Akka.Actor;
using Akka.Serialization;
using Grid.Node.Admin;
using Grid.Protocol;
using Status = Grid.Protocol.Status;

namespace Grid.Node.Objects;

/// <summary>The messages about objects that cross nodes: small ones, pages never. Version in the manifest.</summary>
/// <param name="system">The actor system.</param>
public sealed class ObjectMessageSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private const string ActivateManifest = "A1";
    private const string ActivatedManifest = "B1";
    private const string FailedManifest = "F1";
    private const string StopManifest = "S1";
    private const string KeptManifest = "K1";
    private readonly ClusterTraffic _traffic = ClusterTraffic.Of(system);

    /// <inheritdoc/>
    public override int Identifier => 1601;

    /// <inheritdoc/>
    public override string Manifest(object o) => o switch
    {
        Activate => ActivateManifest,
        Activated => ActivatedManifest,
        ActivationFailed => FailedManifest,
        StopObject => StopManifest,
        KeptObjects => KeptManifest,
        _ => throw new ArgumentException($"{o.GetType()} is no message of objects"),
    };

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj)
    {
        var output = new ArrayBufferWriter<byte>(64);
        var writer = new BodyWriter(output);
        switch (obj)
        {
            case Activate activate:
                writer.String(activate.Key.ToString());
                break;
            case Activated activated:
                writer.String(activated.Key.ToString());
                writer.String(activated.DataAddress);
                break;
            case ActivationFailed failed:
                writer.String(failed.Key.ToString());
                writer.UInt16((ushort)failed.Status);
                writer.String(failed.Text);
                break;
            case KeptObjects kept:
                writer.UInt32((uint)kept.Keys.Count);
                foreach (var key in kept.Keys) writer.String(key.ToString());
                break;
        }

        return _traffic.Count(TrafficKind.Objects, output.WrittenSpan.ToArray());
    }

    /// <inheritdoc/>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        var reader = new BodyReader(new ReadOnlySequence<byte>(bytes));
        return manifest switch
        {
            ActivateManifest => new Activate(Key(ref reader)),
            ActivatedManifest => new Activated(Key(ref reader), reader.String()),
            FailedManifest => new ActivationFailed(Key(ref reader), (Status)reader.UInt16(), reader.String()),
            StopManifest => StopObject.Instance,
            KeptManifest => new KeptObjects(Keys(ref reader)),
            _ => throw new ArgumentException($"manifest '{manifest}' is unknown"),
        };
    }

    private static ObjectKey[] Keys(ref BodyReader reader)
    {
        var keys = new ObjectKey[reader.Count(minEntryBytes: sizeof(ushort))];
        for (var i = 0; i < keys.Length; i++) keys[i] = Key(ref reader);
        return keys;
    }

    private static ObjectKey Key(ref BodyReader reader)
    {
        var text = reader.String();
        return ObjectKey.TryParse(text, out var key) ? key : throw new ProtocolException($"'{text}' is not an object");
    }
}
