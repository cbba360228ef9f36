using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using AkkaCluster = Akka.Cluster.Cluster;

namespace Grid.Node.Cluster;

/// <summary>An object waits for its shard; answered with <see cref="ShardOpened"/>.</summary>
/// <param name="Shard">The shard.</param>
internal sealed record WantShard(int Shard);

/// <summary>The shard has opened on this node.</summary>
/// <param name="Shard">The shard.</param>
internal sealed record ShardOpened(int Shard);

/// <summary>The last object of a shard that was closed has ended.</summary>
/// <param name="Shard">The shard.</param>
internal sealed record ShardEmptied(int Shard);

/// <summary>Tells an object that its shard was closed: it answers what it holds and ends.</summary>
internal sealed class ShardClosed
{
    public static ShardClosed Instance { get; } = new();
}

/// <summary>This node is about to leave; answered with itself once the others have been told.</summary>
internal sealed class DrainNow
{
    public static DrainNow Instance { get; } = new();
}

/// <summary>This node leaves; answered with itself once the others have been told.</summary>
internal sealed class PartNow
{
    public static PartNow Instance { get; } = new();
}

/// <summary>Brings the <see cref="Guard"/> together with Akka: its views, its messages, its time.</summary>
internal sealed class GuardActor : ActorBase, IWithTimers
{
    /// <summary>The actor's name, the same on every node.</summary>
    public const string Name = "grid-guard";

    private const double TicksPerPing = 4;
    private readonly AkkaCluster _cluster = AkkaCluster.Get(Context.System);
    private readonly ClusterNode _self;
    private readonly GuardParts _parts;
    private readonly Guard _guard;
    private readonly Dictionary<string, ActorSelection> _others = [];
    private readonly Dictionary<int, HashSet<IActorRef>> _wanting = [];
    private readonly Queue<(ClusterNode From, Ping Ping, long Ask)> _pings = new();
    private bool _hasFailed;
    private long _asks;
    private long _answers;

    public GuardActor(GuardParts parts)
    {
        _parts = parts;
        _self = Of(_cluster.SelfUniqueAddress);
        _guard = new Guard(_self, parts.Timings, parts.Table, parts.Card, parts.MayServeFromMs, parts.NewIncarnation, parts.KeepsFor);
    }

    public ITimerScheduler Timers { get; set; } = null!;

    private static long NowMs => Environment.TickCount64;

    protected override void PreStart()
    {
        _cluster.Subscribe(
            Self, ClusterEvent.SubscriptionInitialStateMode.InitialStateAsEvents, typeof(ClusterEvent.IMemberEvent), typeof(ClusterEvent.IReachabilityEvent));
        Timers.StartPeriodicTimer("tick", Tick.Instance, TimeSpan.Zero, TimeSpan.FromMilliseconds(_parts.Timings.PingIntervalMs / TicksPerPing));
    }

    protected override void PostStop()
    {
        _parts.Table.DeadlineMs = long.MinValue;
        _parts.Picture = GuardPicture.None;
        _cluster.Unsubscribe(Self);
    }

    protected override bool Receive(object message)
    {
        if (_hasFailed) return true;
        try
        {
            var isKnown = Handle(message);
            if (message is Tick or GuardEnvelope { Message: Parting } or ClusterEvent.CurrentClusterState or DrainNow or PartNow) _parts.Picture = _guard.Picture(NowMs);
            return isKnown;
        }
        catch (Exception failure)
        {
            // What it knew cannot be relied on, and one that began anew would know nothing of what is open here: the node ends.
            _hasFailed = true;
            Context.GetLogger().Error(failure, "The guard of this node failed: it serves nothing any more and leaves the cluster");
            _parts.Table.CloseAll();
            _ = CoordinatedShutdown.Get(Context.System).Run(GuardFailed.Instance);
            return true;
        }
    }

