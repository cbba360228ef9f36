namespace Grid.Node.Cluster.Formation;

/// <summary>What a node sees of its cluster at one moment.</summary>
/// <param name="IsUp">Whether it is an Up member itself.</param>
/// <param name="Members">All members, whatever their status; empty while it is in no cluster.</param>
/// <param name="Up">Those that are Up and that it reaches, itself included.</param>
internal sealed record Sight(bool IsUp, IReadOnlyList<Incarnation> Members, IReadOnlyList<Incarnation> Up)
{
    /// <summary>In no cluster.</summary>
    public static Sight Nothing { get; } = new(false, [], []);
}
