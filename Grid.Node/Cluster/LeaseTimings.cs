namespace Grid.Node.Cluster;

/// <summary>The durations that the proof of one owner rests on (docs/consistency.md); the same on every node of a cluster.</summary>
/// <param name="DurationMs">How long a node may serve after a ping left that a majority answered.</param>
/// <param name="DriftMs">What clocks may go apart in that time, and the grain of the clock that objects read.</param>
/// <param name="PingIntervalMs">How often a node pings the others.</param>
internal sealed record LeaseTimings(long DurationMs, long DriftMs, long PingIntervalMs)
{
    /// <summary>What the settings default to.</summary>
    public static LeaseTimings Default { get; } = new(2000, 250, 400);

    /// <summary>After so long without an answer to its pings, no node serves any more.</summary>
    public long OverAfterMs => DurationMs + DriftMs;

    /// <summary>After so long a claim or a ping that was not answered is sent again.</summary>
    public long AgainAfterMs => PingIntervalMs / 2;
}
