using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Cluster;
using Akka.Configuration;
using Grid.Node.Admin;
using Grid.Node.Cluster;
using Grid.Node.Cluster.Formation;
using Grid.Node.Gateway;
using Grid.Node.Journal;
using Grid.Node.Memory;
using Grid.Node.Objects;
using Grid.Node.Pools;
using Grid.Protocol;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;
using AkkaCluster = Akka.Cluster.Cluster;
using MemberStatus = Grid.Node.Admin.MemberStatus;

namespace Grid.Node.Hosting;

/// <summary>The parts of one node, put together in the order they need each other and taken apart in the opposite order.</summary>
internal sealed class GridNode : INodeStatusSource
{
    /// <summary>How long an object's failed writer rests before the next one starts.</summary>
    /// <summary>How long the other nodes, which are asked last to go, may take for that.</summary>
    private static readonly TimeSpan PeersPatience = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan WriterBackoff = TimeSpan.FromSeconds(1);

    /// <summary>What the runtime and its heap take of the memory limit before the first page and the first connection.</summary>
    private const long RuntimeBytes = 64L << 20;

    private readonly GridSettings _settings;
    private readonly ILoggerFactory _loggers;
    private readonly TaskCompletionSource<int> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly GridMetrics _metrics;
    private readonly PageStore _store;
    private readonly GatewayConnectionHandler _door;
    private readonly JournalOptions _journalOptions;
    private readonly JournalReader _journal;
    private readonly JournalHealth _health;
    private readonly ClusterTraffic _traffic = new();
    private readonly ConnectionTable _connections = new();
    private readonly PoolView _pools = new();
    private readonly long _startedMs = Environment.TickCount64;
    private ObjectServices? _objects;
    private ActorSystem? _system;
    private AkkaCluster? _cluster;
    private GuardParts? _guard;
    private readonly PeerClients _peers = new();
    private TopologyWatch? _topology;
    private volatile bool _stopping;

    /// <summary>A node that has not started.</summary>
    public GridNode(GridSettings settings, Readiness readiness, GridMetrics metrics, ILoggerFactory loggers)
    {
        (_settings, _metrics, _loggers) = (settings, metrics, loggers);
        _store = new PageStore(new PageStoreOptions(settings.Memory.LimitBytes));
        _store.Reserve(Math.Min(RuntimeBytes, settings.Memory.LimitBytes / 4));
        _door = new GatewayConnectionHandler(settings.Gateway.MaxConnections, loggers.CreateLogger("Grid.Gateway"));
        _journalOptions = settings.Journal.ToOptions();
        _journal = new JournalReader(_journalOptions);
        _health = new JournalHealth(metrics, _journal.ProbeAsync, cancellation => _journal.HighestSequenceNrAsync(JournalIds.Pools, cancellation));
        _journal.OnUnavailable = _health.Down;
        metrics.ObserveTraffic(_traffic);
        readiness.Add("cluster", CheckCluster);
        readiness.Add("journal", _health.Check);
        readiness.Add("pools", () => _pools.IsReady ? ReadinessResult.Ok($"{_pools.Count} pools") : ReadinessResult.NotReady("the pool registry has not answered yet"));
    }

    /// <summary>Completes with the exit code when the node ends by itself: removed from the cluster, or failed.</summary>
    public Task<int> Ended => _ended.Task;

    /// <summary>The port of the control plane, once started.</summary>
    public int ClusterPort { get; private set; }

