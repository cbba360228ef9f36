using Akka.Actor;
using Akka.Cluster;
using Akka.Serialization;
using Grid.Node.Pools;
using Grid.Protocol;
using Xunit;
using Address = Akka.Actor.Address;
using Status = Grid.Protocol.Status;

namespace Grid.Tests.Pools;

/// <summary>The registry's events in the journal, byte for byte, and the messages between nodes.</summary>
public sealed class PoolFormatTests : IAsyncLifetime
{
    private readonly ActorSystem _system = ActorSystem.Create("formats", PoolsSetup.Configuration);

    public Task InitializeAsync() => Task.CompletedTask;

    public Task DisposeAsync() => _system.Terminate();

    // What these bytes are is promised to every journal there is: they never change, a new form gets a new manifest.
    public static TheoryData<string, string> Golden => new()
    {
        { "fence", "01-09-00-6E-6F-64-65-3A-34-37-31-31" },
        { "create", "02-07-00-00-00-00-00-00-00-01-01-02-00-00-20-00-00-D2-04-00-00-00-00-00-00-03-00-72-65-64-05-00-76-61-75-6C-74-03-00-61-6E-6E" },
        { "join", "03-07-00-00-00-00-00-00-00-03-00-62-6F-62" },
        { "leave", "04-07-00-00-00-00-00-00-00-03-00-62-6F-62" },
        { "freeze", "05-07-00-00-00-00-00-00-00" },
        { "thaw", "06-07-00-00-00-00-00-00-00" },
        { "destroy", "07-07-00-00-00-00-00-00-00" },
        { "sweep", "08-FF-FF-FF-FF-FF-FF-FF-FF" },
    };

    [Theory, MemberData(nameof(Golden))]
    public void An_event_has_its_golden_bytes(string which, string bytes)
    {
        var happened = EventOf(which);
        var serializer = (SerializerWithStringManifest)_system.Serialization.FindSerializerFor(happened);
        Assert.Equal((1611, "P1"), (serializer.Identifier, serializer.Manifest(happened)));
        Assert.Equal(bytes, BitConverter.ToString(serializer.ToBinary(happened)));
        Assert.Equal(happened, serializer.FromBinary(Convert.FromHexString(bytes.Replace("-", "", StringComparison.Ordinal)), "P1"));
    }

    [Fact]
    public void Every_kind_of_event_has_golden_bytes() => Assert.Equal(
        typeof(PoolEvent).GetNestedTypes().OrderBy(type => type.Name), Golden.Select(row => EventOf((string)row[0]).GetType()).OrderBy(type => type.Name));

    [Theory]
    [InlineData("P2", "05-07-00-00-00-00-00-00-00")]
    [InlineData("P1", "")]
    [InlineData("P1", "00-07-00-00-00-00-00-00-00")]
    [InlineData("P1", "09-07-00-00-00-00-00-00-00")]
    [InlineData("P1", "05-07-00-00-00-00-00-00")]
    [InlineData("P1", "05-07-00-00-00-00-00-00-00-00")]
    [InlineData("P1", "03-07-00-00-00-00-00-00-00-03-00-62-6F")]
    [InlineData("P1", "02-07-00-00-00-00-00-00-00-09-01-02-00-00-20-00-00-D2-04-00-00-00-00-00-00-03-00-72-65-64-05-00-76-61-75-6C-74-03-00-61-6E-6E")]
    public void Bytes_that_are_no_event_are_refused(string manifest, string bytes)
    {
        var serializer = (SerializerWithStringManifest)_system.Serialization.FindSerializerForType(typeof(PoolEvent.Frozen));
        Assert.Throws<InvalidDataException>(() => serializer.FromBinary(Convert.FromHexString(bytes.Replace("-", "", StringComparison.Ordinal)), manifest));
    }

    [Fact]
    public void Every_message_comes_back_as_it_was()
    {
        var node = new UniqueAddress(new Address("akka.tcp", "grid", "host", 4711), -5);
        var info = new PoolInfo(new PoolId(9), "vault", "red", new PoolOptions { QuotaPages = 3 }, true, 2);
        object[] messages =
        [
            new PoolCommand.Create("red", "ann", "vault", new PoolOptions { Kind = PoolKind.Persistent }),
            new PoolCommand.Open("red", "ann", "vault"),
            new PoolCommand.Freeze("red", "vault"),
            new PoolCommand.Thaw("red", "vault"),
            new PoolCommand.Destroy("red", "ann", "vault"),
            new PoolReply(Status.Ok, "", info),
            new PoolReply(Status.NoSuchPool, "no", null),
            new ViewHello(node, 17, true),
            new PoolsUpdate(3, 4, 5, 0, 1, [info], [new PoolId(1), new PoolId(2)]),
            new QuotaAsk(node, 3, new PoolId(9), 4, -5, 6),
            new QuotaAnswer(3, new PoolId(9), 64, QuotaOutcome.Exhausted, "why"),
            new QuotaRecall(3, new PoolId(9), 11, true, 64),
            new QuotaReport(node, 3, new PoolId(9), 11, 1, 7, 2, 5, -3, 4),
            new StatAsk(new PoolId(9)),
            new StatPart(new PoolId(9), [1, -2, 3]),
            StopRegistry.Instance,
        ];
        foreach (var message in messages)
        {
            var serializer = (SerializerWithStringManifest)_system.Serialization.FindSerializerFor(message);
            Assert.Equal(1612, serializer.Identifier);
            var back = serializer.FromBinary(serializer.ToBinary(message), serializer.Manifest(message));
            Assert.Equivalent(message, back, strict: true);
        }

        Assert.Equal(PoolMessageSerializer.Types.OrderBy(type => type.Name), messages.Select(message => message.GetType()).Distinct().OrderBy(type => type.Name));
    }

    private static PoolEvent EventOf(string which)
    {
        var pool = new PoolId(7);
        return which switch
        {
            "fence" => new PoolEvent.Fenced("node:4711"),
            "create" => new PoolEvent.Created(pool, "red", "vault", new PoolOptions
            {
                Kind = PoolKind.Persistent,
                Sharing = PoolSharing.Shared,
                Compression = PageCompression.Zstd,
                PageSizeBytes = 8192,
                QuotaPages = 1234,
            }, "ann"),
            "join" => new PoolEvent.Joined(pool, "bob"),
            "leave" => new PoolEvent.Left(pool, "bob"),
            "freeze" => new PoolEvent.Frozen(pool),
            "thaw" => new PoolEvent.Thawed(pool),
            "destroy" => new PoolEvent.Destroyed(pool),
            "sweep" => new PoolEvent.Swept(new PoolId(ulong.MaxValue)),
            _ => throw new ArgumentException(which),
        };
    }
}
