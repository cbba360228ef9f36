using Akka.Actor;
using Akka.Cluster.Sharding;
using Grid.Node.Pools;
using Grid.Protocol;
using Status = Grid.Protocol.Status;

namespace Grid.Node.Objects;

/// <summary>Starts the shard region of objects.</summary>
internal static class ObjectSharding
{
    /// <summary>The region's type name.</summary>
    public const string TypeName = "object";

    /// <summary>The dispatcher of object actors (see <see cref="InlineRun"/>).</summary>
    public const string DispatcherId = "grid-object-dispatcher";

    /// <summary>Starts the region on this node.</summary>
    /// <param name="system">The actor system.</param>
    /// <param name="services">What objects use.</param>
    /// <param name="shardCount">Shards there are.</param>
    /// <param name="draining">The nodes that are about to leave.</param>
    /// <param name="answering">The nodes that stay and answer; null while a member cannot be reached.</param>
    public static IActorRef Start(ActorSystem system, ObjectServices services, int shardCount, Func<IReadOnlySet<Address>> draining, Func<IReadOnlySet<Address>?> answering)
    {
        // The extension first: it brings the defaults that the settings are read from.
        var sharding = ClusterSharding.Get(system);
        var settings = ClusterShardingSettings.Create(system);
        var (most, part) = (settings.TuningParameters.LeastShardAllocationAbsoluteLimit, settings.TuningParameters.LeastShardAllocationRelativeLimit);
        return sharding.Start(
            TypeName,
            entityId => EntityProps(services, entityId),
            settings,
            new Extractor(shardCount),
            new DrainAwareAllocation(ShardAllocationStrategy.LeastShardAllocationStrategy(most, part), draining, answering),
            StopObject.Instance);
    }

    private static Props EntityProps(ObjectServices services, string entityId)
    {
        if (!ObjectKey.TryParse(entityId, out var key)) throw new ArgumentException($"'{entityId}' is not an object's entity id");
        if (!services.Pools.TryGet(key.Pool, out var pool)) return Props.Create(() => new MissingPoolObject(key)).WithDispatcher(DispatcherId);
        return pool.Options.Kind == PoolKind.Persistent
            ? Props.Create(() => new PersistentObject(services, key, pool)).WithDispatcher(DispatcherId)
            : Props.Create(() => new EphemeralObject(services, key, pool)).WithDispatcher(DispatcherId);
    }

    /// <summary>Entity id = pool and object; shard id = the stable hash that clients compute too.</summary>
    private sealed class Extractor(int shardCount) : IMessageExtractor
    {
        public string? EntityId(object message) => message is Activate activate ? activate.Key.ToString() : null;

        public object? EntityMessage(object message) => message;

        public string? ShardId(object message) => message is Activate activate
            ? ShardHash.ShardOf(activate.Key, shardCount).ToString(System.Globalization.CultureInfo.InvariantCulture)
            : null;

        public string ShardId(string entityId, object? messageHint = null) => ObjectKey.TryParse(entityId, out var key)
            ? ShardHash.ShardOf(key, shardCount).ToString(System.Globalization.CultureInfo.InvariantCulture)
            : throw new ArgumentException($"'{entityId}' is not an object's entity id");
    }

    /// <summary>Stands in for an object whose pool this node does not know: says so and goes.</summary>
    private sealed class MissingPoolObject(ObjectKey key) : ActorBase
    {
        protected override bool Receive(object message)
        {
            if (message is Activate) Sender.Tell(new ActivationFailed(key, Status.NoSuchPool, $"pool {key.Pool} does not exist"));
            Context.Stop(Self);
            return true;
        }
    }
}
