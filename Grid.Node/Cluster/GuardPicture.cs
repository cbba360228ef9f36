using System.Collections;
using Grid.Protocol;

namespace Grid.Node.Cluster;

/// <summary>A member as a node's guard sees it.</summary>
/// <param name="Node">The member.</param>
/// <param name="Standing">How far it is.</param>
/// <param name="IsReachable">Whether nobody misses it.</param>
/// <param name="IsSelf">Whether it is this node.</param>
/// <param name="IsDraining">Whether it is about to leave.</param>
/// <param name="Card">What it said of itself; null: nothing yet.</param>
/// <param name="Open">The shards it said it serves.</param>
internal sealed record SeenNode(ClusterNode Node, Standing Standing, bool IsReachable, bool IsSelf, bool IsDraining, NodeCard? Card, BitArray? Open)
{
    /// <summary>The word for its standing, on the wire and in JSON.</summary>
    public string Word => Standing switch
    {
        Standing.Joining => "joining",
        Standing.Up => "up",
        Standing.Leaving => "leaving",
        _ => "down",
    };
}

/// <summary>What a node's guard knew at one instant.</summary>
/// <param name="Nodes">The members, by address.</param>
/// <param name="DeadlineMs">Until when this node serves, in <see cref="Environment.TickCount64"/> milliseconds; <see cref="long.MaxValue"/>: it is alone.</param>
/// <param name="Owed">Members there were before a downing left fewer than half; 0: none.</param>
/// <param name="Waiting">Shards that wait to open here, and for whose answers.</param>
/// <param name="ShardCount">Shards there are.</param>
/// <param name="Parted">Nodes that said that they serve nothing any more.</param>
internal sealed record GuardPicture(
    IReadOnlyList<SeenNode> Nodes, long DeadlineMs, int Owed, IReadOnlyList<(int Shard, IReadOnlyList<string> WaitsFor)> Waiting, int ShardCount, IReadOnlySet<ClusterNode> Parted)
{
    public static GuardPicture None { get; } = new([], long.MinValue, 0, [], 0, new HashSet<ClusterNode>());

    /// <summary>Who serves which shard, as the nodes said with their last pings; a hint.</summary>
    public Topology ToTopology()
    {
        var nodes = new List<TopologyNode>();
        var owners = new int[ShardCount];
        Array.Fill(owners, -1);
        foreach (var node in Nodes)
        {
            if (node.Card is not { } card) continue;
            for (var shard = 0; shard < Math.Min(ShardCount, node.Open?.Length ?? 0); shard++)
                if (node.Open![shard]) owners[shard] = nodes.Count;
            nodes.Add(new TopologyNode(card.Name, card.DataAddress, !node.IsReachable ? "unreachable" : node.IsDraining ? "draining" : node.Word));
        }

        return new Topology(nodes, owners);
    }
}
