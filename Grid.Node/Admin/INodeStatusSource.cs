using Grid.Protocol;

namespace Grid.Node.Admin;

/// <summary>What a node knows of itself. Everything answers at once from what is known; nothing waits or throws.</summary>
public interface INodeStatusSource
{
    /// <summary>The memory.</summary>
    MemoryStatus Memory();

    /// <summary>Members of the cluster as this node sees them.</summary>
    IReadOnlyList<MemberStatus> Members();

    /// <summary>Who serves what, as this node knows it.</summary>
    ClusterStatus Cluster();

    /// <summary>The pools that this node knows.</summary>
    IReadOnlyList<PoolInfo> Pools();

    /// <summary>Objects with an actor on this node.</summary>
    long Objects();
}

/// <summary>The node's memory.</summary>
/// <param name="LimitBytes">What the process keeps to.</param>
/// <param name="UsedBytes">What is counted against it: slabs, index, buffers.</param>
/// <param name="StoredBytes">Bytes of the pages held, as stored.</param>
/// <param name="Pages">Pages held.</param>
/// <param name="Frames">Frames there are.</param>
/// <param name="FramesUsed">Frames that hold a page.</param>
/// <param name="Evictions">Ephemeral pages evicted since the start.</param>
public readonly record struct MemoryStatus(long LimitBytes, long UsedBytes, long StoredBytes, long Pages, long Frames, long FramesUsed, long Evictions);

/// <summary>A member of the cluster.</summary>
/// <param name="Address">Its cluster address.</param>
/// <param name="Status">Akka's word for its state: Joining, Up, Leaving, Exiting, Down, Removed.</param>
/// <param name="Reachable">Whether this node sees it.</param>
/// <param name="Self">Whether it is this node.</param>
public sealed record MemberStatus(string Address, string Status, bool Reachable, bool Self);
