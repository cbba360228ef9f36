using System.Runtime.CompilerServices;
using Akka.Actor;
using Akka.Cluster.Sharding;
using Akka.Event;
using Grid.Node.Cluster;
using Grid.Node.Pools;
using Grid.Protocol;
using Status = Grid.Protocol.Status;

namespace Grid.Node.Objects;

/// <summary>
/// Owns the index of one object; its mailbox order is the order in which operations take effect. What pools have in common stands here: the life of
/// the actor and taking requests. An exception stops the actor: a restart would keep the reference and lose the state.
/// </summary>
internal abstract class ObjectActor : ActorBase
{
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly List<IActorRef> _activators = [];
    private readonly int _shard;
    private ShardLife? _life;
    private ObjectEntry? _entry;
    private bool _stopping;
    private bool _isPoolGone;

    protected ObjectActor(ObjectServices services, ObjectKey key, PoolEntry pool)
    {
        Services = services;
        Key = key;
        Pool = pool;
        Incarnation = services.NextIncarnation();
        Changes = new ChangeTracker(Incarnation);
        Index = new AccountedIndex(services.Store, pool);
        _shard = ShardHash.ShardOf(key, services.Shards.Count);
    }

    protected ObjectServices Services { get; }

    protected ObjectKey Key { get; }

    protected PoolEntry Pool { get; }

    protected ulong Incarnation { get; }

    protected ChangeTracker Changes { get; }

    protected AccountedIndex Index { get; private set; }

    protected ILoggingAdapter Log => _log;

    protected bool IsStopping => _stopping;

    /// <summary>The shard's life that the object lives in; null until it has begun.</summary>
    protected ShardLife? Life => _life;

    /// <summary>The object's shard has opened on this node: the object may come to life.</summary>
    protected abstract void Begin();

    /// <summary>Serves one request this actor has taken.</summary>
    protected abstract void Serve(ObjectRequest request);

    /// <summary>Whether none of a batch's handles was put, flushed or taken since the version it names. In doubt the answer is no.</summary>
    protected bool Unchanged(ObjectRequest request)
    {
        if (!Changes.Knows(request.Condition)) return false;
        for (var i = 0; i < request.Count; i++)
        {
            var index = request.Entries[i].Index;
            ref var entry = ref Index.Find(index);
            var changed = Unsafe.IsNullRef(ref entry)
                ? Changes.AbsentChangedSince(index, request.Condition.Counter)
                : entry.Changed > request.Condition.Counter;
            if (changed) return false;
        }

        return true;
    }

    /// <summary>Whether an earlier write's outcome is not known yet, so that nobody can say what the index should be.</summary>
    protected virtual bool IsInDoubt => false;

    /// <summary>Answers which pages the object holds at this instant: those that were acknowledged, none that a crash could take back.</summary>
    private void ListPages(ObjectRequest request)
    {
        if (RefusesByLease(request)) return;
        if (IsInDoubt)
        {
            request.Fail(Status.NotServing, "an earlier write's outcome is not known yet: the journal is being asked");
            return;
        }

        request.AnswerBody(Status.Ok, Changes.Version, Index.List(request.Index, request.Most).Write);
    }

    /// <summary>Handles a message that is neither a request nor one of the common ones.</summary>
    protected abstract bool ReceiveOther(object message);

    /// <summary>Whether nothing is under way that needs this actor.</summary>
    protected abstract bool IsIdle { get; }

    /// <summary>Whether the object may leave memory by itself: it is idle, and nothing is half done that would have to be begun anew.</summary>
    protected virtual bool MayPassivate => IsIdle;

    /// <summary>Whether this node may not serve the object now: another one may own it. Then the request is answered so, not applied.</summary>
    protected bool RefusesByLease(ObjectRequest request)
    {
        if (MayServe) return false;
        Services.DropPages(request);
        request.Fail(Status.NotServing, "this node cannot be sure at the moment that no other node owns the object");
        return true;
    }

    /// <summary>Whether this node is certain to be the one that owns the object.</summary>
    protected bool MayServe => Services.Shards.IsServing && _life is { IsClosed: false };

    protected sealed override void PreStart()
    {
        base.PreStart();
        try
        {
            EnterShard();
        }
        catch (Exception failure)
        {
            // Not let through: an actor that fails here is never told that it has ended, and its shard could not be closed any more.
            _log.Error(failure, "Object {0} could not begin", Key);
            Context.Stop(Self);
        }
    }