    /// <summary>Starts every part; returns when the node serves.</summary>
    /// <param name="publicAddress">What clients are told for this node's data plane.</param>
    /// <param name="adminAddress">Where its HTTP for operators is.</param>
    /// <param name="cancellation">Gives up.</param>
    public async Task StartAsync(string publicAddress, string adminAddress, CancellationToken cancellation)
    {
        var config = AkkaConfig.Build(_settings, JournalConfig.Akka(_journalOptions), PoolsSetup.Configuration, GuardParts.Configuration, StrayMessageSerializer.Configuration, FormationConfig.Akka(_settings.Cluster.Formation));
        await EnsureJournalAsync(config, cancellation);
        await ProbeClusterPortAsync(_settings.Cluster, cancellation);
        var setup = ActorSystemSetup.Create(BootstrapSetup.Create().WithConfig(config), new LoggerFactorySetup(_loggers), _traffic, JournalConfig.Setup(_journalOptions));
        _system = ActorSystem.Create(_settings.Cluster.Name, setup);
        _cluster = AkkaCluster.Get(_system);
        ClusterPort = _cluster.SelfAddress.Port ?? 0;
        WatchEnd(_system);
        var shards = new ShardTable(_settings.Cluster.Shards, _loggers.CreateLogger("Grid.Shards"));
        _objects = new ObjectServices
        {
            Store = _store,
            Shards = shards,
            Aside = new KeptAside(_store, _settings.Cluster.HandOff),
            Pull = new WarmPull(_settings.Cluster.HandOff, _peers, _loggers.CreateLogger("Grid.HandOff")),
            Whereabouts = new ShardWhereabouts(shards),
            HasPeers = () => HasPeers,
            Pools = _pools,
            Journal = _journal,
            Health = _health,
            CleaningTurns = new CleaningTurns(_settings.Journal.CleanAtOnce),
            Limits = new ObjectLimits(_settings.Journal.EventTargetBytes, WriterBackoff, UpkeepLimits()),
            DataAddress = publicAddress,
        };
        _guard = Guard(_objects, shards, publicAddress, adminAddress);
        _objects.Guard = _guard.Start(_system);
        RegisterLeaving(_system, _objects.Guard);
        var warm = _settings.Cluster.IsAlone ? Task.CompletedTask : JournalWarmUp.RunAsync(_system, _journal, _journalOptions.ReadThreads, _loggers.CreateLogger("Grid.Journal"));
        await ClusterFormation.JoinAsync(_system, _settings, _loggers, cancellation);
        await warm.WaitAsync(cancellation);
        var pools = PoolsSetup.Start(_system, PoolsSettings(), _pools);
        await pools.Ready.WaitAsync(cancellation);
        StartServing(_system, _objects, pools.Pools, publicAddress);
    }

    private static async Task ProbeClusterPortAsync(ClusterSettings cluster, CancellationToken cancellation)
    {
        var setting = cluster.BindHost == cluster.Host ? "grid.cluster.host" : "grid.cluster.bind-host";
        Binding.Probe(setting, await Binding.ResolveAsync(setting, cluster.BindHost, cluster.Port, cancellation));
    }

    private GuardParts Guard(ObjectServices objects, ShardTable shards, string publicAddress, string adminAddress)
    {
        var timings = _settings.Cluster.Lease.ToTimings();
        return new GuardParts
        {
            Timings = timings,
            Table = shards,
            Card = new NodeCard(_settings.Node.Name, publicAddress, adminAddress, ProgramVersion.Text),
            // One of a cluster that was there before may still have a lease; a node that is always alone has none to wait for.
            MayServeFromMs = _settings.Cluster.IsAlone ? long.MinValue : _startedMs + timings.OverAfterMs,
            NewIncarnation = objects.NextIncarnation,
            KeepsFor = objects.Aside.Bind,
            OnClosed = objects.EndObjects,
        };
    }

