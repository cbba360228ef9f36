using System.Globalization;
using Akka.Configuration;
using Grid.Node.Hosting;
using Grid.Protocol;

namespace Grid.Node.Cluster.Formation;

/// <summary>What all nodes of a cluster must agree about.</summary>
internal static class ClusterFacts
{
    private const string HandOff = "akka.cluster.sharding.handoff-timeout";

    /// <summary>The facts of a node.</summary>
    /// <param name="settings">Its settings.</param>
    /// <param name="akka">Akka's, the operator's overrides included.</param>
    public static IReadOnlyList<Fact> Of(GridSettings settings, Config akka) =>
    [
        new("grid.cluster.name", settings.Cluster.Name),
        new("grid.cluster.shards", $"{settings.Cluster.Shards}"),
        Fact.Range("the range of protocol versions", ProtocolLimits.MinVersion, settings.Gateway.NewestProtocol),
        new("the largest batch", $"{ProtocolLimits.MaxBatchPages} pages of {ProtocolLimits.MaxBatchBytes} bytes"),
        new("grid.journal.provider", $"{settings.Journal.Provider}".ToLowerInvariant()),
        Seconds("grid.cluster.lease.duration", settings.Cluster.Lease.Duration),
        Seconds("grid.cluster.lease.drift", settings.Cluster.Lease.Drift),
        Seconds("grid.cluster.lease.ping-interval", settings.Cluster.Lease.PingInterval),
        Seconds(HandOff, akka.GetTimeSpan(HandOff)),
    ];

    private static Fact Seconds(string name, TimeSpan value) => new(name, string.Create(CultureInfo.InvariantCulture, $"{value.TotalSeconds:0.###} s"));
}