    protected override bool Receive(object message)
    {
        try
        {
            if (message is not ObjectRequest request) return ReceiveControl(message);
            if (!request.TryTake()) return true;
            if (request.IsOutdated)
            {
                request.Fail(Status.NotServing, "the client has reconnected since it sent this");
                return true;
            }

            _entry!.LastUsedMs = Environment.TickCount64;
            if (request.Opcode == Opcode.ListPages) ListPages(request);
            else Serve(request);
            Count(_entry);
            return true;
        }
        catch (Exception failure)
        {
            _log.Error(failure, "Object {0} failed and stops; what it had taken is answered as unknown", Key);
            Context.Stop(Self);
            return true;
        }
    }

    /// <summary>The object is ready: from now on gateways tell it directly.</summary>
    protected void EnterRegistry()
    {
        if (Services.IsLeaving)
        {
            FailActivation(Status.NotServing, "the node is leaving");
            return;
        }

        _entry = new ObjectEntry(Key, Self) { IsPersistent = Pool.Options.Kind == PoolKind.Persistent, Life = _life };
        Count(_entry);
        Services.Registry.Enter(_entry);
        Pool.Counters.ObjectStarted();
        Services.Watcher.Tell(new WatchObject(_entry));
        foreach (var activator in _activators) activator.Tell(new Activated(Key, Services.DataAddress));
        _activators.Clear();
        // Who closed the shard in this moment did not find the object in the registry.
        if (_life!.IsClosed) Self.Tell(ShardClosed.Instance);
    }

    /// <summary>The object can't come to life now.</summary>
    protected void FailActivation(Status status, string text)
    {
        foreach (var activator in _activators) activator.Tell(new ActivationFailed(Key, status, text));
        Context.Stop(Self);
    }

    /// <summary>Stops once nothing is under way; called again by whoever ends something.</summary>
    protected void StopWhenIdle()
    {
        if (_stopping && IsIdle) Context.Stop(Self);
    }

    protected override void PostStop()
    {
        try
        {
            LeaveRegistry();
            if (_entry is not null) Pool.Counters.ObjectStopped();
            ReleasePages();
            base.PostStop();
        }
        finally
        {
            // The last thing, whatever happens: whoever waits for it may serve the shard from now on.
            if (_life?.Leave() == true) Services.Guard.Tell(new ShardEmptied(_shard));
        }
    }

    /// <summary>The object has ended: its pages go.</summary>
    protected virtual void ReleasePages() => Index.Clear();

    /// <summary>Keeps the pages of an object that ended because its shard goes elsewhere.</summary>
    protected bool TryKeepAside() => _stopping && !_isPoolGone && Index.Count > 0 && Services.HasPeers() && Services.Aside.TryKeep(Key, _shard, Pool, Index);

    /// <summary>Takes over an index that was kept aside here.</summary>
    protected void TakeBack(AccountedIndex index)
    {
        Index = index;
        index.Restamp(Changes);
    }

    private void EnterShard()
    {
        if (Services.Shards.Find(_shard) is { } life && life.TryEnter())
        {
            _life = life;
            Begin();
        }
        else
        {
            Services.Guard.Tell(new WantShard(_shard), Self);
        }
    }

    private bool ReceiveControl(object message)
    {
        switch (message)
        {
            case Activate when _entry is not null && !_stopping:
                Sender.Tell(new Activated(Key, Services.DataAddress));
                return true;
            case Activate:
                if (!_stopping) _activators.Add(Sender);
                return true;
            case ShardOpened:
                if (_life is null && !_stopping) EnterShard();
                return true;
            case StopObject:
                _stopping = true;
                LeaveRegistry();
                StopWhenIdle();
                return true;
            case PoolGone or ShardClosed:
                _isPoolGone |= message is PoolGone;
                LeaveRegistry();
                Context.Parent.Tell(new Passivate(StopObject.Instance));
                return true;
            case Sweep sweep:
                Index.DropStale(Changes);
                Count(_entry!);
                // Only what is idle leaves, and only this actor can tell.
                if (sweep.PassivateIfIdle && MayPassivate) Context.Parent.Tell(new Passivate(StopObject.Instance));
                return true;
            default:
                return ReceiveOther(message);
        }
    }

    private void Count(ObjectEntry entry) => (entry.Pages, entry.IndexBytes) = (Index.Count, Index.SizeBytes);

    private void LeaveRegistry()
    {
        if (_entry is not null) Services.Registry.Leave(_entry);
    }
}
