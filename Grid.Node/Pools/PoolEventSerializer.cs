using System.Buffers;
using Akka.Actor;
using Akka.Serialization;
using Grid.Protocol;

namespace Grid.Node.Pools;

/// <summary>
/// The registry's events in the journal. Manifest <c>P1</c>, little-endian: u8 kind, u64 pool (not in a fence), then by kind: fence: string node; create:
/// options, strings tenant, name, member; join and leave: string member. Options and strings as on the wire.
/// </summary>
/// <param name="system">The actor system.</param>
internal sealed class PoolEventSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    /// <summary>The longest event: three names of the longest kind and room to spare.</summary>
    public const int MaxEventBytes = 1024;

    private const string Manifest1 = "P1";

    private enum Kind : byte
    {
        Fenced = 1,
        Created = 2,
        Joined = 3,
        Left = 4,
        Frozen = 5,
        Thawed = 6,
        Destroyed = 7,
        Swept = 8,
    }

    /// <inheritdoc/>
    public override int Identifier => 1611;

    /// <inheritdoc/>
    public override string Manifest(object o) => o is PoolEvent ? Manifest1 : throw new ArgumentException($"{o.GetType()} is no event of pools");

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj)
    {
        var output = new ArrayBufferWriter<byte>(256);
        var writer = new BodyWriter(output);
        Write(ref writer, (PoolEvent)obj);
        if (output.WrittenCount > MaxEventBytes) throw new ArgumentException($"an event of {output.WrittenCount} bytes exceeds {MaxEventBytes}");
        return output.WrittenSpan.ToArray();
    }

    /// <inheritdoc/>
    public override object FromBinary(byte[] bytes, string manifest) => Parse(bytes, manifest);

    /// <summary>Reads an event.</summary>
    /// <exception cref="InvalidDataException">It is none that this version knows.</exception>
    public static PoolEvent Parse(byte[] bytes, string manifest)
    {
        if (manifest != Manifest1) throw new InvalidDataException($"an event of pools has the manifest '{manifest}', of which this version knows nothing");
        if (bytes.Length > MaxEventBytes) throw new InvalidDataException($"an event of pools has {bytes.Length} bytes, more than {MaxEventBytes}");
        try
        {
            var reader = new BodyReader(new ReadOnlySequence<byte>(bytes));
            var happened = Read(ref reader);
            reader.End();
            return happened;
        }
        catch (ProtocolException wrong)
        {
            throw new InvalidDataException($"an event of pools makes no sense: {wrong.Message}", wrong);
        }
    }

    private static void Write(ref BodyWriter writer, PoolEvent happened)
    {
        switch (happened)
        {
            case PoolEvent.Fenced fenced:
                writer.Byte((byte)Kind.Fenced);
                writer.String(fenced.Node);
                break;
            case PoolEvent.Created created:
                Head(ref writer, Kind.Created, created.Pool);
                PoolCodec.WriteOptions(ref writer, created.Options);
                writer.String(created.Tenant);
                writer.String(created.Name);
                writer.String(created.Member);
                break;
            case PoolEvent.Joined joined:
                Head(ref writer, Kind.Joined, joined.Pool);
                writer.String(joined.Member);
                break;
            case PoolEvent.Left left:
                Head(ref writer, Kind.Left, left.Pool);
                writer.String(left.Member);
                break;
            case PoolEvent.Frozen frozen:
                Head(ref writer, Kind.Frozen, frozen.Pool);
                break;
            case PoolEvent.Thawed thawed:
                Head(ref writer, Kind.Thawed, thawed.Pool);
                break;
            case PoolEvent.Destroyed destroyed:
                Head(ref writer, Kind.Destroyed, destroyed.Pool);
                break;
            case PoolEvent.Swept swept:
                Head(ref writer, Kind.Swept, swept.Pool);
                break;
            default:
                throw new ArgumentException($"{happened.GetType()} is no event of pools");
        }
    }

    private static void Head(ref BodyWriter writer, Kind kind, PoolId pool)
    {
        writer.Byte((byte)kind);
        writer.UInt64(pool.Value);
    }

    private static PoolEvent Read(ref BodyReader reader)
    {
        var kind = (Kind)reader.Byte();
        if (kind == Kind.Fenced) return new PoolEvent.Fenced(reader.String());
        var pool = new PoolId(reader.UInt64());
        return kind switch
        {
            Kind.Created => ReadCreated(ref reader, pool),
            Kind.Joined => new PoolEvent.Joined(pool, reader.String()),
            Kind.Left => new PoolEvent.Left(pool, reader.String()),
            Kind.Frozen => new PoolEvent.Frozen(pool),
            Kind.Thawed => new PoolEvent.Thawed(pool),
            Kind.Destroyed => new PoolEvent.Destroyed(pool),
            Kind.Swept => new PoolEvent.Swept(pool),
            _ => throw new ProtocolException($"kind {(byte)kind} is unknown"),
        };
    }

    private static PoolEvent.Created ReadCreated(ref BodyReader reader, PoolId pool)
    {
        var options = PoolCodec.ReadOptions(ref reader);
        if (options.Validate() is { } wrong) throw new ProtocolException(wrong);
        return new PoolEvent.Created(pool, reader.String(), reader.String(), options, reader.String());
    }
}
