using Akka.Actor;
using Akka.Cluster.Tools.Singleton;
using Akka.Configuration;
using Akka.Pattern;
using Grid.Node.Hosting;
using Grid.Protocol;
using Status = Grid.Protocol.Status;

namespace Grid.Node.Pools;

/// <summary>What <see cref="PoolsSetup.Start"/> started.</summary>
/// <param name="View">The pools as this node knows them.</param>
/// <param name="Pools">The pools for gateways.</param>
/// <param name="Ready">Completes when the registry's state has arrived here: before that the node serves nothing.</param>
/// <param name="ViewActor">Keeps the view.</param>
/// <param name="Manager">Runs the registry where this is its node.</param>
/// <param name="Proxy">The way to the registry, wherever it is.</param>
internal sealed record PoolsHandles(PoolView View, IPools Pools, Task Ready, IActorRef ViewActor, IActorRef Manager, IActorRef Proxy);

/// <summary>Starts a node's part of the pools.</summary>
internal static class PoolsSetup
{
    private const string ManagerName = "grid-pools";
    private const string SingletonName = "registry";

    /// <summary>
    /// What every actor system that uses the pools needs in its configuration from the start: how their messages and events are serialized, and those of the
    /// cluster singleton.
    /// </summary>
    public static Config Configuration { get; } = ConfigurationFactory.ParseString($$"""
        akka.actor {
          serializers {
            grid-pool-events = "{{typeof(PoolEventSerializer).AssemblyQualifiedName}}"
            grid-pool-messages = "{{typeof(PoolMessageSerializer).AssemblyQualifiedName}}"
          }
          serialization-bindings {
            {{Bindings(EventTypes, "grid-pool-events")}}
            {{Bindings(PoolMessageSerializer.Types, "grid-pool-messages")}}
          }
        }
        # It warns of every start that it has not found the registry "after 30 seconds", at once.
        akka.cluster.singleton-proxy.log-singleton-identification-failure = off
        """).WithFallback(HoconText.ActorSection(ClusterSingleton.DefaultConfig()));

    private static IEnumerable<Type> EventTypes => typeof(PoolEvent).GetNestedTypes().Where(type => type.IsSubclassOf(typeof(PoolEvent)));

    /// <summary>Starts the registry's manager, the way to it, and this node's view.</summary>
    /// <param name="system">The actor system; its provider is the cluster's.</param>
    /// <param name="settings">The settings.</param>
    /// <param name="view">The node's view, empty still.</param>
    public static PoolsHandles Start(ActorSystem system, PoolsSettings settings, PoolView view)
    {
        var removed = new RemovedNodes(settings.RemovedGrace, settings.Time);
        var ready = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var manager = system.ActorOf(
            ClusterSingletonManager.Props(
                RegistryProps(settings, removed),
                StopRegistry.Instance,
                ClusterSingletonManagerSettings.Create(system).WithSingletonName(SingletonName).WithRole(settings.Role)),
            ManagerName);
        var proxy = system.ActorOf(
            ClusterSingletonProxy.Props(
                $"/user/{ManagerName}", ClusterSingletonProxySettings.Create(system).WithSingletonName(SingletonName).WithRole(settings.Role)),
            $"{ManagerName}-proxy");
        system.ActorOf(Props.Create(() => new LostCommands()), $"{ManagerName}-lost");
        var viewActor = system.ActorOf(Props.Create(() => new PoolViewActor(settings, view, removed, proxy, ready)), PoolViewActor.Name);
        return new PoolsHandles(view, new PoolsFacade(system, settings, view, proxy), ready.Task, viewActor, manager, proxy);
    }

    /// <summary>The registry under a supervisor that starts it again, with growing pauses, for as long as it takes.</summary>
    private static Props RegistryProps(PoolsSettings settings, RemovedNodes removed) => BackoffSupervisor.Props(
        Backoff.OnStop(
                Props.Create(() => new PoolRegistryActor(settings, removed)), "pools", settings.MinBackoff, settings.MaxBackoff, randomFactor: 0.2, maxNrOfRetries: -1)
            .WithDefaultStoppingStrategy()
            .WithAutoReset(settings.MaxBackoff * 2)
            .WithReplyWhileStopped(new PoolReply(Status.NotServing, "the pool registry could not reach its journal and starts again", null))
            .WithFinalStopMessage(message => message is StopRegistry));

    private static string Bindings(IEnumerable<Type> types, string serializer) =>
        string.Join('\n', types.Select(type => $"\"{type.FullName}, {type.Assembly.GetName().Name}\" = {serializer}"));
}
