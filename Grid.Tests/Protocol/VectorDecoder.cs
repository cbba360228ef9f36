using System.Buffers;
using System.Buffers.Binary;
using Grid.Protocol;

namespace Grid.Tests.Protocol;

/// <summary>Reads a frame with the codec and tells its fields.</summary>
internal static class VectorDecoder
{
    /// <summary>The counters of a stat, in their order.</summary>
    public static readonly string[] Counters =
    [
        "objects", "pages", "logical-bytes", "stored-bytes", "same-filled-pages", "puts", "refusals", "gets", "hits", "flushes", "evictions",
    ];

    public static IReadOnlyList<KeyValuePair<string, string>> Decode(byte[] frame, int pageBytes = 4096)
    {
        var buffer = new ReadOnlySequence<byte>(frame);
        if (FrameReader.TryRead(ref buffer, ProtocolLimits.MaxBodyBytes, out var header, out var body) != FrameReadResult.Frame || !buffer.IsEmpty)
            throw new InvalidOperationException("the bytes are not one frame");
        var fields = new FieldWriter();
        fields.Text("frame", header.IsAnswer ? "answer" : "request");
        fields.Name("opcode", header.Opcode);
        if (header.IsAnswer)
        {
            fields.Name("status", header.Status);
            fields.Name("detail", (RefusalReason)header.Flags);
        }
        else
        {
            fields.Name("flags", (RequestFlags)header.Flags);
        }

        fields.Number("correlation", header.Correlation);
        if (header.Status.IsError()) fields.Text("text", ErrorFrames.ReadText(body));
        else if (header.Opcode.IsObjectOperation() || (header.Opcode == Opcode.Echo && header.IsAnswer)) Object(fields, header, body, pageBytes);
        else Control(fields, header, body);
        return fields.Fields;
    }

    private static void Object(FieldWriter fields, FrameHeader header, ReadOnlySequence<byte> body, int pageBytes)
    {
        if (header.IsAnswer)
        {
            var bits = new byte[BatchAnswer.BitsBytes];
            var isBatch = header.Opcode is Opcode.WriteBatch or Opcode.GetBatch;
            Demand(isBatch ? BatchAnswer.TryReadHead(ref body, bits, out var version) : VersionCodec.TryRead(ref body, out version));
            fields.Number("version-incarnation", version.Incarnation);
            fields.Number("version-counter", version.Counter);
            if (header.Opcode == Opcode.ListPages)
            {
                var reader = new BodyReader(body);
                ListingVectors.Pages(fields, PageListPart.Read(ref reader));
                reader.End();
                return;
            }

            if (isBatch) fields.Numbers("bits", Enumerable.Range(0, 256).Where(i => (bits[i / 8] & (1 << (i % 8))) != 0).Select(i => (long)i));
        }
        else
        {
            var flags = (RequestFlags)header.Flags;
            Demand(ObjectRequestHead.TryRead(ref body, flags, out var head));
            Head(fields, flags, head);
            if (header.Opcode == Opcode.WriteBatch) Entries(fields, ref body, head.Count);
            if (header.Opcode == Opcode.GetBatch) Indexes(fields, ref body, head.Count);
        }

        for (; body.Length > 0; body = body.Slice(pageBytes)) fields.Text("page", VectorFile.ToHex(body.Slice(0, pageBytes).ToArray()));
    }

    private static void Head(FieldWriter fields, RequestFlags flags, ObjectRequestHead head)
    {
        fields.Number("pool", head.Pool.Value);
        fields.Text("object", head.Object.ToString());
        fields.Number("index", head.Index);
        fields.Number("count", (ulong)head.Count);
        if ((flags & RequestFlags.Conditional) != 0)
        {
            fields.Number("condition-incarnation", head.Condition.Incarnation);
            fields.Number("condition-counter", head.Condition.Counter);
        }

        if ((flags & RequestFlags.Forwarded) == 0) return;
        fields.Text("session", head.Session.ToString());
        fields.Number("epoch", head.Epoch);
    }

    private static void Entries(FieldWriter fields, ref ReadOnlySequence<byte> body, int count)
    {
        for (var i = 0; i < count; i++)
        {
            Demand(BatchEntry.TryRead(body.Slice(0, BatchEntry.SizeBytes).ToArray(), out var entry));
            fields.Text("entry", $"{(entry.IsFlush ? "flush" : "put")} {entry.Index}");
            body = body.Slice(BatchEntry.SizeBytes);
        }
    }

