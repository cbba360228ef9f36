using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Grid.Protocol;

/// <summary>The body of a hello: what a client says first.</summary>
public sealed record HelloRequest
{
    /// <summary>The oldest version the client speaks.</summary>
    public ushort MinVersion { get; init; } = ProtocolLimits.MinVersion;

    /// <summary>The newest version the client speaks.</summary>
    public ushort MaxVersion { get; init; } = ProtocolLimits.MaxVersion;

    /// <summary>Whether the client can reach this address only: the node forwards what it does not own.</summary>
    public bool SingleAddress { get; init; }

    /// <summary>The client's session: the same over all its connections and reconnects.</summary>
    public Guid Session { get; init; }

    /// <summary>Grows with every reconnect of the session; requests of older epochs are dropped.</summary>
    public ulong Epoch { get; init; }

    /// <summary>Who owns the pools; <c>default</c> until tenants are configured.</summary>
    public string Tenant { get; init; } = "default";

    /// <summary>What proves the tenant; empty for <c>default</c>.</summary>
    public string Credential { get; init; } = "";

    /// <summary>The member name under which shared pools are joined and left.</summary>
    public string Member { get; init; } = "default";

    /// <summary>The client's software, for logs.</summary>
    public string Agent { get; init; } = "";

    /// <summary>Writes the body.</summary>
    /// <param name="writer">Where to.</param>
    public void Write(ref BodyWriter writer)
    {
        writer.UInt32(ProtocolLimits.Magic);
        writer.UInt16(MinVersion);
        writer.UInt16(MaxVersion);
        writer.UInt32(SingleAddress ? 1u : 0u);
        writer.Guid(Session);
        writer.UInt64(Epoch);
        writer.String(Tenant);
        writer.String(Credential);
        writer.String(Member);
        writer.String(Agent);
    }

    /// <summary>Reads the body.</summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">It makes no sense.</exception>
    public static HelloRequest Read(ref BodyReader reader)
    {
        if (reader.UInt32() != ProtocolLimits.Magic) throw new ProtocolException("the hello does not begin with 'GRID': this is not a Grid client");
        var min = reader.UInt16();
        var max = reader.UInt16();
        if (min > max) throw new ProtocolException($"the hello's version range {min}..{max} is empty");
        var flags = reader.UInt32();
        if (flags > 1) throw new ProtocolException($"the hello's flags {flags:x} are unknown");
        return new HelloRequest
        {
            MinVersion = min,
            MaxVersion = max,
            SingleAddress = flags == 1,
            Session = reader.Guid(),
            Epoch = reader.UInt64(),
            Tenant = reader.String(),
            Credential = reader.String(),
            Member = reader.String(),
            Agent = reader.String(),
        };
    }
}

/// <summary>The body of a hello's answer.</summary>
public sealed record HelloAnswer
{
    /// <summary>The version spoken from now on.</summary>
    public ushort Version { get; init; } = ProtocolLimits.MaxVersion;

    /// <summary>The most unanswered requests on this connection.</summary>
    public uint WindowRequests { get; init; }

    /// <summary>The most body bytes of unanswered requests on this connection.</summary>
    public uint WindowBytes { get; init; }

    /// <summary>The longest body the node reads.</summary>
    public uint MaxBodyBytes { get; init; } = ProtocolLimits.MaxBodyBytes;

    /// <summary>How many shards the grid has: fixed at its birth.</summary>
    public uint ShardCount { get; init; }

    /// <summary>The grid's identity.</summary>
    public Guid GridId { get; init; }

    /// <summary>This node's name.</summary>
    public string NodeName { get; init; } = "";

    /// <summary>Where clients reach this node, <c>host:port</c>.</summary>
    public string NodeAddress { get; init; } = "";

    /// <summary>The node's software, for logs.</summary>
    public string Agent { get; init; } = "";

