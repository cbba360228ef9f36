using Akka.Actor;
using Akka.Configuration;

namespace Grid.Node.Cluster;

/// <summary>What a node's guard is made of, and where others find what it knows.</summary>
internal sealed class GuardParts
{
    private volatile GuardPicture _picture = GuardPicture.None;

    /// <summary>What every actor system with a guard needs in its configuration from the start.</summary>
    public static Config Configuration { get; } = ConfigurationFactory.ParseString($$"""
        akka.actor {
          serializers.grid-guard = "{{typeof(GuardMessageSerializer).AssemblyQualifiedName}}"
          serialization-bindings { "{{typeof(GuardEnvelope).FullName}}, {{typeof(GuardEnvelope).Assembly.GetName().Name}}" = grid-guard }
        }
        """);

    /// <summary>The durations.</summary>
    public required LeaseTimings Timings { get; init; }

    /// <summary>Which shards are open, and until when.</summary>
    public required ShardTable Table { get; init; }

    /// <summary>What others are told of this node.</summary>
    public required NodeCard Card { get; init; }

    /// <summary>Before that the node serves nothing.</summary>
    public required long MayServeFromMs { get; init; }

    /// <summary>A number for a new life of a shard.</summary>
    public required Func<ulong> NewIncarnation { get; init; }

    /// <summary>Told of every grant (shard, life) before it leaves; says whether this node keeps pages for that life.</summary>
    public required Func<int, ulong, bool> KeepsFor { get; init; }

    /// <summary>Has the objects of a closed shard end.</summary>
    public required Action<ShardLife> OnClosed { get; init; }

    /// <summary>What the guard knew a moment ago.</summary>
    public GuardPicture Picture
    {
        get => _picture;
        set => _picture = value;
    }

    /// <summary>Starts the guard, on the threads that heartbeats have: neither pages nor a database hold it up.</summary>
    public IActorRef Start(ActorSystem system) =>
        system.ActorOf(Props.Create(() => new GuardActor(this)).WithDispatcher("akka.actor.internal-dispatcher"), GuardActor.Name);
}
