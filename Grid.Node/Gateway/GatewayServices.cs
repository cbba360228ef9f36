using Akka.Actor;
using Grid.Node.Admin;
using Grid.Node.Hosting;
using Grid.Node.Objects;
using Grid.Node.Pools;
using Grid.Protocol;

namespace Grid.Node.Gateway;

/// <summary>What every connection of a node's gateway uses.</summary>
internal sealed class GatewayServices
{
    /// <summary>The objects of this node.</summary>
    public required ObjectServices Objects { get; init; }

    /// <summary>The pool registry.</summary>
    public required IPools Pools { get; init; }

    /// <summary>Who brings objects to life that are not in the registry.</summary>
    public required IActorRef Activations { get; init; }

    /// <summary>The clients' sessions.</summary>
    public SessionTable Sessions { get; } = new();

    /// <summary>The open connections.</summary>
    public required ConnectionTable Connections { get; init; }

    /// <summary>The settings.</summary>
    public required GatewaySettings Limits { get; init; }

    /// <summary>What this node says of itself in a hello; the address is filled in once it is known.</summary>
    public required Func<HelloAnswer> Hello { get; init; }

    /// <summary>Nodes and owners of shards.</summary>
    public required Func<Topology> Topology { get; init; }

    /// <summary>Asks other nodes for clients that can reach this one only.</summary>
    public required Forwarder Forwarder { get; init; }

    /// <summary>Counts and latencies.</summary>
    public required GridMetrics Metrics { get; init; }
}