    /// <summary>Writes the body.</summary>
    /// <param name="writer">Where to.</param>
    public void Write(ref BodyWriter writer)
    {
        writer.UInt16(Version);
        writer.UInt16(0);
        writer.UInt32(WindowRequests);
        writer.UInt32(WindowBytes);
        writer.UInt32(MaxBodyBytes);
        writer.UInt32(ShardCount);
        writer.Guid(GridId);
        writer.String(NodeName);
        writer.String(NodeAddress);
        writer.String(Agent);
    }

    /// <summary>Reads the body.</summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">It makes no sense.</exception>
    public static HelloAnswer Read(ref BodyReader reader)
    {
        var version = reader.UInt16();
        reader.UInt16();
        return new HelloAnswer
        {
            Version = version,
            WindowRequests = reader.UInt32(),
            WindowBytes = reader.UInt32(),
            MaxBodyBytes = reader.UInt32(),
            ShardCount = reader.UInt32(),
            GridId = reader.Guid(),
            NodeName = reader.String(),
            NodeAddress = reader.String(),
            Agent = reader.String(),
        };
    }
}

/// <summary>A node in a topology.</summary>
/// <param name="Name">Its name.</param>
/// <param name="DataAddress">Where clients reach it, <c>host:port</c>.</param>
/// <param name="Status">Its status as the cluster sees it, e.g. <c>up</c>, <c>leaving</c>, <c>unreachable</c>.</param>
public sealed record TopologyNode(string Name, string DataAddress, string Status);

/// <summary>The body of a topology's answer: the nodes, and for each shard the number of its node in that list (or −1).</summary>
/// <param name="Nodes">The nodes.</param>
/// <param name="Owners">One entry a shard.</param>
public sealed record Topology(IReadOnlyList<TopologyNode> Nodes, IReadOnlyList<int> Owners)
{
    /// <summary>Writes the body: u32 nodes, each three strings; u32 shards, each i32.</summary>
    /// <param name="writer">Where to.</param>
    public void Write(ref BodyWriter writer)
    {
        writer.UInt32((uint)Nodes.Count);
        foreach (var node in Nodes)
        {
            writer.String(node.Name);
            writer.String(node.DataAddress);
            writer.String(node.Status);
        }

        writer.UInt32((uint)Owners.Count);
        foreach (var owner in Owners) writer.UInt32(unchecked((uint)owner));
    }

    /// <summary>Reads the body.</summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">It makes no sense.</exception>
    public static Topology Read(ref BodyReader reader)
    {
        var nodes = new TopologyNode[reader.Count(minEntryBytes: 6)];
        for (var i = 0; i < nodes.Length; i++) nodes[i] = new TopologyNode(reader.String(), reader.String(), reader.String());
        var owners = new int[reader.Count(minEntryBytes: 4)];
        for (var i = 0; i < owners.Length; i++)
        {
            owners[i] = unchecked((int)reader.UInt32());
            if (owners[i] < -1 || owners[i] >= nodes.Length) throw new ProtocolException($"shard {i} names node {owners[i]} of {nodes.Length}");
        }

        return new Topology(nodes, owners);
    }
}

/// <summary>Reads and writes pools in frames.</summary>
public static class PoolCodec
{
    private const uint FrozenBit = 1;

    /// <summary>Writes options: u8 kind, u8 sharing, u8 compression, u8 zero, u32 page bytes, u64 quota in pages.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="options">The options.</param>
    public static void WriteOptions(ref BodyWriter writer, PoolOptions options)
    {
        writer.Byte((byte)options.Kind);
        writer.Byte((byte)options.Sharing);
        writer.Byte((byte)options.Compression);
        writer.Byte(0);
        writer.UInt32((uint)options.PageSizeBytes);
        writer.UInt64(options.QuotaPages);
    }

