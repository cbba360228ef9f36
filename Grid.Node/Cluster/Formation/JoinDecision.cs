namespace Grid.Node.Cluster.Formation;

/// <summary>What a node is to do about its cluster now.</summary>
internal abstract record JoinDecision
{
    private JoinDecision()
    {
    }

    /// <summary>Go on asking.</summary>
    /// <param name="Why">What it waits for.</param>
    public sealed record Wait(string Why) : JoinDecision;

    /// <summary>Form a cluster: join itself.</summary>
    public sealed record Form : JoinDecision;

    /// <summary>Join the cluster of these members.</summary>
    /// <param name="Members">Whole addresses, never the node's own.</param>
    public sealed record Join(IReadOnlyList<string> Members) : JoinDecision;

    /// <summary>It is a member of an established cluster.</summary>
    public sealed record Serve : JoinDecision;

    /// <summary>Other nodes have other settings: end.</summary>
    /// <param name="Why">Setting, values, the other node.</param>
    public sealed record Refuse(string Why) : JoinDecision;

    /// <summary>The cluster it was joining is gone: end the process, which must not join another one in this run.</summary>
    /// <param name="Why">Which, and what was heard last.</param>
    public sealed record GiveUp(string Why) : JoinDecision;
}
