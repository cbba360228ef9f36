using Akka.Actor;
using Akka.Cluster;
using Grid.Protocol;
using AkkaCluster = Akka.Cluster.Cluster;
using Status = Grid.Protocol.Status;

namespace Grid.Node.Pools;

/// <summary>The pools for this node's gateways: reads come from the node's view, changes go to the registry.</summary>
/// <param name="system">The actor system.</param>
/// <param name="settings">The settings.</param>
/// <param name="view">The node's view.</param>
/// <param name="proxy">The way to the registry.</param>
internal sealed class PoolsFacade(ActorSystem system, PoolsSettings settings, PoolView view, IActorRef proxy) : IPools
{
    private static readonly PoolAnswer NotReady = new(Status.NotServing, "the node does not know the pools yet", null);

    // The registry answers by itself when confirmations are late; later than that, it is the registry that is away.
    private readonly TimeSpan _timeout = settings.ConfirmTimeout + TimeSpan.FromSeconds(3);

    /// <inheritdoc/>
    public Task<PoolAnswer> CreateAsync(string tenant, string member, string name, PoolOptions options, CancellationToken cancellation) =>
        AskAsync(new PoolCommand.Create(tenant, member, name, options), cancellation);

    /// <inheritdoc/>
    public Task<PoolAnswer> OpenAsync(string tenant, string member, string name, CancellationToken cancellation)
    {
        if (!view.IsReady) return Task.FromResult(NotReady);
        // Only who joins changes something; a private pool that was created is in the view.
        if (view.TryGet(tenant, name, out var entry) && entry.Options.Sharing == PoolSharing.Private)
            return Task.FromResult(new PoolAnswer(Status.Ok, "", entry.Info));
        return AskAsync(new PoolCommand.Open(tenant, member, name), cancellation);
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<PoolInfo>> ListAsync(string tenant, CancellationToken cancellation) => view.IsReady
        ? Task.FromResult(view.List(tenant))
        : throw new InvalidOperationException(NotReady.Text);

    /// <inheritdoc/>
    public Task<PoolAnswer> FreezeAsync(string tenant, string name, CancellationToken cancellation) =>
        AskAsync(new PoolCommand.Freeze(tenant, name), cancellation);

    /// <inheritdoc/>
    public Task<PoolAnswer> ThawAsync(string tenant, string name, CancellationToken cancellation) =>
        AskAsync(new PoolCommand.Thaw(tenant, name), cancellation);

    /// <inheritdoc/>
    public Task<PoolAnswer> DestroyAsync(string tenant, string member, string name, CancellationToken cancellation) =>
        AskAsync(new PoolCommand.Destroy(tenant, member, name), cancellation);

    /// <inheritdoc/>
    public async Task<PoolStatAnswer> StatAsync(string tenant, string name, CancellationToken cancellation)
    {
        if (!view.IsReady) return new PoolStatAnswer(NotReady.Status, NotReady.Text, null);
        if (!view.TryGet(tenant, name, out var entry)) return new PoolStatAnswer(Status.NoSuchPool, $"there is no pool '{name}'", null);
        var nodes = AkkaCluster.Get(system).State.Members
            .Where(member => member.Status is MemberStatus.Up or MemberStatus.Leaving && (settings.Role is null || member.HasRole(settings.Role)))
            .Select(member => member.Address);
        try
        {
            var parts = await Task.WhenAll(nodes.Select(node =>
                system.ActorSelection(PoolViewActor.PathOn(node)).Ask<StatPart>(new StatAsk(entry.Id), settings.StatTimeout, cancellation))).ConfigureAwait(false);
            return new PoolStatAnswer(Status.Ok, "", Sum(entry.Info, parts));
        }
        catch (AskTimeoutException)
        {
            return new PoolStatAnswer(Status.NotServing, "not every node has told its counters", null);
        }
    }

    private static PoolStat Sum(PoolInfo pool, StatPart[] parts)
    {
        // Gauges are sums of cells that are read one after the other: for a moment one may come out below zero.
        ulong Total(int counter) => (ulong)Math.Max(0, parts.Sum(part => counter < part.Counters.Count ? part.Counters[counter] : 0));
        return new PoolStat
        {
            Pool = pool,
            Objects = Total(0),
            Pages = Total(1),
            LogicalBytes = Total(1) * (ulong)pool.Options.PageSizeBytes,
            StoredBytes = Total(2),
            SameFilledPages = Total(3),
            Puts = Total(4),
            Refusals = Total(5),
            Gets = Total(6),
            Hits = Total(7),
            Flushes = Total(8),
            Evictions = Total(9),
        };
    }

    private async Task<PoolAnswer> AskAsync(PoolCommand command, CancellationToken cancellation)
    {
        try
        {
            var reply = await proxy.Ask<PoolReply>(command, _timeout, cancellation).ConfigureAwait(false);
            return new PoolAnswer(reply.Status, reply.Text, reply.Pool);
        }
        catch (AskTimeoutException)
        {
            return new PoolAnswer(Status.FailedUnknown, $"the pool registry has not answered within {_timeout.TotalSeconds:0.#} s", null);
        }
    }
}
