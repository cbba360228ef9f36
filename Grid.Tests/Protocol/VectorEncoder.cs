using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Grid.Protocol;

namespace Grid.Tests.Protocol;

/// <summary>Makes a frame of a vector's fields with the codec.</summary>
internal static class VectorEncoder
{
    public static byte[] Encode(IReadOnlyList<KeyValuePair<string, string>> all)
    {
        var fields = new FieldReader(all);
        var isAnswer = fields.Text("frame") == "answer";
        var opcode = fields.Name<Opcode>("opcode");
        var status = isAnswer ? fields.Name<Status>("status") : Status.Ok;
        var detail = isAnswer ? fields.Name<RefusalReason>("detail") : RefusalReason.None;
        var flags = isAnswer ? RequestFlags.None : fields.Name<RequestFlags>("flags");
        var correlation = fields.Number("correlation");
        if (status.IsError()) return Error(fields, opcode, correlation, status);

        var body = isAnswer ? AnswerBody(fields, opcode) : RequestBody(fields, opcode, flags);
        fields.End();
        var frame = new byte[ProtocolLimits.HeaderBytes + body.Length];
        var header = isAnswer
            ? FrameHeader.Answer(opcode, correlation, status, body.Length, (byte)detail)
            : FrameHeader.Request(opcode, correlation, body.Length, flags);
        header.Write(frame);
        body.CopyTo(frame, ProtocolLimits.HeaderBytes);
        return frame;
    }

    private static byte[] Error(FieldReader fields, Opcode opcode, ulong correlation, Status status)
    {
        var output = new ArrayBufferWriter<byte>();
        ErrorFrames.Write(output, opcode, correlation, status, fields.Text("text"));
        fields.End();
        return output.WrittenSpan.ToArray();
    }

    private static byte[] RequestBody(FieldReader fields, Opcode opcode, RequestFlags flags)
    {
        if (opcode.IsObjectOperation()) return ObjectBody(fields, opcode, flags);
        return Bodies.Write((ref writer) =>
        {
            switch (opcode)
            {
                case Opcode.Hello:
                    Hello(fields).Write(ref writer);
                    break;
                case Opcode.PoolCreate:
                    writer.String(fields.Text("name"));
                    PoolCodec.WriteOptions(ref writer, Options(fields));
                    break;
                case >= Opcode.PoolOpen and <= Opcode.PoolDestroy when opcode != Opcode.PoolList:
                    writer.String(fields.Text("name"));
                    break;
                case Opcode.ListObjects:
                    ListingVectors.ListRequest(fields).Write(ref writer);
                    break;
                case Opcode.VerifyObject:
                    ListingVectors.VerifyRequest(fields).Write(ref writer);
                    break;
                case Opcode.PullPages:
                    PullVectors.Request(fields).Write(ref writer);
                    break;
            }
        });
    }

    private static byte[] ObjectBody(FieldReader fields, Opcode opcode, RequestFlags flags)
    {
        var head = Head(fields, flags);
        var buffer = new byte[ObjectRequestHead.SizeBytes(flags)];
        head.Write(buffer, flags);
        var body = new List<byte>(buffer);
        if (opcode == Opcode.GetBatch)
        {
            foreach (var index in fields.Text("indexes").Split(' ')) body.AddRange(UInt32(uint.Parse(index, System.Globalization.CultureInfo.InvariantCulture)));
        }

        while (fields.NextKey == "entry")
        {
            var entry = fields.Text("entry").Split(' ');
            var bytes = new byte[BatchEntry.SizeBytes];
            new BatchEntry(uint.Parse(entry[1], System.Globalization.CultureInfo.InvariantCulture), entry[0] == "flush").Write(bytes);
            body.AddRange(bytes);
        }

        while (fields.NextKey == "page") body.AddRange(VectorFile.Hex(fields.Text("page")));
        return [.. body];
    }

    private static ObjectRequestHead Head(FieldReader fields, RequestFlags flags)
    {
        var head = new ObjectRequestHead(
            new PoolId(fields.Number("pool")), ObjectId.Parse(fields.Text("object")), fields.UInt32("index"), checked((int)fields.Number("count")));
        if ((flags & RequestFlags.Conditional) != 0)
            head = head with { Condition = new ObjectVersion(fields.Number("condition-incarnation"), fields.Number("condition-counter")) };
        if ((flags & RequestFlags.Forwarded) != 0)
            head = head with { Session = Guid.Parse(fields.Text("session")), Epoch = fields.Number("epoch") };
        return head;
    }

