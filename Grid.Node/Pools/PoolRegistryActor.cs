using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Akka.Pattern;
using Akka.Persistence;
using Grid.Protocol;
using AkkaCluster = Akka.Cluster.Cluster;
using Status = Grid.Protocol.Status;

namespace Grid.Node.Pools;

/// <summary>
/// The authority about pools: one in the cluster, event-sourced. Each incarnation first makes a fence durable (an older one that is paused somewhere can't
/// write after that), then takes commands one after the other; each is answered when its event is durable and every view has confirmed it. When a write
/// fails the actor stops, for it can't know what became of the write, and its supervisor starts it again.
/// </summary>
internal sealed class PoolRegistryActor : ReceivePersistentActor, IWithTimers
{
    private const int MaxQueuedCommands = 1024;
    private const int MaxWaitingAnswers = 4096;

    private readonly PoolsSettings _settings;
    private readonly RemovedNodes _removed;
    private readonly AkkaCluster _cluster = AkkaCluster.Get(Context.System);
    private readonly ViewRoster _roster = new();
    private readonly Queue<Work> _queue = new();
    private readonly Dictionary<long, Waiting> _waiting = [];
    private readonly Dictionary<(string Tenant, string Name), ulong> _leaving = [];
    private readonly List<(PoolId Pool, ulong Version)> _toSweep = [];
    private IActorRef _sweeper = ActorRefs.Nobody;
    private IActorRef _quotas = ActorRefs.Nobody;
    private PoolDirectory _directory = PoolDirectory.Empty;
    private ulong _incarnation;
    private ulong _firstId;
    private Work? _inFlight;
    private bool _isStopping;
    private long _lastWaiting;

    /// <summary>Makes the registry.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="removed">Nodes that were removed a moment ago.</param>
    public PoolRegistryActor(PoolsSettings settings, RemovedNodes removed)
    {
        _settings = settings;
        _removed = removed;
        JournalPluginId = settings.JournalPluginId;
        Recover<PoolEvent>(happened => _directory = _directory.Apply(happened));
        Recover<RecoveryCompleted>(_ => Fence());
        Command<PoolCommand>(command => Enqueue(new Work(command, Sender)));
        Command<ViewHello>(OnHello);
        Command<QuotaAsk>(OnQuotaAsk);
        Command<QuotaReport>(report => _quotas.Forward(report));
        Command<PoolSweeper.Done>(done => Enqueue(new Work(new PoolEvent.Swept(done.Pool), ActorRefs.Nobody)));
        Command<ClusterEvent.CurrentClusterState>(state =>
        {
            foreach (var member in state.Members) OnMember(member);
        });
        Command<ClusterEvent.MemberRemoved>(gone => ForgetLater(gone.Member.UniqueAddress, _settings.HasParted(gone.Member.UniqueAddress) ? TimeSpan.Zero : _settings.RemovedGrace));
        Command<ClusterEvent.IMemberEvent>(change => OnMember(change.Member));
        Command<Forget>(OnForget);
        Command<Overdue>(overdue => OnOverdue(overdue.Number));
        Command<StopRegistry>(_ => OnStop());
    }

    private bool IsServing => _incarnation > 0;

    /// <inheritdoc/>
    public override string PersistenceId => "pools";

    /// <inheritdoc/>
    public override Recovery Recovery { get; } = new(SnapshotSelectionCriteria.None);

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    /// <inheritdoc/>
    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(_ => Directive.Escalate);

    // ---- taking over ----

    private void Fence() => PersistAsync(new PoolEvent.Fenced(_cluster.SelfUniqueAddress.ToString()), fence =>
    {
        _directory = _directory.Apply(fence);
        _incarnation = _directory.Version;
        _firstId = _directory.NextId;
        var (settings, incarnation) = (_settings, _incarnation);
        _sweeper = Context.ActorOf(Props.Create(() => new PoolSweeper(settings)), "sweeper");
        _quotas = Context.ActorOf(Props.Create(() => new QuotaDesk(settings, incarnation)), "quotas");
        foreach (var pool in _directory.Unswept) _toSweep.Add((new PoolId(pool), _incarnation));
        foreach (var (node, left) in _removed.Recent())
            if (_roster.Add(node)) ForgetLater(node, left);
        _cluster.Subscribe(Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsSnapshot, typeof(ClusterEvent.IMemberEvent));
        Log.Info("Pool registry: incarnation {0}, {1} pools", _incarnation, _directory.Pools.Count);
        Next();
    });

