using System.Buffers;
using Akka.Actor;
using Akka.Cluster;
using Akka.Serialization;
using Grid.Node.Admin;
using Grid.Protocol;
using Status = Grid.Protocol.Status;

namespace Grid.Node.Pools;

/// <summary>The messages about pools that cross nodes. One manifest a message, with its version; fields in the order of the record.</summary>
/// <param name="system">The actor system.</param>
internal sealed class PoolMessageSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private readonly ClusterTraffic _traffic = ClusterTraffic.Of(system);

    private delegate void WriteBody(ref BodyWriter writer, object message);

    private delegate object ReadBody(ref BodyReader reader);

    private sealed record Format(string Manifest, WriteBody Write, ReadBody Read);

    private static readonly Dictionary<Type, Format> ByType = new()
    {
        [typeof(PoolCommand.Create)] = new("C1", WriteCreate, ReadCreate),
        [typeof(PoolCommand.Open)] = new("O1", WriteOpen, ReadOpen),
        [typeof(PoolCommand.Freeze)] = new("F1", WriteNamed, (ref reader) => new PoolCommand.Freeze(reader.String(), reader.String())),
        [typeof(PoolCommand.Thaw)] = new("T1", WriteNamed, (ref reader) => new PoolCommand.Thaw(reader.String(), reader.String())),
        [typeof(PoolCommand.Destroy)] = new("D1", WriteDestroy, ReadDestroy),
        [typeof(PoolReply)] = new("R1", WriteReply, ReadReply),
        [typeof(ViewHello)] = new("H1", WriteHello, ReadHello),
        [typeof(PoolsUpdate)] = new("U1", WriteUpdate, ReadUpdate),
        [typeof(QuotaAsk)] = new("QA1", WriteQuotaAsk, ReadQuotaAsk),
        [typeof(QuotaAnswer)] = new("QG1", WriteQuotaAnswer, ReadQuotaAnswer),
        [typeof(QuotaRecall)] = new("QC1", WriteQuotaRecall, ReadQuotaRecall),
        [typeof(QuotaReport)] = new("QR3", WriteQuotaReport, ReadQuotaReport),
        [typeof(StatAsk)] = new("SA1", (ref writer, message) => writer.UInt64(((StatAsk)message).Pool.Value), (ref reader) => new StatAsk(new PoolId(reader.UInt64()))),
        [typeof(StatPart)] = new("SP1", WriteStatPart, ReadStatPart),
        [typeof(StopRegistry)] = new("X1", (ref _, _) => { }, (ref _) => StopRegistry.Instance),
    };

    private static readonly Dictionary<string, Format> ByManifest = ByType.Values.ToDictionary(format => format.Manifest);

    /// <summary>Every message there is.</summary>
    public static IReadOnlyCollection<Type> Types => ByType.Keys;

    /// <inheritdoc/>
    public override int Identifier => 1612;

    /// <inheritdoc/>
    public override string Manifest(object o) => FormatOf(o).Manifest;

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj)
    {
        var output = new ArrayBufferWriter<byte>(128);
        var writer = new BodyWriter(output);
        FormatOf(obj).Write(ref writer, obj);
        return _traffic.Count(TrafficKind.Pools, output.WrittenSpan.ToArray());
    }

    /// <inheritdoc/>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        if (!ByManifest.TryGetValue(manifest, out var format)) throw new InvalidDataException($"a message of pools has the unknown manifest '{manifest}'");
        var reader = new BodyReader(new ReadOnlySequence<byte>(bytes));
        var message = format.Read(ref reader);
        reader.End();
        return message;
    }

    private static Format FormatOf(object message) =>
        ByType.GetValueOrDefault(message.GetType()) ?? throw new ArgumentException($"{message.GetType()} is no message of pools");

    private static void WriteNamed(ref BodyWriter writer, object message)
    {
        writer.String(((PoolCommand)message).Tenant);
        writer.String(((PoolCommand)message).Name);
    }

    private static void WriteCreate(ref BodyWriter writer, object message)
    {
        var create = (PoolCommand.Create)message;
        WriteNamed(ref writer, create);
        writer.String(create.Member);
        PoolCodec.WriteOptions(ref writer, create.Options);
    }

    private static PoolCommand.Create ReadCreate(ref BodyReader reader)
    {
        var (tenant, name, member) = (reader.String(), reader.String(), reader.String());
        return new PoolCommand.Create(tenant, member, name, PoolCodec.ReadOptions(ref reader));
    }

    private static void WriteOpen(ref BodyWriter writer, object message)
    {
        WriteNamed(ref writer, message);
        writer.String(((PoolCommand.Open)message).Member);
    }

    private static PoolCommand.Open ReadOpen(ref BodyReader reader)
    {
        var (tenant, name) = (reader.String(), reader.String());
        return new PoolCommand.Open(tenant, reader.String(), name);
    }

    private static void WriteDestroy(ref BodyWriter writer, object message)
    {
        WriteNamed(ref writer, message);
        writer.String(((PoolCommand.Destroy)message).Member);
    }

    private static PoolCommand.Destroy ReadDestroy(ref BodyReader reader)
    {
        var (tenant, name) = (reader.String(), reader.String());
        return new PoolCommand.Destroy(tenant, reader.String(), name);
    }

    private static void WriteReply(ref BodyWriter writer, object message)
    {
        var reply = (PoolReply)message;
        writer.UInt16((ushort)reply.Status);
        writer.String(reply.Text.Length <= ProtocolLimits.MaxErrorTextBytes ? reply.Text : reply.Text[..ProtocolLimits.MaxErrorTextBytes]);
        writer.Byte(reply.Pool is null ? (byte)0 : (byte)1);
        if (reply.Pool is not null) PoolCodec.WriteInfo(ref writer, reply.Pool);
    }

    private static PoolReply ReadReply(ref BodyReader reader)
    {
        var (status, text) = ((Status)reader.UInt16(), reader.String());
        return new PoolReply(status, text, reader.Byte() == 0 ? null : PoolCodec.ReadInfo(ref reader));
    }

    private static void WriteNode(ref BodyWriter writer, UniqueAddress node)
    {
        writer.String(node.Address.ToString());
        writer.UInt32(unchecked((uint)node.Uid));
    }

    private static UniqueAddress ReadNode(ref BodyReader reader) => new(Address.Parse(reader.String()), unchecked((int)reader.UInt32()));

    private static void WriteHello(ref BodyWriter writer, object message)
    {
        var hello = (ViewHello)message;
        WriteNode(ref writer, hello.Node);
        writer.UInt64(hello.Version);
        writer.Byte(hello.Asks ? (byte)1 : (byte)0);
    }

    private static ViewHello ReadHello(ref BodyReader reader) => new(ReadNode(ref reader), reader.UInt64(), reader.Byte() != 0);

    private static void WriteUpdate(ref BodyWriter writer, object message)
    {
        var update = (PoolsUpdate)message;
        writer.UInt64(update.Incarnation);
        writer.UInt64(update.From);
        writer.UInt64(update.Version);
        writer.UInt32((uint)update.Part);
        writer.UInt32((uint)update.Parts);
        writer.UInt32((uint)update.Pools.Count);
        foreach (var pool in update.Pools) PoolCodec.WriteInfo(ref writer, pool);
        writer.UInt32((uint)update.Removed.Count);
        foreach (var pool in update.Removed) writer.UInt64(pool.Value);
    }

    private static PoolsUpdate ReadUpdate(ref BodyReader reader)
    {
        var (incarnation, from, version) = (reader.UInt64(), reader.UInt64(), reader.UInt64());
        var (part, parts) = ((int)reader.UInt32(), (int)reader.UInt32());
        var pools = new PoolInfo[reader.Count(minEntryBytes: 36)];
        for (var i = 0; i < pools.Length; i++) pools[i] = PoolCodec.ReadInfo(ref reader);
        var removed = new PoolId[reader.Count(minEntryBytes: 8)];
        for (var i = 0; i < removed.Length; i++) removed[i] = new PoolId(reader.UInt64());
        return new PoolsUpdate(incarnation, from, version, part, parts, pools, removed);
    }

    private static void WriteQuotaAsk(ref BodyWriter writer, object message)
    {
        var ask = (QuotaAsk)message;
        WriteNode(ref writer, ask.Node);
        writer.UInt64(ask.Incarnation);
        writer.UInt64(ask.Pool.Value);
        Int64(ref writer, ask.Pages);
        Int64(ref writer, ask.Carried);
        Int64(ref writer, ask.Returned);
    }

    private static QuotaAsk ReadQuotaAsk(ref BodyReader reader) =>
        new(ReadNode(ref reader), reader.UInt64(), new PoolId(reader.UInt64()), Int64(ref reader), Int64(ref reader), Int64(ref reader));

    private static void WriteQuotaAnswer(ref BodyWriter writer, object message)
    {
        var answer = (QuotaAnswer)message;
        writer.UInt64(answer.Incarnation);
        writer.UInt64(answer.Pool.Value);
        Int64(ref writer, answer.GrantedTotal);
        writer.Byte((byte)answer.Outcome);
        writer.String(answer.Text.Length <= ProtocolLimits.MaxErrorTextBytes ? answer.Text : answer.Text[..ProtocolLimits.MaxErrorTextBytes]);
    }

    private static QuotaAnswer ReadQuotaAnswer(ref BodyReader reader) =>
        new(reader.UInt64(), new PoolId(reader.UInt64()), Int64(ref reader), (QuotaOutcome)reader.Byte(), reader.String());

    private static void WriteQuotaRecall(ref BodyWriter writer, object message)
    {
        var recall = (QuotaRecall)message;
        writer.UInt64(recall.Incarnation);
        writer.UInt64(recall.Pool.Value);
        Int64(ref writer, recall.Round);
        writer.Byte(recall.Withdraw ? (byte)1 : (byte)0);
        Int64(ref writer, recall.GrantedTotal);
    }

    private static QuotaRecall ReadQuotaRecall(ref BodyReader reader) =>
        new(reader.UInt64(), new PoolId(reader.UInt64()), Int64(ref reader), reader.Byte() != 0, Int64(ref reader));

    private static void WriteQuotaReport(ref BodyWriter writer, object message)
    {
        var report = (QuotaReport)message;
        WriteNode(ref writer, report.Node);
        writer.UInt64(report.Incarnation);
        writer.UInt64(report.Pool.Value);
        Int64(ref writer, report.Round);
        Int64(ref writer, report.Taken);
        Int64(ref writer, report.Settled);
        Int64(ref writer, report.Given);
        Int64(ref writer, report.Leaving);
        Int64(ref writer, report.Carried);
        Int64(ref writer, report.Returned);
    }

    private static QuotaReport ReadQuotaReport(ref BodyReader reader) => new(
        ReadNode(ref reader), reader.UInt64(), new PoolId(reader.UInt64()), Int64(ref reader), Int64(ref reader), Int64(ref reader), Int64(ref reader), Int64(ref reader),
        Int64(ref reader), Int64(ref reader));

    private static void WriteStatPart(ref BodyWriter writer, object message)
    {
        var part = (StatPart)message;
        writer.UInt64(part.Pool.Value);
        writer.UInt32((uint)part.Counters.Count);
        foreach (var counter in part.Counters) Int64(ref writer, counter);
    }

    private static StatPart ReadStatPart(ref BodyReader reader)
    {
        var pool = new PoolId(reader.UInt64());
        var counters = new long[reader.Count(minEntryBytes: 8)];
        for (var i = 0; i < counters.Length; i++) counters[i] = Int64(ref reader);
        return new StatPart(pool, counters);
    }

    private static void Int64(ref BodyWriter writer, long value) => writer.UInt64(unchecked((ulong)value));

    private static long Int64(ref BodyReader reader) => unchecked((long)reader.UInt64());
}
