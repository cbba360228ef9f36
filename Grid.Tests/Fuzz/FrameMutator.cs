using System.Buffers;
using System.Buffers.Binary;
using Grid.Protocol;
using Grid.Tests.Harness;
using Grid.Tests.Protocol;

namespace Grid.Tests.Fuzz;

/// <summary>Makes frames that are nearly right: valid ones of every operation, changed by one or more mutators. All of it follows from the seed.</summary>
internal sealed class FrameMutator
{
    private readonly Random _random;
    private readonly PoolId[] _pools;
    private readonly byte[][] _valid;
    private readonly byte[] _noise = new byte[1 << 18];

    public FrameMutator(int seed, params PoolId[] pools)
    {
        _random = new Random(seed);
        _pools = pools;
        _random.NextBytes(_noise);
        _valid = [.. ValidFrames()];
    }

    public static FrameHeader HeaderOf(byte[] frame)
    {
        var received = new ReadOnlySequence<byte>(frame);
        FrameReader.TryRead(ref received, ProtocolLimits.MaxBodyBytes, out var header, out _);
        return header;
    }

    /// <summary>A frame whose parts fit together and whose values are anything: the node must answer it and go on.</summary>
    public byte[] NextWild()
    {
        var correlation = (ulong)_random.NextInt64();
        if (_random.Next(12) == 0) return NextControl(correlation);
        var opcode = (Opcode)_random.Next((int)Opcode.Put, (int)Opcode.ListPages + 1);
        var flags = _random.Next(4) == 0 ? (RequestFlags)_random.Next((int)RequestFlags.All + 1) : RequestFlags.None;
        var isBatch = opcode is Opcode.WriteBatch or Opcode.GetBatch;
        var head = new ObjectRequestHead(
            AnyPool(),
            AnyObject(),
            isBatch || opcode == Opcode.FlushObject ? 0 : _random.Next(4) == 0 ? AnyNumber() : (uint)_random.Next(64),
            0,
            new ObjectVersion(AnyNumber(), (ulong)_random.Next(100)),
            Guid.NewGuid(),
            AnyNumber());
        switch (opcode)
        {
            case Opcode.Put:
                var size = _random.Next(8) == 0 ? _random.Next(1, 9000) : PoolOptions.MinPageSizeBytes;
                return RawConnection.ObjectFrame(opcode, correlation, head with { Count = size }, AnyBytes(size), flags);
            case Opcode.WriteBatch:
                var (entries, puts) = AnyEntries(_random.Next(1, 12));
                var pages = AnyBytes(puts * PoolOptions.MinPageSizeBytes);
                return RawConnection.ObjectFrame(opcode, correlation, head with { Count = entries.Length / BatchEntry.SizeBytes }, [.. entries, .. pages], flags);
            case Opcode.GetBatch:
                var count = _random.Next(1, 20);
                return RawConnection.ObjectFrame(opcode, correlation, head with { Count = count }, AnyIndexes(count), flags);
            case Opcode.ListPages:
                return RawConnection.ObjectFrame(opcode, correlation, head with { Count = _random.Next(8) == 0 ? _random.Next() : _random.Next(1, 100) }, flags: flags);
            default:
                return RawConnection.ObjectFrame(opcode, correlation, head, flags: flags);
        }
    }

    /// <summary>A frame with wrong contents whose length field is right: the framing holds, whatever the node thinks of it.</summary>
    public byte[] NextFramed()
    {
        var frame = (byte[])_valid[_random.Next(_valid.Length)].Clone();
        var mutations = 1 + _random.Next(3);
        for (var i = 0; i < mutations; i++) frame = MutateContents(frame);
        BinaryPrimitives.WriteUInt32LittleEndian(frame, (uint)(frame.Length - sizeof(uint)));
        BinaryPrimitives.WriteUInt64LittleEndian(frame.AsSpan(8), (ulong)_random.NextInt64());
        return frame;
    }

    /// <summary>A frame that may break the framing: a lying length, a cut, a splice, noise.</summary>
    public byte[] NextBroken()
    {
        var frame = (byte[])_valid[_random.Next(_valid.Length)].Clone();
        switch (_random.Next(6))
        {
            case 0:
                BinaryPrimitives.WriteUInt32LittleEndian(frame, AnyNumber());
                return frame;
            case 1:
                BinaryPrimitives.WriteUInt32LittleEndian(frame, (uint)Math.Max(0, frame.Length - sizeof(uint) + _random.Next(-20, 20)));
                return frame;
            case 2:
                return frame[.._random.Next(1, frame.Length)];
            case 3:
                var other = _valid[_random.Next(_valid.Length)];
                return [.. frame.AsSpan(0, _random.Next(frame.Length)), .. other.AsSpan(_random.Next(other.Length))];
            case 4:
                FlipBits(frame, 1 + _random.Next(16));
                return frame;
            default:
                var noise = new byte[_random.Next(1, 200)];
                _random.NextBytes(noise);
                return noise;
        }
    }

