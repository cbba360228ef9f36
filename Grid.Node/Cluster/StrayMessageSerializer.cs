using System.Runtime.Serialization;
using Akka.Actor;
using Akka.Configuration;
using Akka.Serialization;
using Grid.Node.Admin;

namespace Grid.Node.Cluster;

/// <summary>
/// In the place of Akka's serializer for whatever has none of its own. The Grid's messages all have one, those that are meant to leave a node: any other is counted and not sent.
/// </summary>
internal sealed class StrayMessageSerializer : NewtonSoftJsonSerializer
{
    private readonly ClusterTraffic _traffic;

    /// <summary>Created by Akka.</summary>
    /// <param name="system">The actor system.</param>
    /// <param name="config">The settings of the one it stands for.</param>
    public StrayMessageSerializer(ExtendedActorSystem system, Config config)
        : base(system, config)
    {
        _traffic = ClusterTraffic.Of(system);
    }

    /// <summary>What every node needs in Akka's configuration from the start.</summary>
    public static Config Configuration { get; } = ConfigurationFactory.ParseString($"akka.actor.serializers.json = \"{typeof(StrayMessageSerializer).AssemblyQualifiedName}\"");

    /// <summary>The number of the one it stands for: on the wire nothing differs.</summary>
    public override int Identifier => 1;

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj)
    {
        if (obj.GetType().Assembly != typeof(StrayMessageSerializer).Assembly) return base.ToBinary(obj);
        _traffic.CountRefused(obj);
        throw new SerializationException($"{obj.GetType()} must not leave its node: it has no serializer");
    }
}
