using Akka.Actor;
using Akka.Cluster;
using Akka.Configuration;
using Grid.Node.Pools;
using Grid.Protocol;
using AkkaCluster = Akka.Cluster.Cluster;

namespace Grid.Tests.Pools;

/// <summary>A node of which there is nothing but the pools: actor system, cluster, registry, view.</summary>
internal sealed class PoolsNode : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private PoolsNode(ActorSystem system, PoolsHandles handles) => (System, Handles) = (system, handles);

    public ActorSystem System { get; }

    public PoolsHandles Handles { get; }

    public PoolView View => Handles.View;

    public IPools Pools => Handles.Pools;

    public Address Address => AkkaCluster.Get(System).SelfAddress;

    /// <summary>Settings that make tests quick.</summary>
    public static PoolsSettings Settings { get; } = new()
    {
        CountPages = (_, _) => Task.FromResult(0L),
        DeletePool = (_, _) => Task.CompletedTask,
        ResubscribeEvery = TimeSpan.FromMilliseconds(200),
        MinBackoff = TimeSpan.FromMilliseconds(50),
        MaxBackoff = TimeSpan.FromMilliseconds(200),
        SweepDelay = TimeSpan.FromMilliseconds(20),
        SweepBackoff = TimeSpan.FromMilliseconds(20),
        QuotaSettle = TimeSpan.FromMilliseconds(50),
        RemovedGrace = TimeSpan.FromMilliseconds(500),
        ConfirmTimeout = TimeSpan.FromSeconds(20),
    };

    /// <summary>Starts a node; it joins <paramref name="seed"/>, or itself.</summary>
    /// <param name="journal">Where its events go.</param>
    /// <param name="settings">Other settings than <see cref="Settings"/>.</param>
    /// <param name="seed">Whom it joins.</param>
    /// <param name="serializeAll">Whether local messages are serialized too. Akka's own can't all be: news of failures, and the age of members, get lost.</param>
    public static async Task<PoolsNode> StartAsync(JournalStore journal, PoolsSettings? settings = null, PoolsNode? seed = null, bool serializeAll = true)
    {
        var config = ConfigurationFactory.ParseString($$"""
            akka {
              loglevel = WARNING
              actor.provider = cluster
              actor.serialize-messages = {{(serializeAll ? "on" : "off")}}
              remote.dot-netty.tcp { hostname = "127.0.0.1", port = 0 }
              coordinated-shutdown.exit-clr = off
              cluster {
                min-nr-of-members = 1
                downing-provider-class = "Akka.Cluster.SBR.SplitBrainResolverProvider, Akka.Cluster"
                down-removal-margin = 1ms
                gossip-interval = 200ms
                leader-actions-interval = 200ms
                unreachable-nodes-reaper-interval = 200ms
                singleton-proxy.singleton-identification-interval = 200ms
                singleton.hand-over-retry-interval = 200ms
              }
              persistence.journal {
                plugin = "akka.persistence.journal.test"
                test { class = "{{typeof(TestJournal).AssemblyQualifiedName}}", store = "{{journal.Id}}", replay-filter.mode = off,
                       circuit-breaker { max-failures = 1000000 } }
              }
            }
            """).WithFallback(PoolsSetup.Configuration);
        var system = ActorSystem.Create("grid", config);
        var cluster = AkkaCluster.Get(system);
        var up = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        cluster.RegisterOnMemberUp(up.SetResult);
#pragma warning disable VSTHRD103 // It does not block; the awaitable kind gives up after five seconds.
        cluster.Join(seed is null ? cluster.SelfAddress : seed.Address);
#pragma warning restore VSTHRD103
        await up.Task.WaitAsync(Patience);
        return new PoolsNode(system, PoolsSetup.Start(system, settings ?? Settings, new PoolView()));
    }

    /// <summary>The node knows the pools.</summary>
    public async Task<PoolsNode> ReadyAsync()
    {
        await Handles.Ready.WaitAsync(Patience);
        return this;
    }

    public Task<PoolAnswer> CreateAsync(string name, PoolOptions? options = null, string member = "ann") =>
        Pools.CreateAsync("default", member, name, options ?? new PoolOptions(), CancellationToken.None);

    public Task<PoolAnswer> OpenAsync(string name, string member = "ann") => Pools.OpenAsync("default", member, name, CancellationToken.None);

    public Task<PoolAnswer> DestroyAsync(string name, string member = "ann") => Pools.DestroyAsync("default", member, name, CancellationToken.None);

    public Task<PoolAnswer> FreezeAsync(string name) => Pools.FreezeAsync("default", name, CancellationToken.None);

    public Task<PoolAnswer> ThawAsync(string name) => Pools.ThawAsync("default", name, CancellationToken.None);

    public PoolEntry Entry(string name) => View.TryGet("default", name, out var entry) ? entry : throw new KeyNotFoundException(name);

    /// <summary>Makes the registry's actor stop as if it had failed.</summary>
    public void KillRegistry() => System.ActorSelection("/user/grid-pools/registry/pools").Tell(Kill.Instance);


    /// <summary>Takes all it can get, page by page as an object does; returns how much that was.</summary>
    public async Task<int> TakeAllAsync(string pool, int pages = 1)
    {
        var quota = Entry(pool).Quota;
        for (var taken = 0; ; taken += pages)
        {
            while (!quota.TryTake(pages))
                if (!await quota.BorrowAsync(pages)) return taken;
            quota.Settle(pages);
        }
    }

    /// <summary>Ends as a process does that is killed, and is downed by another.</summary>
    public async Task CrashAsync(PoolsNode other)
    {
        var address = Address;
        ((ExtendedActorSystem)System).Abort();
        await System.WhenTerminated.WaitAsync(Patience);
        AkkaCluster.Get(other.System).Down(address);
    }

    public async ValueTask DisposeAsync() => await System.Terminate().WaitAsync(Patience);
}