    /// <summary>Reads options; what they hold is not validated.</summary>
    /// <param name="reader">Where from.</param>
    public static PoolOptions ReadOptions(ref BodyReader reader)
    {
        var kind = (PoolKind)reader.Byte();
        var sharing = (PoolSharing)reader.Byte();
        var compression = (PageCompression)reader.Byte();
        reader.Byte();
        return new PoolOptions
        {
            Kind = kind,
            Sharing = sharing,
            Compression = compression,
            PageSizeBytes = unchecked((int)reader.UInt32()),
            QuotaPages = reader.UInt64(),
        };
    }

    /// <summary>Writes a pool: u64 id, u32 flags (1 frozen), u32 members, options, name, tenant.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="pool">The pool.</param>
    public static void WriteInfo(ref BodyWriter writer, PoolInfo pool)
    {
        writer.UInt64(pool.Id.Value);
        writer.UInt32(pool.Frozen ? FrozenBit : 0);
        writer.UInt32((uint)pool.Members);
        WriteOptions(ref writer, pool.Options);
        writer.String(pool.Name);
        writer.String(pool.Tenant);
    }

    /// <summary>Reads a pool.</summary>
    /// <param name="reader">Where from.</param>
    public static PoolInfo ReadInfo(ref BodyReader reader)
    {
        var id = new PoolId(reader.UInt64());
        var flags = reader.UInt32();
        var members = (int)reader.UInt32();
        var options = ReadOptions(ref reader);
        if (options.Validate() is { } wrong) throw new ProtocolException(wrong);
        return new PoolInfo(id, reader.String(), reader.String(), options, (flags & FrozenBit) != 0, members);
    }

    /// <summary>Writes a stat: the pool, u16 count, that many u64 counters in the order of <see cref="PoolStat"/>'s members. A later version may append counters.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="stat">The stat.</param>
    public static void WriteStat(ref BodyWriter writer, PoolStat stat)
    {
        WriteInfo(ref writer, stat.Pool);
        ReadOnlySpan<ulong> counters =
        [
            stat.Objects, stat.Pages, stat.LogicalBytes, stat.StoredBytes, stat.SameFilledPages,
            stat.Puts, stat.Refusals, stat.Gets, stat.Hits, stat.Flushes, stat.Evictions,
        ];
        writer.UInt16((ushort)counters.Length);
        foreach (var counter in counters) writer.UInt64(counter);
    }

    /// <summary>Reads a stat; counters it does not know are skipped, counters that are missing are 0.</summary>
    /// <param name="reader">Where from.</param>
    public static PoolStat ReadStat(ref BodyReader reader)
    {
        var pool = ReadInfo(ref reader);
        var counters = new ulong[11];
        var count = reader.UInt16();
        for (var i = 0; i < count; i++)
        {
            var value = reader.UInt64();
            if (i < counters.Length) counters[i] = value;
        }

        return new PoolStat
        {
            Pool = pool,
            Objects = counters[0],
            Pages = counters[1],
            LogicalBytes = counters[2],
            StoredBytes = counters[3],
            SameFilledPages = counters[4],
            Puts = counters[5],
            Refusals = counters[6],
            Gets = counters[7],
            Hits = counters[8],
            Flushes = counters[9],
            Evictions = counters[10],
        };
    }
}

/// <summary>A frame whose content makes no sense; the text says what.</summary>
/// <param name="message">What is wrong.</param>
public sealed class ProtocolException(string message) : Exception(message);