    private void OnStop()
    {
        _isStopping = true;
        if (_inFlight is null) Context.Stop(Self);
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _cluster.Unsubscribe(Self);
        foreach (var work in _queue) Reply(work, Status.NotServing, "the pool registry stops or moves");
        foreach (var waiting in _waiting.Values) waiting.From.Tell(waiting.Late("the pool registry stops or moves"));
        base.PostStop();
    }

    // ---- commands ----

    private void Enqueue(Work work)
    {
        if (_isStopping) Reply(work, Status.NotServing, "the pool registry stops or moves");
        else if (work.What is PoolCommand && _queue.Count >= MaxQueuedCommands) Reply(work, Status.NotServing, "the pool registry is busy");
        else _queue.Enqueue(work);
        Next();
    }

    private void Next()
    {
        while (IsServing && !_isStopping && _inFlight is null && _queue.TryDequeue(out var work)) Execute(work);
    }

    private void Execute(Work work)
    {
        var decision = work.What switch
        {
            PoolCommand command => Decide(command),
            PoolEvent happened => new PoolDecision(happened, Status.Ok, "", default),
            _ => throw new InvalidOperationException($"{work.What.GetType()} is no work for the registry"),
        };
        if (decision.Event is null)
        {
            Answer(work, decision);
            return;
        }

        _inFlight = work;
        PersistAsync(decision.Event, happened =>
        {
            _inFlight = null;
            Happened(happened);
            Answer(work, decision);
            if (_isStopping) Context.Stop(Self);
            else Next();
        });
    }

    private PoolDecision Decide(PoolCommand command)
    {
        var decision = _directory.Decide(command, _settings.MaxPools);
        // Destroyed, but not everywhere yet: whoever asks again waits for the same thing.
        return decision.Status == Status.NoSuchPool && command is PoolCommand.Destroy && _leaving.ContainsKey((command.Tenant, command.Name))
            ? new PoolDecision(null, Status.Ok, "", default)
            : decision;
    }

    private void Happened(PoolEvent happened)
    {
        var before = _directory;
        _directory = before.Apply(happened);
        List<PoolInfo> changed = [];
        List<PoolId> removed = [];
        if (happened is PoolEvent.Destroyed destroyed)
        {
            var info = before.Pools[destroyed.Pool].Info;
            removed.Add(info.Id);
            _leaving[(info.Tenant, info.Name)] = _directory.Version;
            if (_directory.Unswept.Contains(info.Id.Value)) _toSweep.Add((info.Id, _directory.Version));
            _quotas.Tell(new QuotaDesk.Drop(info.Id));
        }
        else if (PoolOf(happened) is { } pool)
        {
            changed.Add(_directory.Pools[pool].Info);
        }

        var update = new PoolsUpdate(_incarnation, before.Version, _directory.Version, 0, 1, changed, removed);
        foreach (var (_, view) in _roster.Views) view.Tell(update);
    }

    private static PoolId? PoolOf(PoolEvent happened) => happened switch
    {
        PoolEvent.Created created => created.Pool,
        PoolEvent.Joined joined => joined.Pool,
        PoolEvent.Left left => left.Pool,
        PoolEvent.Frozen frozen => frozen.Pool,
        PoolEvent.Thawed thawed => thawed.Pool,
        _ => null,
    };

    private void Answer(Work work, in PoolDecision decision)
    {
        if (work.From.IsNobody()) return;
        if (decision.Status.IsError())
        {
            Reply(work, decision.Status, decision.Text);
            return;
        }

        // Also where nothing changed: that the pool is so may be unknown to some node still.
        var waiting = new Waiting(work, _directory.Version, _directory.Pools.GetValueOrDefault(decision.Pool)?.Info);
        if (_roster.IsConfirmed(waiting.Version)) work.From.Tell(waiting.Done);
        else if (_waiting.Count >= MaxWaitingAnswers) work.From.Tell(waiting.Late("too many requests wait for the nodes' confirmations"));
        else
        {
            _waiting.Add(++_lastWaiting, waiting);
            Timers.StartSingleTimer(_lastWaiting, new Overdue(_lastWaiting), _settings.ConfirmTimeout);
        }
    }

    private static void Reply(Work work, Status status, string text) => work.From.Tell(new PoolReply(status, text, null));

