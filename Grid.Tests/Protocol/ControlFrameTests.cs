using System.Buffers;
using CsCheck;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Protocol;

public sealed class ControlFrameTests
{
    private static readonly Gen<string> GenText = Gen.OneOf(
        Gen.String[Gen.Char[' ', '~'], 0, 40], Gen.String[Gen.Char["äΩ漢z\0"], 0, 40], Gen.Const("😀 ends"));

    private static readonly Gen<PoolOptions> GenOptions = Gen.Select(
        Gen.Enum<PoolKind>(), Gen.Enum<PoolSharing>(), Gen.Enum<PageCompression>(), Gen.Int[12, 16], Gen.ULong,
        (kind, sharing, compression, pageBits, quota) => new PoolOptions
        {
            Kind = kind,
            Sharing = sharing,
            Compression = compression,
            PageSizeBytes = 1 << pageBits,
            QuotaPages = quota,
        });

    private static readonly Gen<PoolInfo> GenInfo = Gen.Select(
        Gen.ULong, GenText, GenText, GenOptions, Gen.Bool, Gen.Int[0, int.MaxValue],
        (id, name, tenant, options, frozen, members) => new PoolInfo(new PoolId(id), name, tenant, options, frozen, members));

    [Fact]
    public void Hellos_are_read_back_across_segments()
    {
        Gen.Select(Gen.UShort[0, 1], Gen.UShort[1, 9], Gen.Bool, Gen.Guid, Gen.ULong, GenText.Array[4], Gen.Int[1, 50])
            .Sample((min, max, single, session, epoch, texts, size) =>
            {
                var hello = new HelloRequest
                {
                    MinVersion = min,
                    MaxVersion = max,
                    SingleAddress = single,
                    Session = session,
                    Epoch = epoch,
                    Tenant = texts[0],
                    Credential = texts[1],
                    Member = texts[2],
                    Agent = texts[3],
                };
                var body = Bodies.Write((ref writer) => hello.Write(ref writer));
                Assert.Equal(hello, Bodies.Read(Segments.OfSize(body, size), static (ref reader) => HelloRequest.Read(ref reader)));
            });
    }

    [Fact]
    public void Hello_answers_are_read_back_across_segments()
    {
        Gen.Select(Gen.UShort, Gen.UInt.Array[4], Gen.Guid, GenText.Array[3], Gen.Int[1, 50]).Sample((version, numbers, grid, texts, size) =>
        {
            var hello = new HelloAnswer
            {
                Version = version,
                WindowRequests = numbers[0],
                WindowBytes = numbers[1],
                MaxBodyBytes = numbers[2],
                ShardCount = numbers[3],
                GridId = grid,
                NodeName = texts[0],
                NodeAddress = texts[1],
                Agent = texts[2],
            };
            var body = Bodies.Write((ref writer) => hello.Write(ref writer));
            Assert.Equal(hello, Bodies.Read(Segments.OfSize(body, size), static (ref reader) => HelloAnswer.Read(ref reader)));
        });
    }

    [Fact]
    public void Topologies_are_read_back_across_segments()
    {
        Gen.Select(GenText.Array[3].Array[1, 4], Gen.Int[-1, 100].Array[0, 40], Gen.Int[1, 50]).Sample((texts, numbers, size) =>
        {
            var nodes = texts.Select(text => new TopologyNode(text[0], text[1], text[2])).ToArray();
            var owners = numbers.Select(number => number % nodes.Length).ToArray();
            var body = Bodies.Write((ref writer) => new Topology(nodes, owners).Write(ref writer));
            var read = Bodies.Read(Segments.OfSize(body, size), static (ref reader) => Topology.Read(ref reader));
            Assert.Equal(nodes, read.Nodes);
            Assert.Equal(owners, read.Owners);
        });
    }

    [Fact]
    public void Pools_and_lists_of_pools_are_read_back_across_segments()
    {
        Gen.Select(GenInfo.Array[0, 5], Gen.Int[1, 50]).Sample((pools, size) =>
        {
            var body = Bodies.Write((ref writer) => PoolCodec.WriteList(ref writer, pools));
            Assert.Equal(pools, Bodies.Read(Segments.OfSize(body, size), static (ref reader) => PoolCodec.ReadList(ref reader)));
        });
    }

    [Fact]
    public void Stats_are_read_back_across_segments()
    {
        Gen.Select(GenInfo, Gen.ULong.Array[11], Gen.Int[1, 50]).Sample((pool, n, size) =>
        {
            var stat = Stat(pool, n);
            var body = Bodies.Write((ref writer) => PoolCodec.WriteStat(ref writer, stat));
            Assert.Equal(stat, Bodies.Read(Segments.OfSize(body, size), static (ref reader) => PoolCodec.ReadStat(ref reader)));
        });
    }