    /// <summary>The first frame of a connection: mostly a right hello.</summary>
    public byte[] NextHello()
    {
        var hello = RawConnection.Hello();
        switch (_random.Next(12))
        {
            case 0:
                return RawConnection.Hello((ushort)_random.Next(65536), (ushort)_random.Next(65536));
            case 1:
                FlipBits(hello, 1 + _random.Next(8));
                return hello;
            case 2:
                return NextBroken();
            case < 5:
                return RawConnection.Hello(new HelloRequest
                {
                    Session = Guid.NewGuid(),
                    Epoch = 1,
                    // Who says that it is a node may forward.
                    Agent = _random.Next(2) == 0 ? Grid.Node.Objects.PeerAgent.Name : "raw test",
                    SingleAddress = _random.Next(2) == 0,
                    WantsTopology = _random.Next(2) == 0,
                });
            default:
                return hello;
        }
    }

    private byte[] NextControl(ulong correlation) => _random.Next(8) switch
    {
        0 => RawConnection.Frame((Opcode)_random.Next((int)Opcode.PullPages + 1, (int)Opcode.Echo), correlation, AnyBytes(_random.Next(64))),
        1 => RawConnection.Frame(Opcode.Topology, correlation, []),
        2 => RawConnection.Frame(Opcode.Ping, correlation, []),
        3 => RawConnection.Frame(Opcode.PoolStat, correlation, Text($"no-{_random.Next()}")),
        4 => RawConnection.Frame(Opcode.ListObjects, correlation, Bodies.Write((ref writer) => new ObjectListRequest(AnyPool(), AnyObject(), AnyCount(), _random.Next(2) == 0).Write(ref writer))),
        5 => RawConnection.Frame(Opcode.VerifyObject, correlation, Bodies.Write((ref writer) => new VerifyRequest(AnyPool(), AnyObject(), AnyNumber(), AnyCount()).Write(ref writer))),
        6 => RawConnection.Frame(Opcode.PullPages, correlation, Bodies.Write((ref writer) => new PullRequest(new ObjectKey(AnyPool(), AnyObject()), AnyNumber()).Write(ref writer))),
        _ => RawConnection.Frame(Opcode.PoolOpen, correlation, Text(new string((char)_random.Next(32, 0x3000), _random.Next(300)))),
    };

    /// <summary>Mostly different indexes, now and then one twice.</summary>
    private (byte[] Entries, int Puts) AnyEntries(int count)
    {
        var entries = new byte[count * BatchEntry.SizeBytes];
        var puts = 0;
        for (var i = 0; i < count; i++)
        {
            var flush = _random.Next(4) > 0;
            if (!flush) puts++;
            new BatchEntry((uint)((i * 8) + _random.Next(9)), flush).Write(entries.AsSpan(i * BatchEntry.SizeBytes));
        }

        return (entries, puts);
    }

    private byte[] AnyIndexes(int count)
    {
        var indexes = new byte[count * sizeof(uint)];
        for (var i = 0; i < count; i++) BinaryPrimitives.WriteUInt32LittleEndian(indexes.AsSpan(i * sizeof(uint)), (uint)((i * 8) + _random.Next(9)));
        return indexes;
    }

    /// <summary>A slice of noise made once: a million frames need pages faster than a generator makes them.</summary>
    private ReadOnlySpan<byte> AnyBytes(int count)
    {
        if (count > _noise.Length) throw new ArgumentOutOfRangeException(nameof(count));
        return _noise.AsSpan(_random.Next(_noise.Length - count + 1), count);
    }

    private byte[] MutateContents(byte[] frame)
    {
        switch (_random.Next(12))
        {
            case 0:
                frame[4] = (byte)_random.Next(256);
                return frame;
            case 1:
                frame[5] = (byte)_random.Next(256);
                return frame;
            case 2:
                frame[6 + _random.Next(2)] = (byte)_random.Next(256);
                return frame;
            case 3 when frame.Length > ProtocolLimits.HeaderBytes:
                // A field of the head: pool, object, index, count.
                var words = Math.Min(frame.Length - ProtocolLimits.HeaderBytes, ObjectRequestHead.MaxBytes) / sizeof(uint);
                if (words == 0) goto default;
                BinaryPrimitives.WriteUInt32LittleEndian(frame.AsSpan(ProtocolLimits.HeaderBytes + (sizeof(uint) * _random.Next(words))), AnyNumber());
                return frame;
            case 4:
                // A shorter body under a right length.
                return frame[.._random.Next(ProtocolLimits.HeaderBytes, frame.Length + 1)];
            case 5:
                var more = new byte[_random.Next(1, 300)];
                _random.NextBytes(more);
                return [.. frame, .. more];
            case 6:
                var other = _valid[_random.Next(_valid.Length)];
                var cut = _random.Next(ProtocolLimits.HeaderBytes, frame.Length + 1);
                return [.. frame.AsSpan(0, cut), .. other.AsSpan(_random.Next(ProtocolLimits.HeaderBytes, other.Length + 1))];
            case 7 or 8:
                // Another object or index: the operation stays right, only not what was meant.
                if (frame.Length < ProtocolLimits.HeaderBytes + ObjectRequestHead.FixedBytes) goto default;
                frame[ProtocolLimits.HeaderBytes + 8 + _random.Next(28)] ^= (byte)(1 << _random.Next(8));
                return frame;
            default:
                FlipBits(frame, 1 + _random.Next(4));
                return frame;
        }
    }