    /// <summary>
    /// How a node leaves others behind: its shards are handed off first, while it still serves; then its clients are asked to go; then it tells the other guards that
    /// it serves nothing any more, so that no claim waits for it, and leaves the cluster.
    /// </summary>
    private void RegisterLeaving(ActorSystem system, IActorRef guard)
    {
        var shutdown = CoordinatedShutdown.Get(system);
        shutdown.AddTask(CoordinatedShutdown.PhaseClusterShardingShutdownRegion, "grid-end-objects", async () =>
        {
            await EndWhatIsNotHandedOffAsync(_objects!, shutdown.Timeout(CoordinatedShutdown.PhaseClusterShardingShutdownRegion));
            return Akka.Done.Instance;
        });
        shutdown.AddTask("grid-part", "grid-part", async () =>
        {
            var objects = _objects!;
            objects.IsLeaving = true;
            await Task.WhenAll(_connections.DrainAsync(_settings.Stop.Part, CancellationToken.None), KeptAreFetchedAsync(objects.Aside, _settings.Stop.Part));
            await guard.Ask<PartNow>(PartNow.Instance, TimeSpan.FromSeconds(2));
            return Akka.Done.Instance;
        });
    }

    /// <summary>
    /// A hand-off wants every node's word. Where one does not give it in time, the region is stopped with all that lives in it, and what was being written would end unknown: before that the objects are
    /// asked to end what they have begun, and begin nothing more.
    /// </summary>
    private static async Task EndWhatIsNotHandedOffAsync(ObjectServices objects, TimeSpan phase)
    {
        // Akka stops the region a second before the phase ends.
        await WhileAsync(() => objects.Shards.InhabitedCount > 0, phase - TimeSpan.FromSeconds(2.5), CancellationToken.None);
        if (objects.Shards.InhabitedCount == 0) return;
        objects.IsLeaving = true;
        objects.EndObjects(life: null);
        await WhileAsync(() => objects.Shards.InhabitedCount > 0, TimeSpan.FromSeconds(1), CancellationToken.None);
    }

    /// <summary>Waits until the others have fetched what this node keeps for them; what they do not come for in time is dropped.</summary>
    private static Task KeptAreFetchedAsync(KeptAside aside, TimeSpan patience) => WhileAsync(() => aside.Count > 0, patience, CancellationToken.None);

    private static async Task WhileAsync(Func<bool> holds, TimeSpan patience, CancellationToken cancellation)
    {
        var deadline = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        while (holds() && Environment.TickCount64 < deadline) await Task.Delay(20, cancellation);
    }

    /// <summary>
    /// Tells the others that this node is about to leave and waits until the shards that objects live in have gone to them, few at a time (<see cref="DrainAwareAllocation"/>). What has not gone
    /// in time is handed off with everything else when the region shuts down.
    /// </summary>
    private async Task ShardsHaveMovedAsync(ObjectServices objects, Akka.Configuration.Config config, CancellationToken cancellation)
    {
        try
        {
            await objects.Guard.Ask<DrainNow>(DrainNow.Instance, TimeSpan.FromSeconds(2), cancellation);
        }
        catch (AskTimeoutException)
        {
            // A guard that has failed serves nothing: there is nothing to give away.
            return;
        }

        // Whoever allocates shards should know before the hand-off begins.
        await Task.Delay(_settings.Cluster.Lease.PingInterval / 2, cancellation);
        await WhileAsync(() => objects.Shards.InhabitedCount > 0 && Peers().Count > 0, AkkaConfig.ShardsPatience(_settings.Stop, config), cancellation);
    }

    /// <summary>The nodes that are about to leave, as their regions' references name them: this one's own has no host.</summary>
    private IReadOnlySet<Address> Draining() => (from node in _guard!.Picture.Nodes where node.IsDraining select RegionAddress(node)).ToHashSet();

    private IReadOnlySet<Address>? Answering()
    {
        var nodes = _guard!.Picture.Nodes;
        return nodes.All(node => node.IsReachable) ? (from node in nodes where node.Standing == Standing.Up select RegionAddress(node)).ToHashSet() : null;
    }

    private Address RegionAddress(SeenNode node) => node.IsSelf ? new Address("akka", _settings.Cluster.Name) : Address.Parse(node.Node.Address);

