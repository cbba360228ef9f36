using System.Collections;
using Akka.Actor;
using Akka.Configuration;
using Grid.Node.Cluster;
using Xunit;

namespace Grid.Tests.Cluster;

public sealed class GuardSerializerTests
{
    private static readonly ClusterNode Sender = new("akka.tcp://grid@db-1:7072", -5);
    private static readonly ClusterNode Receiver = new("akka.tcp://grid@db-2:7072", long.MaxValue);

    [Fact]
    public async Task Messages_of_guards_come_back_as_they_went()
    {
        using var system = Start();
        var open = new BitArray(130) { [0] = true, [129] = true };
        GuardMessage[] messages =
        [
            new Ping(Receiver, 7, new NodeCard("db-1", "db-1:7070", "db-1:7071", "1.0"), open, IsDraining: true),
            new Pong(Receiver, 7),
            new Claim(Receiver, 4095, ulong.MaxValue),
            new Grant(Receiver, 3, 9, null, [], IsWarm: false),
            new Grant(Receiver, 3, 9, Sender, [new Witness(Sender, long.MaxValue), new Witness(Receiver, 17)], IsWarm: true),
            Parting.Instance,
        ];
        foreach (var message in messages)
        {
            var back = RoundTrip(system, message);
            Assert.Equal(Sender, back.From);
            Assert.Equivalent(message, back.Message, strict: true);
        }

        await system.Terminate();
    }

    [Fact]
    public async Task What_a_later_version_says_at_the_end_is_skipped_and_what_an_earlier_one_does_not_say_is_no()
    {
        using var system = Start();
        var serializer = Serializer(system);
        var grant = serializer.ToBinary(new GuardEnvelope(Sender, new Grant(Receiver, 3, 9, null, [], IsWarm: true)));
        var earlier = (GuardEnvelope)serializer.FromBinary(grant[..^1], "G1");
        Assert.False(Assert.IsType<Grant>(earlier.Message).IsWarm);
        var later = (GuardEnvelope)serializer.FromBinary([.. grant, 1, 2, 3], "G1");
        Assert.True(Assert.IsType<Grant>(later.Message).IsWarm);
        await system.Terminate();
    }

    [Fact]
    public async Task A_manifest_of_another_version_is_refused()
    {
        using var system = Start();
        var serializer = Serializer(system);
        var pong = serializer.ToBinary(new GuardEnvelope(Sender, new Pong(Receiver, 1)));
        Assert.Throws<ArgumentException>(() => serializer.FromBinary(pong, "Q9"));
        await system.Terminate();
    }

    private static ActorSystem Start() =>
        ActorSystem.Create("guards", GuardParts.Configuration.WithFallback(ConfigurationFactory.ParseString("akka.loglevel = OFF\nakka.stdout-loglevel = OFF")));

    private static GuardMessageSerializer Serializer(ActorSystem system) =>
        Assert.IsType<GuardMessageSerializer>(system.Serialization.FindSerializerForType(typeof(GuardEnvelope)));

    private static GuardEnvelope RoundTrip(ActorSystem system, GuardMessage message)
    {
        var envelope = new GuardEnvelope(Sender, message);
        var serializer = Serializer(system);
        return Assert.IsType<GuardEnvelope>(serializer.FromBinary(serializer.ToBinary(envelope), serializer.Manifest(envelope)));
    }
}
