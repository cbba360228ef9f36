namespace Grid.Node.Cluster.Formation;

/// <summary>How long things take while a cluster is looked for. Only <see cref="Stable"/> is a setting.</summary>
/// <param name="Stable">How long contacts must be the same, how long a promise holds, and how long a node that starts gives none.</param>
internal sealed record FormationTimes(TimeSpan Stable)
{
    /// <summary>What the asker counts of a promise, from when the question left: two clocks may run apart by a fifth.</summary>
    public const double CountedShare = 0.8;

    /// <summary>Contacts are asked this often.</summary>
    public TimeSpan AskEvery { get; init; } = TimeSpan.FromMilliseconds(Math.Clamp(Stable.TotalMilliseconds / 10, 100, 500));

    /// <summary>An answer says how things are for so long.</summary>
    public TimeSpan Fresh { get; init; } = Stable * 0.6;

    /// <summary>A cluster that is being joined and of which nothing is heard for so long is gone.</summary>
    public TimeSpan GiveUpAfter { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Names of members to join are told to Akka again at most this often.</summary>
    public TimeSpan JoinAgainAfter { get; init; } = TimeSpan.FromSeconds(5);
}