    private IReadOnlyList<Address> Peers() =>
        [.. from node in _guard!.Picture.Nodes where node is { IsSelf: false, IsReachable: true, IsDraining: false, Standing: Standing.Up } select Address.Parse(node.Node.Address)];

    private PoolsSettings PoolsSettings() => new()
    {
        RemovedGrace = TimeSpan.FromMilliseconds(_settings.Cluster.Lease.ToTimings().OverAfterMs),
        HasParted = node => _guard!.Picture.Parted.Contains(new ClusterNode(node.Address.ToString(), node.Uid)),
        CountPages = _journal.CountPagesAsync,
        DeletePool = (pool, cancellation) => _journal.DeletePrefixAsync(JournalIds.PoolPrefix(pool), cancellation),
    };

    private UpkeepLimits UpkeepLimits() => new()
    {
        CheckpointEvents = _settings.Journal.CheckpointEvents,
        CleanMinDeadBytes = _settings.Journal.CleanMinDeadBytes,
        CleanDeadPercent = _settings.Journal.CleanDeadPercent,
    };

    private void StartServing(ActorSystem system, ObjectServices objects, IPools pools, string publicAddress)
    {
        objects.Watcher = system.ActorOf(Props.Create(() => new ObjectWatcher(_connections)), "object-watcher");
        var region = ObjectSharding.Start(system, objects, _settings.Cluster.Shards, Draining, Answering);
        var activations = system.ActorOf(Props.Create(() => new Activations(objects, () => region, _settings.Objects.ActivateTimeout)), "activations");
        system.ActorOf(Props.Create(() => new HandOffCourier(objects, () => region, Peers)), HandOffCourier.Name);
        system.ActorOf(Props.Create(() => new ObjectSweeper(objects, SweepSettings.For(_settings.Objects.PassivateAfter))), "object-sweeper");
        system.ActorOf(Props.Create(() => new LeftoverSweep(objects, () => region, new LeftoverSettings())), "leftover-sweep");
        _topology = new TopologyWatch(() => _guard!.Picture.ToTopology(), objects.Whereabouts, _peers, _connections);
        _topology.Start();
        _door.Gateway = new GatewayServices
        {
            Objects = objects,
            Pools = pools,
            Activations = activations,
            Connections = _connections,
            Limits = _settings.Gateway,
            Metrics = _metrics,
            Hello = () => new HelloAnswer
            {
                ShardCount = (uint)_settings.Cluster.Shards,
                NodeName = _settings.Node.Name,
                NodeAddress = publicAddress,
                Agent = $"grid-node/{ProgramVersion.Text}",
            },
            Topology = () => _guard!.Picture.ToTopology(),
            Forwarder = new Forwarder(_peers, objects.Whereabouts, _store, _metrics, publicAddress),
        };
    }

    /// <summary>What connections use, once the node serves.</summary>
    internal GatewayServices Gateway => _door.Gateway ?? throw new InvalidOperationException("the node does not serve yet");

    /// <summary>Serves one client connection until it ends.</summary>
    public Task OnConnectedAsync(ConnectionContext connection)
    {
        return _door.OnConnectedAsync(connection);
    }

    /// <summary>Buffers of connections count against the memory limit.</summary>
    public void CountBuffers(long bytes) => _store.Reserve(bytes);

    /// <summary>Asks the clients to leave; the listener stops accepting meanwhile.</summary>
    public async Task DrainAsync(CancellationToken cancellation)
    {
        _stopping = true;
        await _connections.DrainAsync(_settings.Stop.Part, cancellation);
        await _connections.EndAsync(PeersPatience, cancellation);
    }

    /// <summary>Whether there are other members, who take over what this node owns.</summary>
    public bool HasPeers => _guard?.Picture.Nodes.Count > 1;