    private static byte[] AnswerBody(FieldReader fields, Opcode opcode)
    {
        if (opcode.IsObjectOperation() || opcode == Opcode.Echo) return ObjectAnswer(fields);
        return Bodies.Write((ref writer) =>
        {
            switch (opcode)
            {
                case Opcode.Hello:
                    HelloAnswer(fields).Write(ref writer);
                    break;
                case Opcode.Topology or Opcode.TopologyPush:
                    var nodes = new List<TopologyNode>();
                    while (fields.NextKey == "node")
                    {
                        var words = fields.Text("node").Split(' ');
                        nodes.Add(new TopologyNode(words[0], words[1], words[2]));
                    }

                    new Topology(nodes, fields.Numbers("owners")).Write(ref writer);
                    break;
                case Opcode.PoolList:
                    var pools = new PoolInfo[fields.Number("count")];
                    for (var i = 0; i < pools.Length; i++) pools[i] = Info(fields);
                    PoolCodec.WriteList(ref writer, pools);
                    break;
                case Opcode.PoolStat:
                    PoolCodec.WriteStat(ref writer, Stat(fields));
                    break;
                case Opcode.PoolCreate or Opcode.PoolOpen or Opcode.PoolFreeze or Opcode.PoolThaw:
                    PoolCodec.WriteInfo(ref writer, Info(fields));
                    break;
                case Opcode.ListObjects:
                    ListingVectors.Objects(fields).Write(ref writer);
                    break;
                case Opcode.VerifyObject:
                    ListingVectors.Verified(fields).Write(ref writer);
                    break;
                case Opcode.PullPages:
                    PullVectors.Answer(fields, ref writer);
                    break;
            }
        });
    }

    private static byte[] ObjectAnswer(FieldReader fields)
    {
        var version = new ObjectVersion(fields.Number("version-incarnation"), fields.Number("version-counter"));
        var head = new byte[fields.NextKey == "bits" ? BatchAnswer.HeadBytes : ObjectVersion.SizeBytes];
        if (fields.NextKey == "bits")
        {
            var bits = new byte[BatchAnswer.BitsBytes];
            foreach (var bit in fields.Numbers("bits")) bits[bit / 8] |= (byte)(1 << (bit % 8));
            BatchAnswer.WriteHead(head, version, bits);
        }
        else
        {
            VersionCodec.Write(head, version);
        }

        var body = new List<byte>(head);
        if (fields.NextKey == "last") body.AddRange(Bodies.Write((ref writer) => ListingVectors.Pages(fields).Write(ref writer)));
        while (fields.NextKey == "page") body.AddRange(VectorFile.Hex(fields.Text("page")));
        return [.. body];
    }

    private static HelloRequest Hello(FieldReader fields) => new()
    {
        MinVersion = (ushort)fields.Number("min-version"),
        MaxVersion = (ushort)fields.Number("max-version"),
        SingleAddress = fields.YesNo("single-address"),
        WantsTopology = fields.YesNo("wants-topology"),
        Session = Guid.Parse(fields.Text("session")),
        Epoch = fields.Number("epoch"),
        Tenant = fields.Text("tenant"),
        Credential = fields.Text("credential"),
        Member = fields.Text("member"),
        Agent = fields.Text("agent"),
    };

    private static HelloAnswer HelloAnswer(FieldReader fields) => new()
    {
        Version = (ushort)fields.Number("version"),
        WindowRequests = fields.UInt32("window-requests"),
        WindowBytes = fields.UInt32("window-bytes"),
        MaxBodyBytes = fields.UInt32("max-body-bytes"),
        ShardCount = fields.UInt32("shard-count"),
        GridId = Guid.Parse(fields.Text("grid")),
        NodeName = fields.Text("node-name"),
        NodeAddress = fields.Text("node-address"),
        Agent = fields.Text("agent"),
    };

    private static PoolOptions Options(FieldReader fields) => new()
    {
        Kind = fields.Name<PoolKind>("kind"),
        Sharing = fields.Name<PoolSharing>("sharing"),
        Compression = fields.Name<PageCompression>("compression"),
        PageSizeBytes = (int)fields.Number("page-bytes"),
        QuotaPages = fields.Number("quota-pages"),
    };

    private static PoolInfo Info(FieldReader fields)
    {
        var id = new PoolId(fields.Number("pool"));
        var frozen = fields.YesNo("frozen");
        var members = (int)fields.Number("members");
        var options = Options(fields);
        return new PoolInfo(id, fields.Text("name"), fields.Text("tenant"), options, frozen, members);
    }

    private static PoolStat Stat(FieldReader fields)
    {
        var pool = Info(fields);
        return ControlFrameTests.Stat(pool, [.. VectorDecoder.Counters.Select(fields.Number)]);
    }

    private static byte[] UInt32(uint value)
    {
        var bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return bytes;
    }
}
