using System.Collections;

namespace Grid.Node.Cluster;

/// <summary>What the guards of a cluster's nodes tell each other. Small, on the cluster channel; losing, repeating or delaying any of them is harmless.</summary>
internal abstract record GuardMessage;

/// <summary>Asks whether the sender still belongs, and tells the others about it.</summary>
/// <param name="To">The life of the node that is asked.</param>
/// <param name="Number">Grows with every ping.</param>
/// <param name="Card">Who the sender is.</param>
/// <param name="Open">The shards it serves, a bit each.</param>
/// <param name="IsDraining">Whether it is about to leave: no shard should go there any more.</param>
internal sealed record Ping(ClusterNode To, long Number, NodeCard Card, BitArray Open, bool IsDraining) : GuardMessage;

/// <summary>The answer: the pinger was a member, neither down nor unreachable, in a view taken after the ping came.</summary>
/// <param name="To">The pinger.</param>
/// <param name="Number">The ping's.</param>
internal sealed record Pong(ClusterNode To, long Number) : GuardMessage;

/// <summary>Asks to be the one that serves a shard.</summary>
/// <param name="To">The life of the node that is asked.</param>
/// <param name="Shard">The shard.</param>
/// <param name="Incarnation">The shard's life on the asking node.</param>
internal sealed record Claim(ClusterNode To, int Shard, ulong Incarnation) : GuardMessage;

/// <summary>The answer: the sender has no live object of the shard, and opens the shard itself only with a claim of its own.</summary>
/// <param name="To">The claimer.</param>
/// <param name="Shard">The shard.</param>
/// <param name="Incarnation">The claim's.</param>
/// <param name="Holder">The member that the sender granted the shard to before, if it is another.</param>
/// <param name="Witnessed">When the sender last answered pings of nodes that are down or were removed a while ago.</param>
/// <param name="IsWarm">Whether the sender keeps pages of the shard's objects for the claimed life.</param>
internal sealed record Grant(ClusterNode To, int Shard, ulong Incarnation, ClusterNode? Holder, IReadOnlyList<Witness> Witnessed, bool IsWarm) : GuardMessage;

/// <summary>The sender leaves: it serves nothing and never will again.</summary>
internal sealed record Parting : GuardMessage
{
    public static Parting Instance { get; } = new();
}

/// <summary>When a node last answered a ping of another one that is gone.</summary>
/// <param name="Node">The one that is gone.</param>
/// <param name="AgoMs">How long ago; <see cref="long.MaxValue"/>: not as far as is remembered, which is longer than any lease.</param>
internal readonly record struct Witness(ClusterNode Node, long AgoMs);

/// <summary>What a node tells of itself with every ping.</summary>
/// <param name="Name">Its name.</param>
/// <param name="DataAddress">Where clients reach it, <c>host:port</c>.</param>
/// <param name="AdminAddress">Its HTTP for operators, <c>host:port</c>.</param>
/// <param name="Version">The program's version.</param>
internal sealed record NodeCard(string Name, string DataAddress, string AdminAddress, string Version);
