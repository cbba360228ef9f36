using Akka.Cluster.Sharding;
using Akka.Configuration;
using Akka.DistributedData;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Hosting;

/// <summary>Akka's configuration of a node: operator's overrides over what follows from <see cref="GridSettings"/> over akka.conf.</summary>
internal static class AkkaConfig
{
    private const string RegionPhase = "akka.coordinated-shutdown.phases.cluster-sharding-shutdown-region.timeout";

    /// <summary>Builds it.</summary>
    /// <param name="settings">The node's settings.</param>
    /// <param name="parts">What parts of the node add, e.g. the journal's plugin.</param>
    /// <exception cref="StartupException">Timings contradict each other.</exception>
    public static Config Build(GridSettings settings, params ReadOnlySpan<Config> parts)
    {
        var config = new Config(HoconText.Parse(SettingLayers.Resource("akka.conf"), "akka.conf"));
        config = config.WithFallback(HoconText.ActorSection(ClusterSharding.DefaultConfig())).WithFallback(HoconText.ActorSection(DistributedData.DefaultConfig()));
        foreach (var part in parts) config = part.WithFallback(config);
        config = settings.AkkaOverrides.WithFallback(FromSettings(settings).WithFallback(config));
        CheckTimings(settings, config);
        return config;
    }

    /// <summary>
    /// How long a node that leaves gives its shards away a few at a time: a quarter of the stop's time at most, and never so long that what follows (the region's shutdown, and a quarter for
    /// clients and kept pages) would be cut.
    /// </summary>
    /// <param name="stop">The stop's settings.</param>
    /// <param name="config">Akka's configuration.</param>
    public static TimeSpan ShardsPatience(StopSettings stop, Config config)
    {
        var left = stop.Timeout - config.GetTimeSpan(RegionPhase) - stop.Part - TimeSpan.FromSeconds(2);
        return left < TimeSpan.Zero ? TimeSpan.Zero : left < stop.Part ? left : stop.Part;
    }

    private static Config FromSettings(GridSettings settings)
    {
        var cluster = settings.Cluster;
        var text = $$"""
            akka {
              loglevel = {{LevelName(settings.Log.AkkaLevel)}}
              remote.dot-netty.tcp { hostname = {{HoconText.Quote(cluster.BindHost)}}, public-hostname = {{HoconText.Quote(cluster.Host)}}, port = {{cluster.Port}} }
              cluster.sharding.number-of-shards = {{cluster.Shards}}
            }
            """;
        return new Config(HoconText.Parse(text, "settings"));
    }

    private static string LevelName(LogLevel level)
    {
        return level switch
        {
            LogLevel.Trace or LogLevel.Debug => "DEBUG",
            LogLevel.Information => "INFO",
            LogLevel.Warning => "WARNING",
            _ => "ERROR",
        };
    }

    private static void CheckTimings(GridSettings settings, Config config)
    {
        const string handoff = "akka.cluster.sharding.handoff-timeout";
        var handoffTimeout = config.GetTimeSpan(handoff);
        var phaseTimeout = config.GetTimeSpan(RegionPhase);
        if (phaseTimeout <= handoffTimeout)
            throw StartupException.Setting($"{RegionPhase} ({phaseTimeout.TotalSeconds:0.#} s) must be longer than {handoff} ({handoffTimeout.TotalSeconds:0.#} s)");
        const string part = "akka.coordinated-shutdown.phases.grid-part.timeout";
        var partTimeout = config.GetTimeSpan(part);
        if (partTimeout < settings.Stop.Part + TimeSpan.FromSeconds(3))
            throw StartupException.Setting($"{part} ({partTimeout.TotalSeconds:0.#} s) must be 3 s longer than a quarter of grid.stop.timeout ({settings.Stop.Timeout.TotalSeconds:0.#} s)");
        if (settings.Stop.Timeout <= phaseTimeout)
            throw StartupException.Setting($"grid.stop.timeout ({settings.Stop.Timeout.TotalSeconds:0.#} s) must be longer than {RegionPhase} ({phaseTimeout.TotalSeconds:0.#} s)");
    }
}