    private static void Indexes(FieldWriter fields, ref ReadOnlySequence<byte> body, int count)
    {
        var bytes = body.Slice(0, count * sizeof(uint)).ToArray();
        fields.Numbers("indexes", Enumerable.Range(0, count).Select(i => (long)BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(i * sizeof(uint)))));
        body = body.Slice(bytes.Length);
    }

    private static void Control(FieldWriter fields, FrameHeader header, ReadOnlySequence<byte> body)
    {
        var reader = new BodyReader(body);
        if (header.IsAnswer) Answer(fields, header.Opcode, ref reader);
        else Request(fields, header.Opcode, ref reader);
        reader.End();
    }

    private static void Request(FieldWriter fields, Opcode opcode, ref BodyReader reader)
    {
        switch (opcode)
        {
            case Opcode.Hello:
                Hello(fields, HelloRequest.Read(ref reader));
                break;
            case Opcode.PoolCreate:
                fields.Text("name", reader.String());
                Options(fields, PoolCodec.ReadOptions(ref reader));
                break;
            case >= Opcode.PoolOpen and <= Opcode.PoolDestroy when opcode != Opcode.PoolList:
                fields.Text("name", reader.String());
                break;
            case Opcode.ListObjects:
                ListingVectors.Request(fields, ObjectListRequest.Read(ref reader));
                break;
            case Opcode.VerifyObject:
                ListingVectors.Request(fields, VerifyRequest.Read(ref reader));
                break;
            case Opcode.PullPages:
                PullVectors.Request(fields, PullRequest.Read(ref reader));
                break;
        }
    }

    private static void Answer(FieldWriter fields, Opcode opcode, ref BodyReader reader)
    {
        switch (opcode)
        {
            case Opcode.Hello:
                HelloAnswer(fields, Grid.Protocol.HelloAnswer.Read(ref reader));
                break;
            case Opcode.Topology or Opcode.TopologyPush:
                var topology = Topology.Read(ref reader);
                foreach (var node in topology.Nodes) fields.Text("node", $"{node.Name} {node.DataAddress} {node.Status}");
                fields.Numbers("owners", topology.Owners.Select(owner => (long)owner));
                break;
            case Opcode.PoolList:
                var pools = PoolCodec.ReadList(ref reader);
                fields.Number("count", (ulong)pools.Length);
                foreach (var pool in pools) Info(fields, pool);
                break;
            case Opcode.PoolStat:
                Stat(fields, PoolCodec.ReadStat(ref reader));
                break;
            case Opcode.PoolCreate or Opcode.PoolOpen or Opcode.PoolFreeze or Opcode.PoolThaw:
                Info(fields, PoolCodec.ReadInfo(ref reader));
                break;
            case Opcode.ListObjects:
                ListingVectors.Objects(fields, ObjectListPart.Read(ref reader));
                break;
            case Opcode.VerifyObject:
                ListingVectors.Verified(fields, VerifyPart.Read(ref reader));
                break;
            case Opcode.PullPages:
                PullVectors.Answer(fields, ref reader);
                break;
        }
    }

    private static void Hello(FieldWriter fields, HelloRequest hello)
    {
        fields.Number("min-version", hello.MinVersion);
        fields.Number("max-version", hello.MaxVersion);
        fields.YesNo("single-address", hello.SingleAddress);
        fields.YesNo("wants-topology", hello.WantsTopology);
        fields.Text("session", hello.Session.ToString());
        fields.Number("epoch", hello.Epoch);
        fields.Text("tenant", hello.Tenant);
        fields.Text("credential", hello.Credential);
        fields.Text("member", hello.Member);
        fields.Text("agent", hello.Agent);
    }

    private static void HelloAnswer(FieldWriter fields, HelloAnswer hello)
    {
        fields.Number("version", hello.Version);
        fields.Number("window-requests", hello.WindowRequests);
        fields.Number("window-bytes", hello.WindowBytes);
        fields.Number("max-body-bytes", hello.MaxBodyBytes);
        fields.Number("shard-count", hello.ShardCount);
        fields.Text("grid", hello.GridId.ToString());
        fields.Text("node-name", hello.NodeName);
        fields.Text("node-address", hello.NodeAddress);
        fields.Text("agent", hello.Agent);
    }

    private static void Options(FieldWriter fields, PoolOptions options)
    {
        fields.Name("kind", options.Kind);
        fields.Name("sharing", options.Sharing);
        fields.Name("compression", options.Compression);
        fields.Number("page-bytes", (ulong)options.PageSizeBytes);
        fields.Number("quota-pages", options.QuotaPages);
    }

    private static void Info(FieldWriter fields, PoolInfo pool)
    {
        fields.Number("pool", pool.Id.Value);
        fields.YesNo("frozen", pool.Frozen);
        fields.Number("members", (ulong)pool.Members);
        Options(fields, pool.Options);
        fields.Text("name", pool.Name);
        fields.Text("tenant", pool.Tenant);
    }

    private static void Stat(FieldWriter fields, PoolStat stat)
    {
        Info(fields, stat.Pool);
        ulong[] counters =
        [
            stat.Objects, stat.Pages, stat.LogicalBytes, stat.StoredBytes, stat.SameFilledPages,
            stat.Puts, stat.Refusals, stat.Gets, stat.Hits, stat.Flushes, stat.Evictions,
        ];
        foreach (var (name, value) in Counters.Zip(counters)) fields.Number(name, value);
    }

    private static void Demand(bool isRead)
    {
        if (!isRead) throw new InvalidOperationException("the codec refused the frame's body");
    }
}
