using System.Collections.Concurrent;
using Akka.Cluster;

namespace Grid.Node.Pools;

/// <summary>
/// The nodes that this node saw removed a moment ago. A registry that starts here, because the one before it went with its node, must still wait for their leases.
/// </summary>
/// <param name="grace">How long a removed node counts.</param>
/// <param name="time">The clock.</param>
internal sealed class RemovedNodes(TimeSpan grace, TimeProvider time)
{
    private readonly ConcurrentDictionary<UniqueAddress, long> _removedAt = new();

    /// <summary>A node was removed just now.</summary>
    public void Add(UniqueAddress node)
    {
        foreach (var (old, at) in _removedAt)
            if (time.GetElapsedTime(at) >= grace) _removedAt.TryRemove(old, out _);
        _removedAt.TryAdd(node, time.GetTimestamp());
    }

    /// <summary>The nodes whose lease may still run, and for how long at most.</summary>
    public IEnumerable<(UniqueAddress Node, TimeSpan Left)> Recent()
    {
        foreach (var (node, at) in _removedAt)
            if (grace - time.GetElapsedTime(at) is var left && left > TimeSpan.Zero)
                yield return (node, left);
    }
}