    /// <summary>Hands everything over to the other members, sends the clients to them, and leaves the cluster.</summary>
    public async Task LeaveAsync(CancellationToken cancellation)
    {
        _stopping = true;
        if (_objects is { IsHandingOver: false } objects)
        {
            objects.IsHandingOver = true;
            if (HasPeers && _system is { WhenTerminated.IsCompleted: false })
            {
                await ShardsHaveMovedAsync(objects, _system.Settings.Config, cancellation);
            }
        }

        if (_system != null) await CoordinatedShutdown.Get(_system).Run(NodeStops.Instance).WaitAsync(cancellation);
        await _connections.EndAsync(PeersPatience, cancellation);
    }

    /// <summary>Leaves the cluster and stops every part.</summary>
    public async Task StopAsync(CancellationToken cancellation)
    {
        await LeaveAsync(cancellation);
        _topology?.Dispose();
        await _peers.DisposeAsync();
        _objects?.Pull.Dispose();
        _health.Dispose();
        _journal.Dispose();
        _store.Dispose();
    }

    /// <inheritdoc/>
    public MemoryStatus Memory()
    {
        var stats = _store.Stats;
        return new MemoryStatus(
            stats.LimitBytes, stats.SlabBytes + stats.MetadataBytes + stats.ReservedBytes, stats.StoredBytes, stats.Pages, stats.Frames, stats.FramesUsed, stats.Evictions);
    }

    /// <inheritdoc/>
    public IReadOnlyList<MemberStatus> Members()
    {
        if (_cluster is not { } cluster) return [];
        var state = cluster.State;
        return
        [
            .. state.Members.Select(member => new MemberStatus(
                member.Address.ToString(), member.Status.ToString(), !state.Unreachable.Contains(member), member.UniqueAddress.Equals(cluster.SelfUniqueAddress))),
        ];
    }

    /// <inheritdoc/>
    public IReadOnlyList<PoolInfo> Pools() => [.. _pools.Entries.Select(entry => entry.Info)];

    /// <inheritdoc/>
    public ClusterStatus Cluster() => ClusterStatus.Of(_guard?.Picture ?? GuardPicture.None, _stopping, Environment.TickCount64);

    /// <inheritdoc/>
    public long Objects() => _objects?.Registry.Count ?? 0;

    private async Task EnsureJournalAsync(Config config, CancellationToken cancellation)
    {
        try
        {
            JournalConfig.Verify(config);
            await JournalSchema.EnsureAsync(_journalOptions, cancellation);
            _health.Start();
        }
        catch (Exception e) when (e is JournalSetupException or JournalUnavailableException or JournalCorruptException)
        {
            throw new StartupException(ExitCodes.Surroundings, $"grid.journal: {e.Message}", e);
        }
    }

    private void WatchEnd(ActorSystem system)
    {
        _ = system.WhenTerminated.ContinueWith(
            _ =>
            {
                if (_stopping) return;
                var reason = CoordinatedShutdown.Get(system).ShutdownReason;
                var downed = reason is CoordinatedShutdown.ClusterDowningReason;
                if (ClusterTls.Ended(reason)) _loggers.CreateLogger("Grid.Cluster").LogCritical("{What}", ClusterTls.HandshakeFailed);
                _ended.TrySetResult(downed ? ExitCodes.Downed : ExitCodes.Failure);
            },
            CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    private ReadinessResult CheckCluster()
    {
        if (_cluster is not { } cluster) return ReadinessResult.NotReady("not started");
        var status = cluster.SelfMember.Status;
        if (status != Akka.Cluster.MemberStatus.Up) return ReadinessResult.NotReady($"this node is {status}");
        return _objects?.Shards.IsServing == true
            ? ReadinessResult.Ok($"{cluster.State.Members.Count} members")
            : ReadinessResult.NotReady("no majority of the cluster has answered this node's pings lately: it may not serve");
    }

    private sealed class NodeStops : CoordinatedShutdown.Reason
    {
        public static readonly NodeStops Instance = new();

        public override int ExitCode => ExitCodes.Ok;
    }
}
