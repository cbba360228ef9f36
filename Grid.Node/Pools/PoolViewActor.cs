using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Grid.Protocol;
using AkkaCluster = Akka.Cluster.Cluster;

namespace Grid.Node.Pools;

/// <summary>
/// Keeps a node's <see cref="PoolView"/> in step with the registry and confirms what it shows; borrows quota for the node. Everything it hears from the
/// registry names the registry's incarnation, and an older one than the newest heard of is ignored.
/// </summary>
internal sealed class PoolViewActor : ReceiveActor, IWithTimers, IQuotaBroker
{
    /// <summary>The actor's name, the same on every node.</summary>
    public const string Name = "grid-pool-view";


    private readonly PoolsSettings _settings;
    private readonly PoolView _view;
    private readonly RemovedNodes _removed;
    private readonly IActorRef _proxy;
    private readonly TaskCompletionSource _ready;
    private readonly AkkaCluster _cluster = AkkaCluster.Get(Context.System);
    private readonly EventStream _events = Context.System.EventStream;
    private readonly IActorRef _self = Context.Self;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly NodeQuotas _quotas;
    private readonly Dictionary<PoolId, PoolEntry> _entries = [];
    private readonly List<PoolInfo> _parts = [];
    private ulong _incarnation;
    private IActorRef? _registry;

    /// <summary>Makes the view actor of a node.</summary>
    public PoolViewActor(PoolsSettings settings, PoolView view, RemovedNodes removed, IActorRef proxy, TaskCompletionSource ready)
    {
        (_settings, _view, _removed, _proxy, _ready) = (settings, view, removed, proxy, ready);
        _quotas = new NodeQuotas(_cluster.SelfUniqueAddress, settings);
        Receive<Tick>(_ => OnTick());
        Receive<PoolsUpdate>(OnUpdate);
        Receive<Borrow>(borrow => _quotas.OnBorrow(borrow.Pool, borrow.Pages, borrow.Answer));
        Receive<QuotaAnswer>(_quotas.OnAnswer);
        Receive<QuotaRecall>(_quotas.OnRecall);
        Receive<StatAsk>(ask => Sender.Tell(Stat(ask.Pool)));
        Receive<ClusterEvent.MemberRemoved>(gone =>
        {
            if (!settings.HasParted(gone.Member.UniqueAddress)) _removed.Add(gone.Member.UniqueAddress);
        });
        // The registry is between two lives; the next tick asks again.
        Receive<PoolReply>(_ => { });
    }

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>Where a node's view actor is.</summary>
    public static ActorPath PathOn(Address address) => new RootActorPath(address) / "user" / Name;

    /// <inheritdoc/>
    Task<bool> IQuotaBroker.BorrowAsync(PoolId pool, int pages)
    {
        var answer = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        _self.Tell(new Borrow(pool, pages, answer));
        return answer.Task;
    }

    protected override void PreStart()
    {
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.MemberRemoved));
        Timers.StartPeriodicTimer(nameof(Tick), new Tick(), TimeSpan.Zero, _settings.ResubscribeEvery);
    }

    protected override void PostStop()
    {
        _cluster.Unsubscribe(Self);
        _quotas.Stop();
        _ready.TrySetCanceled();
    }

    private void OnTick()
    {
        _proxy.Tell(Hello(asks: true));
        _quotas.OnTick();
    }

    private ViewHello Hello(bool asks) => new(_cluster.SelfUniqueAddress, _view.Version, asks);

    // ---- what the registry says ----

    private void OnUpdate(PoolsUpdate update)
    {
        if (update.Incarnation < _incarnation) return;
        if (update.Incarnation > _incarnation || !Sender.Equals(_registry))
        {
            _incarnation = update.Incarnation;
            _registry = Sender;
            _parts.Clear();
            _quotas.OnRegistry(_incarnation, Sender);
        }

        if (update.Version <= _view.Version) Sender.Tell(Hello(asks: false));
        else if (update.From == 0) OnPart(update);
        else if (update.From == _view.Version) Publish(update.Version, update.Pools, update.Removed);
        else Sender.Tell(Hello(asks: true));
    }

    private void OnPart(PoolsUpdate update)
    {
        if (update.Part == 0) _parts.Clear();
        _parts.AddRange(update.Pools);
        if (update.Part < update.Parts - 1) return;
        var living = _parts.Select(pool => pool.Id).ToHashSet();
        Publish(update.Version, _parts, [.. _entries.Keys.Where(id => !living.Contains(id))]);
        _parts.Clear();
    }

    private void Publish(ulong version, IReadOnlyList<PoolInfo> changed, IReadOnlyList<PoolId> removed)
    {
        foreach (var info in changed)
        {
            if (_entries.TryGetValue(info.Id, out var entry)) entry.Update(info);
            else _entries.Add(info.Id, MakeEntry(info));
        }

        var gone = removed.Where(_entries.ContainsKey).ToList();
        foreach (var id in gone)
        {
            _entries[id].MarkDestroyed();
            _entries.Remove(id);
            _quotas.Remove(id);
        }

        _view.Publish(version, _entries.Values);
        foreach (var id in gone) _events.Publish(new PoolDestroyed(id));
        if (_ready.TrySetResult()) _log.Info("Pool view: {0} pools at version {1}", _entries.Count, version);
        Sender.Tell(Hello(asks: false));
    }

    private PoolEntry MakeEntry(PoolInfo info)
    {
        if (info.Options.QuotaPages == 0) return new PoolEntry(info, QuotaAccount.Unlimited);
        var account = new QuotaAccount(info.Id, info.Options.QuotaPages, this, _settings.Time);
        _quotas.Add(info.Id, account);
        return new PoolEntry(info, account);
    }

    // ---- counters ----

    private StatPart Stat(PoolId pool)
    {
        if (!_entries.TryGetValue(pool, out var entry)) return new StatPart(pool, []);
        var (counters, account) = (entry.Counters, entry.Account);
        return new StatPart(pool,
        [
            counters.Objects, account.Pages, account.StoredBytes, account.SameFilledPages, counters.Puts, counters.Refusals, counters.Gets, counters.Hits,
            counters.Flushes, account.Evictions,
        ]);
    }

    private sealed record Tick : INoSerializationVerificationNeeded;

    private sealed record Borrow(PoolId Pool, int Pages, TaskCompletionSource<bool> Answer) : INoSerializationVerificationNeeded;
}
