namespace Grid.Node.Cluster;

/// <summary>When this node last answered each other one's pings: what it can witness about a lease that is to have run out.</summary>
/// <param name="timings">The durations.</param>
internal sealed class PingBook(LeaseTimings timings)
{
    private readonly Dictionary<ClusterNode, long> _answeredMs = [];

    /// <summary>Whether a ping is answered, by a view that was taken after it came; notes the answer.</summary>
    public bool Answers(ClusterNode pinger, ClusterView view, long nowMs)
    {
        if (!view.Vouches(pinger)) return false;
        _answeredMs[pinger] = nowMs;
        return true;
    }

    /// <summary>How long ago a node was answered last.</summary>
    public long AgoMs(ClusterNode node, long nowMs) => _answeredMs.TryGetValue(node, out var at) ? nowMs - at : long.MaxValue;

    /// <summary>What can be said of nodes that are down or no members any more.</summary>
    public IReadOnlyList<Witness> Witnessed(ClusterView view, long nowMs)
    {
        foreach (var (node, at) in _answeredMs)
            if (!view.Has(node) && nowMs - at > 2 * timings.OverAfterMs) _answeredMs.Remove(node);
        return [.. from entry in _answeredMs where !view.Vouches(entry.Key) select new Witness(entry.Key, nowMs - entry.Value)];
    }
}
