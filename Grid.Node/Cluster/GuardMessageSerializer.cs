using System.Buffers;
using System.Collections;
using Akka.Actor;
using Akka.Serialization;
using Grid.Node.Admin;
using Grid.Protocol;

namespace Grid.Node.Cluster;

/// <summary>A message of one node's guard to another's.</summary>
/// <param name="From">The sending life.</param>
/// <param name="Message">The message.</param>
internal sealed record GuardEnvelope(ClusterNode From, GuardMessage Message);

/// <summary>The guards' messages on the wire. The version is in the manifest; a body may grow at its end.</summary>
/// <param name="system">The actor system.</param>
internal sealed class GuardMessageSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private const string PingManifest = "P1";
    private const string PongManifest = "Q1";
    private const string ClaimManifest = "C1";
    private const string GrantManifest = "G1";
    private const string PartingManifest = "L1";
    private readonly ClusterTraffic _traffic = ClusterTraffic.Of(system);

    public override int Identifier => 1621;

    public override string Manifest(object o) => (o as GuardEnvelope)?.Message switch
    {
        Ping => PingManifest,
        Pong => PongManifest,
        Claim => ClaimManifest,
        Grant => GrantManifest,
        Parting => PartingManifest,
        _ => throw new ArgumentException($"{o.GetType()} is no message of guards"),
    };

    public override byte[] ToBinary(object obj)
    {
        var envelope = (GuardEnvelope)obj;
        var output = new ArrayBufferWriter<byte>(128);
        var writer = new BodyWriter(output);
        Write(ref writer, envelope.From);
        switch (envelope.Message)
        {
            case Ping ping:
                Write(ref writer, ping.To);
                writer.UInt64((ulong)ping.Number);
                writer.String(ping.Card.Name);
                writer.String(ping.Card.DataAddress);
                writer.String(ping.Card.AdminAddress);
                writer.String(ping.Card.Version);
                var bits = new byte[(ping.Open.Length + 7) / 8];
                ping.Open.CopyTo(bits, 0);
                writer.UInt32((uint)ping.Open.Length);
                foreach (var eight in bits) writer.Byte(eight);
                writer.Byte((byte)(ping.IsDraining ? 1 : 0));
                break;
            case Pong pong:
                Write(ref writer, pong.To);
                writer.UInt64((ulong)pong.Number);
                break;
            case Claim claim:
                Write(ref writer, claim.To);
                writer.UInt32((uint)claim.Shard);
                writer.UInt64(claim.Incarnation);
                break;
            case Grant grant:
                Write(ref writer, grant.To);
                writer.UInt32((uint)grant.Shard);
                writer.UInt64(grant.Incarnation);
                writer.Byte((byte)(grant.Holder is null ? 0 : 1));
                if (grant.Holder is { } holder) Write(ref writer, holder);
                writer.UInt32((uint)grant.Witnessed.Count);
                foreach (var witness in grant.Witnessed)
                {
                    Write(ref writer, witness.Node);
                    writer.UInt64((ulong)witness.AgoMs);
                }

                writer.Byte((byte)(grant.IsWarm ? 1 : 0));

                break;
        }

        return _traffic.Count(TrafficKind.Guard, output.WrittenSpan.ToArray());
    }

    public override object FromBinary(byte[] bytes, string manifest)
    {
        var reader = new BodyReader(new ReadOnlySequence<byte>(bytes));
        var from = Node(ref reader);
        GuardMessage message = manifest switch
        {
            PingManifest => ReadPing(ref reader),
            PongManifest => new Pong(Node(ref reader), (long)reader.UInt64()),
            ClaimManifest => new Claim(Node(ref reader), (int)reader.UInt32(), reader.UInt64()),
            GrantManifest => ReadGrant(ref reader),
            PartingManifest => Parting.Instance,
            _ => throw new ArgumentException($"manifest '{manifest}' is unknown"),
        };
        return new GuardEnvelope(from, message);
    }

    private static Ping ReadPing(ref BodyReader reader)
    {
        var to = Node(ref reader);
        var number = (long)reader.UInt64();
        var card = new NodeCard(reader.String(), reader.String(), reader.String(), reader.String());
        var shards = (int)reader.UInt32();
        if (shards is < 0 or > 4096) throw new ProtocolException($"{shards} shards cannot be");
        var bits = new byte[(shards + 7) / 8];
        for (var i = 0; i < bits.Length; i++) bits[i] = reader.Byte();
        return new Ping(to, number, card, new BitArray(bits) { Length = shards }, reader.Remaining > 0 && reader.Byte() != 0);
    }

    private static Grant ReadGrant(ref BodyReader reader)
    {
        var (to, shard, incarnation) = (Node(ref reader), (int)reader.UInt32(), reader.UInt64());
        ClusterNode? holder = reader.Byte() == 0 ? null : Node(ref reader);
        var witnessed = new Witness[reader.Count(minEntryBytes: 18)];
        for (var i = 0; i < witnessed.Length; i++) witnessed[i] = new Witness(Node(ref reader), (long)reader.UInt64());
        return new Grant(to, shard, incarnation, holder, witnessed, reader.Remaining > 0 && reader.Byte() != 0);
    }

    private static void Write(ref BodyWriter writer, ClusterNode node)
    {
        writer.String(node.Address);
        writer.UInt64((ulong)node.Uid);
    }

    private static ClusterNode Node(ref BodyReader reader) => new(reader.String(), (long)reader.UInt64());
}