    private bool Handle(object message)
    {
        switch (message)
        {
            case Tick:
                AskView();
                _guard.Tick(NowMs);
                break;
            case ClusterEvent.CurrentClusterState state:
                OnState(state);
                break;
            case ClusterEvent.IMemberEvent or ClusterEvent.IReachabilityEvent:
                AskView();
                return true;
            case GuardEnvelope { Message: Ping ping } envelope:
                // Answered by a view that is asked for now: one from before may be older than the pinger's removal.
                AskView();
                _pings.Enqueue((envelope.From, ping, _asks));
                return true;
            case GuardEnvelope envelope:
                _guard.Receive(envelope.From, envelope.Message, NowMs);
                break;
            case WantShard want:
                OnWant(want.Shard);
                break;
            case Terminated gone:
                OnGone(gone.ActorRef);
                break;
            case ShardEmptied emptied:
                _guard.Claims.Emptied(emptied.Shard, NowMs);
                break;
            case DrainNow:
                _guard.Drain(NowMs);
                Deliver();
                Sender.Tell(DrainNow.Instance);
                return true;
            case PartNow:
                _guard.Part(NowMs);
                Deliver();
                Sender.Tell(PartNow.Instance);
                return true;
            default:
                return false;
        }

        Deliver();
        return true;
    }

    /// <summary>Asks the cluster for its state; the answers come in the order of the questions.</summary>
    private void AskView()
    {
        _asks++;
        _cluster.SendCurrentClusterState(Self);
    }

    private void OnState(ClusterEvent.CurrentClusterState state)
    {
        _answers++;
        var now = NowMs;
        _guard.OnView(Of(state), now);
        while (_pings.TryPeek(out var waiting) && waiting.Ask <= _answers)
        {
            _pings.Dequeue();
            _guard.Receive(waiting.From, waiting.Ping, now);
        }
    }

    private void OnWant(int shard)
    {
        if (_parts.Table.Find(shard) is not null)
        {
            Sender.Tell(new ShardOpened(shard));
            return;
        }

        if (!_wanting.TryGetValue(shard, out var actors)) _wanting.Add(shard, actors = []);
        if (actors.Add(Sender)) Context.Watch(Sender);
        _guard.Claims.Want(shard, NowMs);
    }

    private void OnGone(IActorRef actor)
    {
        foreach (var (shard, actors) in _wanting)
        {
            if (!actors.Remove(actor) || actors.Count > 0) continue;
            _wanting.Remove(shard);
            _guard.Claims.Unwant(shard);
        }
    }

    private void Deliver()
    {
        while (_guard.Claims.Opened.TryDequeue(out var life))
        {
            if (!_wanting.Remove(life.Shard, out var actors)) continue;
            foreach (var actor in actors)
            {
                Context.Unwatch(actor);
                actor.Tell(new ShardOpened(life.Shard));
            }
        }

        while (_guard.Claims.Closed.TryDequeue(out var life)) _parts.OnClosed(life);
        while (_guard.Outgoing.TryDequeue(out var next)) OtherGuard(next.To.Address).Tell(new GuardEnvelope(_self, next.Message));
    }

    private ActorSelection OtherGuard(string address)
    {
        if (!_others.TryGetValue(address, out var guard))
            _others.Add(address, guard = Context.ActorSelection(new RootActorPath(Address.Parse(address)) / "user" / Name));
        return guard;
    }

    private static ClusterNode Of(UniqueAddress node) => new(node.Address.ToString(), node.Uid);

    private static ClusterView Of(ClusterEvent.CurrentClusterState state) => new(
        state.Members.Select(member => KeyValuePair.Create(Of(member.UniqueAddress), Of(member.Status))),
        state.Unreachable.Select(member => Of(member.UniqueAddress)));

    private static Standing Of(MemberStatus status) => status switch
    {
        MemberStatus.Up => Standing.Up,
        MemberStatus.Leaving or MemberStatus.Exiting => Standing.Leaving,
        MemberStatus.Down or MemberStatus.Removed => Standing.Down,
        _ => Standing.Joining,
    };

    private sealed class GuardFailed : CoordinatedShutdown.Reason
    {
        public static GuardFailed Instance { get; } = new();

        public override int ExitCode => Hosting.ExitCodes.Failure;
    }

    private sealed class Tick
    {
        public static Tick Instance { get; } = new();
    }
}
