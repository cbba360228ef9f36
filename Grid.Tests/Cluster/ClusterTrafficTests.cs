using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Grid.Node.Admin;
using Grid.Node.Cluster;
using Grid.Node.Journal;
using Grid.Node.Objects;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Cluster;

public sealed class ClusterTrafficTests
{
    private static readonly ClusterNode Node = new("akka.tcp://grid@db-1:7072", 5);

    /// <summary>Two actor systems with Akka.Remote between them, of which one sends what it should and what it must not.</summary>
    [Fact]
    public async Task Messages_are_counted_and_pages_are_noticed_and_stay()
    {
        var traffic = new ClusterTraffic();
        using var from = Start(traffic);
        using var to = Start(new ClusterTraffic());
        var received = new System.Collections.Concurrent.ConcurrentQueue<object>();
        to.ActorOf(Props.Create(() => new Receiver(received)), "receiver");
        var address = ((ExtendedActorSystem)to).Provider.DefaultAddress;
        var remote = await from.ActorSelection($"{address}/user/receiver").ResolveOne(TimeSpan.FromSeconds(10));

        remote.Tell(new GuardEnvelope(Node, new Pong(Node, 1)));
        await Harness.Eventually.TrueAsync(() => received.Count == 1, "the message arrives", TimeSpan.FromSeconds(10));
        Assert.InRange(traffic.Bytes(TrafficKind.Guard), 20, 200);
        Assert.Equal(0, traffic.PageBytes);

        remote.Tell(new Write(new JournalEvent(new byte[5000]), 1));
        remote.Tell(new PagesPulled([new byte[3000], new byte[1000]]));
        remote.Tell(StopWriter.Instance);
        remote.Tell(new GuardEnvelope(Node, new Pong(Node, 2)));
        await Harness.Eventually.TrueAsync(() => received.Count == 2, "the next message arrives", TimeSpan.FromSeconds(10));
        Assert.All(received, message => Assert.IsType<GuardEnvelope>(message));
        Assert.Equal(9000, traffic.PageBytes);
        Assert.Equal(3, traffic.Refused);

        // An event by itself has a serializer, the journal's; that somebody sends it is noticed all the same.
        remote.Tell(new JournalEvent(new byte[700]));
        await Harness.Eventually.TrueAsync(() => traffic.PageBytes == 9700, "the event is counted", TimeSpan.FromSeconds(10));
        await Task.WhenAll(from.Terminate(), to.Terminate());
    }

    [Fact]
    public void What_is_none_of_the_Grid_s_own_goes_as_ever()
    {
        using var system = Start(new ClusterTraffic());
        var serializer = Assert.IsType<StrayMessageSerializer>(system.Serialization.FindSerializerForType(typeof(Uri)));
        Assert.Equal(1, serializer.Identifier);
        var address = new Uri("http://db-1/a?b");
        Assert.Equal(address, serializer.FromBinary(serializer.ToBinary(address), typeof(Uri)));
        Assert.Throws<SerializationException>(() => serializer.ToBinary(PoolGone.Instance));
    }

    [Fact]
    public void The_metrics_tell_every_kind_and_the_pages_even_while_they_are_none()
    {
        var traffic = new ClusterTraffic();
        using var metrics = new GridMetrics();
        metrics.ObserveTraffic(traffic);
        traffic.Count(TrafficKind.Pools, new byte[7]);
        var kinds = Hosting.GridMetricsTests.Observe(metrics, "grid.cluster.message");
        Assert.Equal(["formation 0", "guard 0", "objects 0", "pools 7"], kinds.Select(kind => $"{kind.Tags["kind"]} {kind.Value}").Order());
        Assert.Equal(0, Hosting.GridMetricsTests.Observe(metrics, "grid.cluster.page").Single().Value);
        traffic.CountPages(4096);
        Assert.Equal(4096, Hosting.GridMetricsTests.Observe(metrics, "grid.cluster.page").Single().Value);
    }

    private static ActorSystem Start(ClusterTraffic traffic)
    {
        var config = ConfigurationFactory.ParseString("""
            akka { actor.provider = remote, loglevel = OFF, stdout-loglevel = OFF, remote.dot-netty.tcp { hostname = "127.0.0.1", port = 0 } }
            akka.actor {
              serializers.grid-journal = "Grid.Node.Journal.JournalEventSerializer, Grid.Node"
              serialization-bindings { "Grid.Node.Journal.JournalEvent, Grid.Node" = grid-journal }
            }
            """).WithFallback(GuardParts.Configuration).WithFallback(StrayMessageSerializer.Configuration);
        return ActorSystem.Create("traffic", ActorSystemSetup.Create(BootstrapSetup.Create().WithConfig(config), traffic));
    }

    private sealed class Receiver : UntypedActor
    {
        private readonly System.Collections.Concurrent.ConcurrentQueue<object> _received;

        public Receiver(System.Collections.Concurrent.ConcurrentQueue<object> received) => _received = received;

        protected override void OnReceive(object message)
        {
            if (message is GuardEnvelope) _received.Enqueue(message);
        }
    }
}