    // ---- a write that failed ----

    /// <inheritdoc/>
    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistFailure(cause, @event, sequenceNr);
        if (_inFlight is not { } work) return;
        _inFlight = null;
        // An open circuit breaker never let the write go.
        var status = cause is OpenCircuitException ? Status.FailedNotApplied : Status.FailedUnknown;
        Reply(work, status, $"the pool registry could not write: {cause.Message}");
    }

    /// <inheritdoc/>
    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        base.OnPersistRejected(cause, @event, sequenceNr);
        if (_inFlight is { } work) Reply(work, Status.FailedNotApplied, $"the pool registry's journal rejected the write: {cause.Message}");
        _inFlight = null;
        Context.Stop(Self);
    }

    // ---- nodes and their views ----

    private void OnMember(Member member)
    {
        if (_settings.Role is { } role && !member.HasRole(role)) return;
        if (_settings.HasParted(member.UniqueAddress))
        {
            OnForget(new Forget(member.UniqueAddress));
            return;
        }

        if (!_roster.Add(member.UniqueAddress)) return;
        // The view need not wait for its next turn to ask.
        Context.ActorSelection(PoolViewActor.PathOn(member.Address)).Tell(NothingNew());
    }

    private void ForgetLater(UniqueAddress node, TimeSpan after) => Timers.StartSingleTimer(node, new Forget(node), after);

    private void OnForget(Forget forget)
    {
        if (!_roster.Remove(forget.Node)) return;
        TellQuotasWhoIsThere();
        OnConfirmed();
    }

    private void OnHello(ViewHello hello)
    {
        if (!IsServing || !_roster.Confirm(hello.Node, Sender, hello.Version)) return;
        TellQuotasWhoIsThere();
        if (hello.Asks && hello.Version == _directory.Version) Sender.Tell(NothingNew());
        else if (hello.Asks) PoolsParts.Send(Sender, Self, _incarnation, _directory);
        OnConfirmed();
    }

    private PoolsUpdate NothingNew() => new(_incarnation, _directory.Version, _directory.Version, 0, 1, [], []);

    private void OnConfirmed()
    {
        foreach (var (number, waiting) in _waiting.Where(entry => _roster.IsConfirmed(entry.Value.Version)).ToList())
        {
            _waiting.Remove(number);
            Timers.Cancel(number);
            waiting.From.Tell(waiting.Done);
        }

        foreach (var (name, _) in _leaving.Where(entry => _roster.IsConfirmed(entry.Value)).ToList()) _leaving.Remove(name);
        for (var i = _toSweep.Count - 1; i >= 0; i--)
        {
            if (!_roster.IsConfirmed(_toSweep[i].Version)) continue;
            _sweeper.Tell(new PoolSweeper.Sweep(_toSweep[i].Pool));
            _toSweep.RemoveAt(i);
        }
    }

    private void OnOverdue(long number)
    {
        if (_waiting.Remove(number, out var waiting)) waiting.From.Tell(waiting.Late($"not confirmed yet by {_roster.Behind(waiting.Version)}"));
    }

    // ---- quotas ----

    private void OnQuotaAsk(QuotaAsk ask)
    {
        if (IsServing && _directory.Pools.TryGetValue(ask.Pool, out var pool)) _quotas.Forward(new QuotaDesk.Asked(ask, pool.Info.Options, IsNew: ask.Pool.Value >= _firstId));
    }

    private void TellQuotasWhoIsThere() => _quotas.Tell(new QuotaDesk.Nodes([.. _roster.Nodes], new Dictionary<UniqueAddress, IActorRef>(_roster.Views)));

    private sealed record Work(object What, IActorRef From);

    private sealed record Forget(UniqueAddress Node) : INoSerializationVerificationNeeded;

    private sealed record Overdue(long Number) : INoSerializationVerificationNeeded;

    /// <summary>An answer that is durable and waits for the views.</summary>
    private sealed record Waiting(Work Work, ulong Version, PoolInfo? Pool)
    {
        public IActorRef From => Work.From;

        public PoolReply Done => new(Status.Ok, "", Pool);

        public PoolReply Late(string why) => Work.What is PoolCommand.Destroy
            ? new PoolReply(Status.InProgress, why, null)
            : new PoolReply(Status.FailedUnknown, $"done, but not every node has confirmed it: {why}", null);
    }
}
