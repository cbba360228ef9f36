namespace Grid.Node.Admin;

/// <summary>What /api/v1/drain answers: what the node does now.</summary>
/// <param name="Node">Its name.</param>
/// <param name="Peers">Other members that are up and reachable: they take over.</param>
/// <param name="TimeoutSeconds">After so long what has not ended is cut (grid.stop.timeout).</param>
/// <param name="AlreadyDraining">Whether somebody had asked before.</param>
/// <param name="What">The same in words.</param>
public sealed record DrainAnswer(string Node, int Peers, double TimeoutSeconds, bool AlreadyDraining, string What)
{
    /// <summary>The answer of a node with so many peers.</summary>
    public static DrainAnswer Of(string node, int peers, TimeSpan timeout, bool already) => new(node, peers, timeout.TotalSeconds, already, peers switch
    {
        0 => "answers what it has, commits, ends; nobody is there to take over",
        1 => "hands its shards over to the other node, sends its clients there, leaves the cluster, ends",
        _ => $"hands its shards over to {peers} other nodes, sends its clients there, leaves the cluster, ends",
    });
}
