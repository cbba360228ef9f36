using Grid.Node.Cluster;

namespace Grid.Node.Admin;

/// <summary>Whether a node's serving lease runs.</summary>
public enum LeaseState
{
    /// <summary>It serves alone: nobody else could.</summary>
    Alone,

    /// <summary>A majority of the members answers its pings.</summary>
    Running,

    /// <summary>No majority has answered lately: it answers "not serving".</summary>
    Expired,

    /// <summary>It has handed everything over and leaves.</summary>
    Leaving,
}

/// <summary>Who serves what, as one node knows it.</summary>
public sealed record ClusterStatus
{
    /// <summary>Whether this node's lease runs.</summary>
    public required LeaseState Lease { get; init; }

    /// <summary>Milliseconds that the lease has left; null where the node is alone or has none.</summary>
    public long? LeaseLeftMilliseconds { get; init; }

    /// <summary>Members there were before fewer than half were left: a majority of so many must be up before anything is served. 0: none.</summary>
    public int MembersOwed { get; init; }

    /// <summary>Shards there are.</summary>
    public int ShardCount { get; init; }

    /// <summary>The members.</summary>
    public required IReadOnlyList<ClusterNodeStatus> Nodes { get; init; }

    /// <summary>Shards that wait to be opened here.</summary>
    public required IReadOnlyList<WaitingShard> Waiting { get; init; }

    internal static ClusterStatus Of(GuardPicture picture, bool isStopping, long nowMs) => new()
    {
        Lease = picture.DeadlineMs == long.MaxValue ? LeaseState.Alone : picture.DeadlineMs > nowMs ? LeaseState.Running : isStopping ? LeaseState.Leaving : LeaseState.Expired,
        LeaseLeftMilliseconds = picture.DeadlineMs == long.MaxValue || picture.DeadlineMs <= nowMs ? null : picture.DeadlineMs - nowMs,
        MembersOwed = picture.Owed,
        ShardCount = picture.ShardCount,
        Nodes = [.. picture.Nodes.Select(ClusterNodeStatus.Of)],
        Waiting = [.. picture.Waiting.Select(waiting => new WaitingShard(waiting.Shard, waiting.WaitsFor))],
    };
}

/// <summary>A member and what it serves.</summary>
public sealed record ClusterNodeStatus
{
    /// <summary>Its name; empty until it has said.</summary>
    public required string Name { get; init; }

    /// <summary>Its cluster address.</summary>
    public required string Address { get; init; }

    /// <summary>Where clients reach it.</summary>
    public required string DataAddress { get; init; }

    /// <summary>Its HTTP for operators.</summary>
    public required string AdminAddress { get; init; }

    /// <summary>Its program's version.</summary>
    public required string Version { get; init; }

    /// <summary>joining, up, draining, leaving or down.</summary>
    public required string Status { get; init; }

    /// <summary>Whether nobody misses it.</summary>
    public required bool Reachable { get; init; }

    /// <summary>Whether it is the node that answers.</summary>
    public required bool Self { get; init; }

    /// <summary>The shards it serves, as it said with its last ping.</summary>
    public required IReadOnlyList<int> Shards { get; init; }

    internal static ClusterNodeStatus Of(SeenNode node) => new()
    {
        Name = node.Card?.Name ?? "",
        Address = node.Node.Address,
        DataAddress = node.Card?.DataAddress ?? "",
        AdminAddress = node.Card?.AdminAddress ?? "",
        Version = node.Card?.Version ?? "",
        Status = node is { IsDraining: true, Standing: Standing.Up } ? "draining" : node.Word,
        Reachable = node.IsReachable,
        Self = node.IsSelf,
        Shards = node.Open is { } open ? [.. Enumerable.Range(0, open.Length).Where(shard => open[shard])] : [],
    };
}

/// <summary>A shard that waits to be opened, and the members whose answer is missing.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="WaitsFor">Their addresses.</param>
public sealed record WaitingShard(int Shard, IReadOnlyList<string> WaitsFor);