    private void FlipBits(byte[] frame, int bits)
    {
        for (var i = 0; i < bits; i++) frame[_random.Next(frame.Length)] ^= (byte)(1 << _random.Next(8));
    }

    private PoolId AnyPool() => _random.Next(8) == 0 ? new PoolId(AnyNumber()) : _pools[_random.Next(_pools.Length)];

    /// <summary>Seldom a new one: making an object, and asking the journal what it holds, costs more than a hundred other frames.</summary>
    private ObjectId AnyObject() => _random.Next(64) == 0 ? new ObjectId(AnyNumber(), AnyNumber(), AnyNumber()) : ObjectId.FromUInt64((ulong)_random.Next(16));

    private int AnyCount() => _random.Next(4) == 0 ? _random.Next() : _random.Next(1, 64);

    private uint AnyNumber() => _random.Next(6) switch
    {
        0 => 0,
        1 => uint.MaxValue,
        2 => int.MaxValue,
        3 => 0x80000000,
        4 => (uint)_random.Next(5000),
        _ => (uint)_random.NextInt64(),
    };

    private IEnumerable<byte[]> ValidFrames()
    {
        var page = PageBytes.Random(1);
        foreach (var pool in _pools)
        {
            var id = ObjectId.FromUInt64((ulong)_random.Next(8));
            var head = new ObjectRequestHead(pool, id, (uint)_random.Next(64), 0);
            yield return RawConnection.ObjectFrame(Opcode.Put, 1, head with { Count = page.Length }, page);
            yield return RawConnection.ObjectFrame(Opcode.Get, 1, head);
            yield return RawConnection.ObjectFrame(Opcode.Get, 1, head, flags: RequestFlags.Keep);
            yield return RawConnection.ObjectFrame(Opcode.Get, 1, head, flags: RequestFlags.Take);
            yield return RawConnection.ObjectFrame(Opcode.FlushPage, 1, head);
            yield return RawConnection.ObjectFrame(Opcode.FlushObject, 1, head with { Index = 0 });
            yield return RawConnection.ObjectFrame(Opcode.Get, 1, head with { Session = Guid.NewGuid(), Epoch = 3 }, flags: RequestFlags.Forwarded);
            var entries = new byte[4 * BatchEntry.SizeBytes];
            for (var i = 0; i < 4; i++) new BatchEntry((uint)i, i > 0).Write(entries.AsSpan(i * BatchEntry.SizeBytes));
            yield return RawConnection.ObjectFrame(Opcode.WriteBatch, 1, head with { Index = 0, Count = 4 }, [.. entries, .. page]);
            var conditional = head with { Index = 0, Count = 4, Condition = new ObjectVersion(5, 6) };
            yield return RawConnection.ObjectFrame(Opcode.WriteBatch, 1, conditional, [.. entries, .. page], RequestFlags.Conditional);
            yield return RawConnection.ObjectFrame(Opcode.GetBatch, 1, head with { Index = 0, Count = 3 }, [1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0]);
            yield return RawConnection.ObjectFrame(Opcode.GetBatch, 1, conditional with { Count = 1 }, [1, 0, 0, 0], RequestFlags.Conditional | RequestFlags.Take);
            yield return RawConnection.ObjectFrame(Opcode.ListPages, 1, head with { Count = 100 });
            yield return RawConnection.Frame(Opcode.ListObjects, 1, Bodies.Write((ref writer) => new ObjectListRequest(pool, default, 10, true).Write(ref writer)));
            yield return RawConnection.Frame(Opcode.VerifyObject, 1, Bodies.Write((ref writer) => new VerifyRequest(pool, id, 0, 1 << 20).Write(ref writer)));
        }

        yield return RawConnection.Frame(Opcode.Ping, 1, []);
        yield return RawConnection.Frame(Opcode.Topology, 1, []);
        yield return RawConnection.Hello();
        yield return RawConnection.Frame(Opcode.Echo, 1, []);
        yield return RawConnection.Frame(Opcode.PoolStat, 1, Text("fuzz-ephemeral"));
        yield return RawConnection.Frame(Opcode.PoolOpen, 1, Text("fuzz-ephemeral"));
    }

    private static byte[] Text(string name)
    {
        var body = new ArrayBufferWriter<byte>();
        new BodyWriter(body).String(name);
        return body.WrittenSpan.ToArray();
    }
}
