using CsCheck;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Protocol;

/// <summary>Bodies that make no sense: each is a <see cref="ProtocolException"/> that says why, before anything is allocated for a lie.</summary>
public sealed class MalformedBodyTests
{
    private static readonly PoolInfo Pool = new(new PoolId(5), "vault", "default", new PoolOptions { Kind = PoolKind.Persistent }, false, 1);

    /// <summary>A whole body of each kind and who reads it.</summary>
    public static TheoryData<string> Kinds => ["hello", "hello-answer", "topology", "pool", "pool-list", "pool-stat", "options", "object-list-request", "object-list", "page-list", "verify-request", "verify", "string"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_body_that_ends_too_soon_is_refused_at_every_length(string kind)
    {
        var (body, read) = Of(kind);
        read(body);
        for (var length = 0; length < body.Length; length++) Assert.Throws<ProtocolException>(() => read(body[..length]));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void A_body_that_goes_on_is_refused(string kind)
    {
        var (body, read) = Of(kind);
        Assert.Contains("too many", Assert.Throws<ProtocolException>(() => read([.. body, 0])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Changed_bytes_give_a_value_or_a_protocol_exception(string kind)
    {
        var (body, read) = Of(kind);
        Gen.Select(Gen.Int[0, body.Length - 1], Gen.Byte).Array[1, 4].Sample(changes =>
        {
            var changed = body.ToArray();
            foreach (var (at, value) in changes) changed[at] = value;
            try
            {
                read(changed);
            }
            catch (ProtocolException wrong)
            {
                Assert.NotEmpty(wrong.Message);
            }
        });
    }

    [Fact]
    public void A_hello_of_something_else_is_refused() =>
        Refused("GRID", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"u8.ToArray(), static (ref reader) => HelloRequest.Read(ref reader));

    [Fact]
    public void An_empty_range_of_versions_is_refused() => Refused("2..1", Hello(2, 1), static (ref reader) => HelloRequest.Read(ref reader));

    [Fact]
    public void Unknown_flags_of_a_hello_are_refused()
    {
        var body = Hello(1, 1);
        body[8] = 2;
        Refused("flags", body, static (ref reader) => HelloRequest.Read(ref reader));
    }

    [Fact]
    public void A_string_over_the_limit_is_refused()
    {
        var length = ProtocolLimits.MaxStringBytes + 1;
        byte[] body = [(byte)length, (byte)(length >> 8), .. new byte[length]];
        Refused("exceeds", body, static (ref reader) => reader.String());
        Assert.Throws<ArgumentException>(() => Bodies.Write((ref writer) => writer.String(new string('x', length))));
    }

    [Fact]
    public void A_string_of_the_limit_is_read()
    {
        var text = new string('x', ProtocolLimits.MaxStringBytes);
        Assert.Equal(text, Bodies.Read(Bodies.Write((ref writer) => writer.String(text)), static (ref reader) => reader.String()));
    }

    [Theory]
    [InlineData(new byte[] { 1, 0, 0xFF })]
    [InlineData(new byte[] { 2, 0, 0xC3, 0x28 })]
    [InlineData(new byte[] { 2, 0, 0xC0, 0x80 })]
    [InlineData(new byte[] { 3, 0, 0xED, 0xA0, 0x80 })]
    [InlineData(new byte[] { 2, 0, 0xE6, 0xBC })]
    public void A_string_that_is_no_UTF_8_is_refused_in_one_segment_and_in_many(byte[] body)
    {
        for (var size = 1; size <= body.Length; size++)
        {
            var cut = Segments.OfSize(body, size);
            Assert.Contains("UTF-8", Assert.Throws<ProtocolException>(() => Bodies.Read(cut, static (ref reader) => reader.String())).Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(1u)]
    [InlineData(0x7FFFFFFFu)]
    [InlineData(0xFFFFFFFFu)]
    public void A_count_that_its_body_cannot_hold_is_refused_before_a_list_is_made(uint count)
    {
        var body = Bodies.Write((ref writer) => writer.UInt32(count));
        var before = GC.GetAllocatedBytesForCurrentThread();
        Refused("does not fit", body, static (ref reader) => Topology.Read(ref reader));
        Refused("does not fit", body, static (ref reader) => PoolCodec.ReadList(ref reader));
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 100_000);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(-2)]
    public void A_shard_of_a_node_that_is_not_there_is_refused(int owner)
    {
        var body = Bodies.Write((ref writer) => new Topology([new TopologyNode("a", "h:1", "up")], [0, owner]).Write(ref writer));
        Refused("shard 1", body, static (ref reader) => Topology.Read(ref reader));
    }

    [Fact]
    public void A_pool_with_impossible_attributes_is_refused()
    {
        var body = Bodies.Write((ref writer) => PoolCodec.WriteInfo(ref writer, Pool with { Options = new PoolOptions { PageSizeBytes = 5000 } }));
        Refused("page size 5000", body, static (ref reader) => PoolCodec.ReadInfo(ref reader));
    }

    [Fact]
    public void A_pool_with_more_members_than_an_int_holds_is_refused()
    {
        var body = Bodies.Write((ref writer) => PoolCodec.WriteInfo(ref writer, Pool));
        body[15] = 0xFF;
        Refused("members", body, static (ref reader) => PoolCodec.ReadInfo(ref reader));
    }

    [Fact]
    public void An_attribute_of_a_later_version_in_pool_options_is_refused()
    {
        var body = Bodies.Write((ref writer) => PoolCodec.WriteOptions(ref writer, new PoolOptions()));
        body[3] = 1;
        Refused("attribute", body, static (ref reader) => PoolCodec.ReadOptions(ref reader));
    }

    private static void Refused<T>(string told, byte[] body, Bodies.Reading<T> reading) =>
        Assert.Contains(told, Assert.Throws<ProtocolException>(() => Bodies.Read(body, reading)).Message, StringComparison.Ordinal);

    private static byte[] Hello(ushort min, ushort max) =>
        Bodies.Write((ref writer) => new HelloRequest { MinVersion = min, MaxVersion = max }.Write(ref writer));

    private static (byte[] Body, Action<byte[]> Read) Of(string kind) => kind switch
    {
        "hello" => (Hello(1, 1), Reader(static (ref reader) => HelloRequest.Read(ref reader))),
        "hello-answer" => (
            Bodies.Write(static (ref writer) => new HelloAnswer { NodeName = "n", NodeAddress = "h:1", Agent = "g" }.Write(ref writer)),
            Reader(static (ref reader) => HelloAnswer.Read(ref reader))),
        "topology" => (
            Bodies.Write(static (ref writer) => new Topology([new TopologyNode("a", "h:1", "up")], [0, -1, 0]).Write(ref writer)),
            Reader(static (ref reader) => Topology.Read(ref reader))),
        "pool" => (Bodies.Write(static (ref writer) => PoolCodec.WriteInfo(ref writer, Pool)), Reader(static (ref reader) => PoolCodec.ReadInfo(ref reader))),
        "pool-list" => (
            Bodies.Write(static (ref writer) => PoolCodec.WriteList(ref writer, [Pool, Pool])), Reader(static (ref reader) => PoolCodec.ReadList(ref reader))),
        "pool-stat" => (
            Bodies.Write(static (ref writer) => PoolCodec.WriteStat(ref writer, new PoolStat { Pool = Pool })),
            Reader(static (ref reader) => PoolCodec.ReadStat(ref reader))),
        "options" => (
            Bodies.Write(static (ref writer) => PoolCodec.WriteOptions(ref writer, Pool.Options)), Reader(static (ref reader) => PoolCodec.ReadOptions(ref reader))),
        "object-list-request" => (
            Bodies.Write(static (ref writer) => new ObjectListRequest(new PoolId(7), new ObjectId(1, 2, 3), 10, true).Write(ref writer)),
            Reader(static (ref reader) => ObjectListRequest.Read(ref reader))),
        "object-list" => (
            Bodies.Write(static (ref writer) => new ObjectListPart([new ListedObject(default, 3), new ListedObject(new ObjectId(1, 2, 3), null)], default, true).Write(ref writer)),
            Reader(static (ref reader) => ObjectListPart.Read(ref reader))),
        "page-list" => (
            Bodies.Write(static (ref writer) => new PageListPart([1, 5], 6, false).Write(ref writer)), Reader(static (ref reader) => PageListPart.Read(ref reader))),
        "verify-request" => (
            Bodies.Write(static (ref writer) => new VerifyRequest(new PoolId(7), new ObjectId(1, 2, 3), 4, 5).Write(ref writer)),
            Reader(static (ref reader) => VerifyRequest.Read(ref reader))),
        "verify" => (
            Bodies.Write(static (ref writer) => new VerifyPart(true, 9, 8, 7, 6, [new JournalDamage(3, 2, true, "x"), new JournalDamage(4, null, false, "")]).Write(ref writer)),
            Reader(static (ref reader) => VerifyPart.Read(ref reader))),
        _ => (Bodies.Write(static (ref writer) => writer.String("text")), Reader(static (ref reader) => reader.String())),
    };

    private static Action<byte[]> Reader<T>(Bodies.Reading<T> reading) => body => Bodies.Read(body, reading);
}