    [Fact]
    public void A_stat_with_more_counters_is_read_and_one_with_fewer_has_zeros()
    {
        var pool = new PoolInfo(new PoolId(1), "p", "default", new PoolOptions(), false, 1);
        foreach (var count in new[] { 0, 3, 11, 14 })
        {
            var body = Bodies.Write((ref writer) =>
            {
                PoolCodec.WriteInfo(ref writer, pool);
                writer.UInt16((ushort)count);
                for (ulong i = 1; i <= (ulong)count; i++) writer.UInt64(i);
            });
            var expected = Enumerable.Range(1, 11).Select(i => i <= count ? (ulong)i : 0).ToArray();
            Assert.Equal(Stat(pool, expected), Bodies.Read(body, static (ref reader) => PoolCodec.ReadStat(ref reader)));
        }
    }

    [Fact]
    public void Flags_of_a_pool_that_a_later_version_adds_are_ignored()
    {
        var pool = new PoolInfo(new PoolId(1), "p", "default", new PoolOptions(), true, 1);
        var body = Bodies.Write((ref writer) => PoolCodec.WriteInfo(ref writer, pool));
        body[8] |= 0xFE;
        Assert.Equal(pool, Bodies.Read(body, static (ref reader) => PoolCodec.ReadInfo(ref reader)));
    }

    [Fact]
    public void Of_a_hello_without_a_version_in_common_only_the_range_is_read()
    {
        byte[] body = [.. "GRID"u8, 7, 0, 9, 0, 0xFF, 0xFF];
        var hello = Bodies.Read(body, static (ref reader) => HelloRequest.Read(ref reader));
        Assert.Equal((7, 9), ((int)hello.MinVersion, (int)hello.MaxVersion));
    }

    [Fact]
    public void Of_a_hello_that_offers_a_newer_version_too_what_is_unknown_is_passed_over()
    {
        var hello = new HelloRequest { MaxVersion = ProtocolLimits.MaxVersion + 1, SingleAddress = true, Agent = "new" };
        var body = Bodies.Write((ref writer) => hello.Write(ref writer));
        body[11] = 0x80;
        Assert.Equal(hello, Bodies.Read([.. body, 1, 2, 3], static (ref reader) => HelloRequest.Read(ref reader)));
    }

    [Fact]
    public void The_text_of_a_hello_never_shows_its_credential() =>
        Assert.DoesNotContain("hunter2", new HelloRequest { Credential = "hunter2" }.ToString(), StringComparison.Ordinal);

    [Fact]
    public void Texts_of_errors_are_read_back()
    {
        Gen.Select(GenText, Gen.Int[1, 50]).Sample((text, size) =>
        {
            var output = new ArrayBufferWriter<byte>();
            ErrorFrames.Write(output, Opcode.Get, 9, Status.Corrupt, text);
            var buffer = Segments.OfSize(output.WrittenSpan.ToArray(), size);
            Assert.Equal(FrameReadResult.Frame, FrameReader.TryRead(ref buffer, ProtocolLimits.MaxErrorTextBytes, out var header, out var body));
            Assert.Equal(FrameHeader.Answer(Opcode.Get, 9, Status.Corrupt, (int)body.Length), header);
            Assert.Equal(text, ErrorFrames.ReadText(body));
        });
    }

    [Fact]
    public void A_long_text_of_an_error_is_cut_between_characters()
    {
        foreach (var lead in new[] { "", "a", "ab", "abc" })
        {
            var output = new ArrayBufferWriter<byte>();
            ErrorFrames.Write(output, Opcode.Get, 1, Status.FailedUnknown, lead + string.Concat(Enumerable.Repeat("😀", 1000)));
            var text = ErrorFrames.ReadText(new ReadOnlySequence<byte>(output.WrittenMemory[ProtocolLimits.HeaderBytes..]));
            Assert.StartsWith(lead, text, StringComparison.Ordinal);
            Assert.DoesNotContain('\uFFFD', text);
            Assert.InRange(output.WrittenCount, ProtocolLimits.MaxErrorTextBytes - 4, ProtocolLimits.HeaderBytes + ProtocolLimits.MaxErrorTextBytes);
        }
    }

    [Fact]
    public void A_lone_surrogate_in_an_error_becomes_a_replacement_character()
    {
        var output = new ArrayBufferWriter<byte>();
        ErrorFrames.Write(output, Opcode.Get, 1, Status.FailedUnknown, "a\uD800b");
        Assert.Equal("a\uFFFDb", ErrorFrames.ReadText(new ReadOnlySequence<byte>(output.WrittenMemory[ProtocolLimits.HeaderBytes..])));
    }

    internal static PoolStat Stat(PoolInfo pool, ulong[] n) => new()
    {
        Pool = pool,
        Objects = n[0],
        Pages = n[1],
        LogicalBytes = n[2],
        StoredBytes = n[3],
        SameFilledPages = n[4],
        Puts = n[5],
        Refusals = n[6],
        Gets = n[7],
        Hits = n[8],
        Flushes = n[9],
        Evictions = n[10],
    };
}