/// <summary>Writes the body of a control frame (little-endian).</summary>
/// <param name="output">Where to.</param>
public ref struct BodyWriter(IBufferWriter<byte> output)
{
    private readonly IBufferWriter<byte> _output = output;

    /// <summary>Writes a byte.</summary>
    /// <param name="value">The value.</param>
    public readonly void Byte(byte value)
    {
        _output.GetSpan(1)[0] = value;
        _output.Advance(1);
    }

    /// <summary>Writes 2 bytes.</summary>
    /// <param name="value">The value.</param>
    public readonly void UInt16(ushort value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_output.GetSpan(2), value);
        _output.Advance(2);
    }

    /// <summary>Writes 4 bytes.</summary>
    /// <param name="value">The value.</param>
    public readonly void UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_output.GetSpan(4), value);
        _output.Advance(4);
    }

    /// <summary>Writes 8 bytes.</summary>
    /// <param name="value">The value.</param>
    public readonly void UInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_output.GetSpan(8), value);
        _output.Advance(8);
    }

    /// <summary>Writes 16 bytes, in .NET's Guid layout.</summary>
    /// <param name="value">The value.</param>
    public readonly void Guid(Guid value)
    {
        value.TryWriteBytes(_output.GetSpan(16));
        _output.Advance(16);
    }

    /// <summary>Writes a string: u16 length in bytes, UTF-8.</summary>
    /// <param name="value">The string.</param>
    /// <exception cref="ArgumentException">It is longer than <see cref="ProtocolLimits.MaxStringBytes"/>.</exception>
    public readonly void String(string value)
    {
        var bytes = Encoding.UTF8.GetByteCount(value);
        if (bytes > ProtocolLimits.MaxStringBytes)
            throw new ArgumentException($"A string of {bytes} bytes exceeds the protocol's limit of {ProtocolLimits.MaxStringBytes}.", nameof(value));
        var span = _output.GetSpan(2 + bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(span, (ushort)bytes);
        Encoding.UTF8.GetBytes(value, span[2..]);
        _output.Advance(2 + bytes);
    }
}

/// <summary>Reads the body of a control frame. Every read past its end is a <see cref="ProtocolException"/>.</summary>
/// <param name="body">The body.</param>
public ref struct BodyReader(ReadOnlySequence<byte> body)
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);
    private SequenceReader<byte> _reader = new(body);

    /// <summary>Bytes not read yet.</summary>
    public readonly long Remaining => _reader.Remaining;

    /// <summary>Reads a byte.</summary>
    public byte Byte() => _reader.TryRead(out var value) ? value : throw Short();

    /// <summary>Reads 2 bytes.</summary>
    public ushort UInt16() => _reader.TryReadLittleEndian(out short value) ? unchecked((ushort)value) : throw Short();

    /// <summary>Reads 4 bytes.</summary>
    public uint UInt32() => _reader.TryReadLittleEndian(out int value) ? unchecked((uint)value) : throw Short();

    /// <summary>Reads 8 bytes.</summary>
    public ulong UInt64() => _reader.TryReadLittleEndian(out long value) ? unchecked((ulong)value) : throw Short();

    /// <summary>Reads 16 bytes.</summary>
    public Guid Guid()
    {
        Span<byte> bytes = stackalloc byte[16];
        if (!_reader.TryCopyTo(bytes)) throw Short();
        _reader.Advance(16);
        return new Guid(bytes);
    }

    /// <summary>Reads a string.</summary>
    public string String()
    {
        var length = UInt16();
        if (length > ProtocolLimits.MaxStringBytes) throw new ProtocolException($"a string of {length} bytes exceeds the limit of {ProtocolLimits.MaxStringBytes}");
        if (!_reader.TryReadExact(length, out var bytes)) throw Short();
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw new ProtocolException("a string is not valid UTF-8");
        }
    }

    /// <summary>Reads a count of entries and checks that the body can hold them, so that nothing is allocated for a lie.</summary>
    /// <param name="minEntryBytes">The least bytes an entry takes.</param>
    public int Count(int minEntryBytes)
    {
        var count = UInt32();
        if (count * (ulong)minEntryBytes > (ulong)_reader.Remaining) throw new ProtocolException($"a list of {count} entries does not fit its frame");
        return (int)count;
    }

    /// <summary>Checks that everything was read.</summary>
    public readonly void End()
    {
        if (_reader.Remaining != 0) throw new ProtocolException($"{_reader.Remaining} bytes too many at the end of the frame");
    }

    private static ProtocolException Short() => new("the frame ends before its content does");
}
