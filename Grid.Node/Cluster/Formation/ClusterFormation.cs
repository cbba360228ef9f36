using Akka.Actor;
using Akka.Configuration;
using Akka.Discovery;
using Grid.Node.Hosting;
using Microsoft.Extensions.Logging;
using AkkaCluster = Akka.Cluster.Cluster;

namespace Grid.Node.Cluster.Formation;

/// <summary>Brings a node into its cluster.</summary>
internal static class ClusterFormation
{
    private const string CloseDoor = "close-grid-door";

    /// <summary>Finds the cluster that the settings name and joins it, or forms it; returns once this node is an Up member of an established cluster.</summary>
    /// <param name="system">The actor system; its provider is the cluster's.</param>
    /// <param name="settings">The node's settings.</param>
    /// <param name="loggers">The log.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="StartupException">The cluster has other settings, or did not take this node.</exception>
    public static async Task JoinAsync(ActorSystem system, GridSettings settings, ILoggerFactory loggers, CancellationToken cancellation)
    {
        var cluster = AkkaCluster.Get(system);
        var log = loggers.CreateLogger("Grid.Cluster");
        var formation = settings.Cluster.Formation;
        var self = new Incarnation(cluster.SelfAddress.ToString(), cluster.SelfUniqueAddress.Uid);
        string[] seeds = [.. settings.Cluster.SeedNodes.Select(seed => Address.Parse($"akka.tcp://{settings.Cluster.Name}@{seed}").ToString())];
        var alone = formation.Service.Length == 0 && seeds.All(seed => seed == self.Address);
        var service = formation.Service.Length == 0 ? null
            : new ServiceLine(Discovery.Get(system).LoadServiceDiscovery(FormationConfig.DiscoveryMethod), formation.Service, log);
        IContactLine line = service != null ? service : new SeedLine(system, seeds);
        var electorate = service != null ? Electorate.OfService(formation.Service, formation.Contacts) : Electorate.Listed(seeds, formation.Contacts);
        var serve = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        if (alone)
        {
            cluster.RegisterOnMemberUp(() => serve.TrySetResult());
#pragma warning disable VSTHRD103 // It does not block.
            cluster.Join(cluster.SelfAddress);
#pragma warning restore VSTHRD103
        }

        var times = new FormationTimes(formation.Stable);
        var facts = ClusterFacts.Of(settings, system.Settings.Config);
        var decider = new Func<TimeSpan, JoinDecider>(now =>
        {
            var made = new JoinDecider(self, facts, electorate, times, Random.Shared, now);
            if (alone) made.Settle();
            return made;
        });
        var door = system.ActorOf(Props.Create(() => new ClusterDoor(decider, line, times, TimeProvider.System, serve, log)), ClusterDoor.Name);
        if (service != null)
        {
            var server = await ContactServer.StartAsync(settings.Cluster, door, loggers, cancellation);
            CoordinatedShutdown.Get(system).AddTask(CoordinatedShutdown.PhaseServiceStop, CloseDoor, async () =>
            {
                await server.DisposeAsync();
                service.Dispose();
                return Akka.Done.Instance;
            });
        }

        await serve.Task.WaitAsync(cancellation);
    }
}
