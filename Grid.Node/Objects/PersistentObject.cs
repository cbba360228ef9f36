using Akka.Actor;
using Akka.Event;
using Grid.Node.Journal;
using Grid.Node.Pools;
using Grid.Protocol;
using Status = Grid.Protocol.Status;

namespace Grid.Node.Objects;

/// <summary>
/// An object of a persistent pool. The journal is the store, memory a cache of it: the index knows for every page the event that holds it.
/// Writes are gathered into one event at a time (group commit) and take effect, in order, when that event is committed; what reads a handle that an
/// uncommitted event changes waits for it. An incarnation commits an event of its own before it answers anything but gets.
/// </summary>
internal sealed class PersistentObject : ObjectActor
{
    /// <summary>How long a committed event waits for a lease that has run out to come back, and how often it is looked for.</summary>
    private const long LeasePatienceMs = 5000;
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(50);

    private readonly QuotaGate _quota;
    private readonly JournalWriter _writer;
    private readonly PageLoader _loader;
    private readonly PendingWrites _pending;
    private readonly WriteEffects _effects;
    private readonly ObjectLog _log = new();
    private readonly IndexReplay _replay;
    private readonly LogUpkeep _upkeep;
    private readonly Queue<ObjectRequest> _backlog = new();
    private JournalEvent? _sent;
    private ICancelable? _lookAtLease;
    private bool _isUpkeepSent;
    private bool _isFenced;
    private bool _isReading;
    private bool _isServing;

    /// <summary>The event under way, committed but waiting until what stands before it has been read; else 0.</summary>
    private long _committedSequenceNr;

    /// <summary>Whether the reading under way has found events.</summary>
    private bool _tailChanged;

    public PersistentObject(ObjectServices services, ObjectKey key, PoolEntry pool)
        : base(services, key, pool)
    {
        _quota = new QuotaGate(pool, Self);
        _writer = new JournalWriter(services, JournalIds.ForObject(key), Context, Self);
        _loader = new PageLoader(services, key, pool, Self, Index);
        _pending = new PendingWrites(pool, services.Store, Index);
        _effects = new WriteEffects(services, Index, Changes, _loader);
        _replay = new IndexReplay(key, Index, Changes, _log);
        _upkeep = new LogUpkeep(new UpkeepHost(services, key, _loader, Self, Context), services.Limits.Upkeep, services.CleaningTurns, key, pool.Options.PageSizeBytes, Index, _log);
    }

    private bool IsCommitting => _sent is not null;

    protected override bool IsInDoubt => _pending.HasDoubt;

    protected override bool IsIdle =>
        !IsCommitting && !_isReading && _pending.Open.IsEmpty && _backlog.Count == 0 && !_quota.IsWaiting && !_loader.IsBusy;

    protected override bool MayPassivate => IsIdle && !_upkeep.IsBusy;

    protected override void Begin()
    {
        _isReading = true;
        _ = TailRead.BeginAsync(Services, Key, Self);
    }

    protected override void PostStop()
    {
        _lookAtLease?.Cancel();
        _pending.Stop();
        try
        {
            _upkeep.Stop();
        }
        finally
        {
            base.PostStop();
        }
    }

    protected override void Serve(ObjectRequest request)
    {
        if (_quota.IsWaiting) _quota.Park(request);
        else if (request.Opcode is Opcode.Get or Opcode.GetBatch && !request.Takes) Read(request);
        else if (request.Opcode is >= Opcode.Put and <= Opcode.GetBatch) Write(request);
        else request.Fail(Status.UnknownOperation, $"operation {(byte)request.Opcode} is unknown");
        CommitNext();
    }

    protected override bool ReceiveOther(object message)
    {
        switch (message)
        {
            case TailRead read:
                OnRead(read);
                break;
            case Written written:
                OnWritten(written);
                break;
            case WriteFailed failed when _writer.IsCurrent(Sender):
                OnWriteFailed(failed.NotApplied, failed.Cause);
                break;
            case WriterReady ready when _writer.IsCurrent(Sender):
                OnWriterReady(ready);
                break;
            case WriterDown down when _writer.IsCurrent(Sender):
                OnWriteFailed(notApplied: !IsCommitting, down.Cause);
                break;
            case Terminated ended when _writer.IsCurrent(ended.ActorRef):
                OnWriteFailed(notApplied: !IsCommitting, new JournalUnavailableException("the journal's writer ended"));
                break;
            case RestartWriter:
                _writer.Start();
                break;
            case LeaseLook look when IsCommitting && look.SequenceNr == _committedSequenceNr:
                ApplyCommitted(look.SinceMs);
                break;
            case LeaseLook:
                break;
            case EventLoaded loaded:
                _loader.OnLoaded(loaded);
                break;
            case QuotaAnswer answer:
                _quota.Resume(answer, Serve);
                break;
            default:
                if (!_upkeep.TryReceive(message)) return false;
                break;
        }

        if (_upkeep.TakeFailure() is { } failure)
            Log.Warning("Journal of {0}: cleaning stopped short and will be tried again: {1}", Key, failure.Message);
        CommitNext();
        StopWhenIdle();
        return true;
    }

    // ---- reading ----

    private void Read(ObjectRequest request)
    {
        if (RefusesByLease(request)) return;
        if (InDoubt(request)) return;
        if (!ConditionHolds(request))
        {
            request.Answer(Status.ConditionFailed, Changes.Version);
            return;
        }

        // Nobody reads what a crash could take back: the get takes effect with the event that changes its handle.
        if (PendingWrites.Touches(_pending.Open, request)) _pending.Open.Requests.Add(request);
        else if (PendingWrites.Touches(_pending.InFlight, request)) _pending.InFlight.Requests.Add(request);
        else _effects.Resolve(request);
    }

    // ---- writing ----

    private void Write(ObjectRequest request)
    {
        if (RefusesByLease(request)) return;
        if (_writer.Failure is { } failure)
        {
            DropPages(request);
            request.Fail(Status.FailedNotApplied, $"the journal can't be written: {failure}");
            return;
        }

        if (InDoubt(request)) return;
        if (!ConditionHolds(request))
        {
            DropPages(request);
            request.Answer(Status.ConditionFailed, Changes.Version);
            return;
        }

        var open = _pending.Open;
        // Flushes take no bytes: counted with them, a batch that is allowed would never fit an event and wait for ever.
        var bytes = request.PutCount * Pool.Options.PageSizeBytes;
        if ((open.PageBytes > 0 && open.PageBytes + bytes > Services.Limits.EventTargetBytes) || !open.Event.HasRoomFor(request.EntryCount, bytes))
        {
            _backlog.Enqueue(request);
            return;
        }

        if (request.HasPuts && Pool.Frozen) request.Refusal = RefusalReason.Frozen;
        if (request.HasPuts && request.Refusal == RefusalReason.None)
        {
            var fresh = _pending.FreshPages(request);
            if (!_quota.TryTake(request, fresh)) return;
            open.QuotaPages += fresh;
        }

        if (_pending.Record(request) || !_isFenced || _pending.Touch(request))
        {
            open.NeedsFence = true;
            open.Requests.Add(request);
            return;
        }

        _effects.Execute(request, _log.AppliedSequenceNr);
    }

    private void CommitNext()
    {
        while (!IsCommitting && !_isReading && _isServing && _writer.Failure is null)
        {
            // Upkeep builds on everything before it: not while it is unknown what that is.
            var upkeepWants = !_pending.HasDoubt && !IsStopping && _upkeep.WantsToWrite(clientsWait: !_pending.Open.IsEmpty);
            if ((_pending.Open.IsEmpty && !upkeepWants) || !_writer.TryBegin()) return;
            if (upkeepWants && _upkeep.Compose(out var position) is { } upkeep) Send(upkeep, 0, position, isUpkeep: true);
            else if (!_pending.Open.IsEmpty) SendOpen();
            // Else there was nothing to copy after all. What that leaves to do nobody else would tell.
        }
    }

    private void SendOpen()
    {
        _pending.Send();
        var batch = _pending.InFlight;
        if (batch.Event.IsEmpty) batch.Event.Fence();
        Send(batch.Event, batch.NetPages, _log.Next, isUpkeep: false);
    }

    private void Send(EventBuilder builder, int netPages, LogPosition position, bool isUpkeep)
    {
        _isUpkeepSent = isUpkeep;
        _sent = builder.ToEvent(Key, Incarnation, (uint)Math.Max(0, Index.Count + netPages), position);
        _writer.Write(_sent);
    }

    private void OnWritten(Written written)
    {
        if (!IsCommitting || !_writer.IsCurrentToken(written.Token)) return;
        _writer.OnWritten();
        _isFenced = true;
        _committedSequenceNr = written.SequenceNr;
        // The event stands behind whatever an unanswered write left: what that left is certain now and is read before this event takes effect.
        if (_pending.HasDoubt || written.SequenceNr != _log.AppliedSequenceNr + 1) ReadOn();
        else ApplyCommitted();
    }

    private void ApplyCommitted() => ApplyCommitted(Environment.TickCount64);

    /// <summary>Carries out what is committed and answers it, once this node is certain to own the object.</summary>
    /// <param name="sinceMs">When that was first to be done.</param>
    private void ApplyCommitted(long sinceMs)
    {
        // The lease has run out, as it does on a machine that stood still. If it comes back nobody has owned the object meanwhile: another node opens the shard with this one's
        // grant, which it gives once this object has ended, or after this node's removal, and then the lease does not come back.
        if (!Services.Shards.IsServing)
        {
            if (Environment.TickCount64 - sinceMs >= LeasePatienceMs) GiveUp();
            else _lookAtLease = Context.System.Scheduler.ScheduleTellOnceCancelable(LookAgainAfter, Self, new LeaseLook(_committedSequenceNr, sinceMs), Self);
            return;
        }

        var batch = _pending.InFlight;
        _log.Applied(_committedSequenceNr, EventHeader.Read(Key, _committedSequenceNr, _sent!.Bytes.Span), batch.FlushesAll);
        _sent = null;
        _committedSequenceNr = 0;
        if (_isUpkeepSent)
        {
            _upkeep.Committed(_log.AppliedSequenceNr);
        }
        else
        {
            foreach (var request in batch.Requests) _effects.Execute(request, _log.AppliedSequenceNr);
            _effects.Publish();
            _upkeep.OnClientEvent(batch.FlushesAll);
        }

        _pending.EndSent();
        ServeBacklog();
    }

    /// <summary>The event under way has happened, but whether it is still the newest nobody here can know: the object ends, its next life reads the journal.</summary>
    private void GiveUp()
    {
        var cause = new JournalUnavailableException("the node was not certain to own the object any more when the write had been committed");
        _pending.LeaveSent();
        FailBatch(_pending.InFlight, Status.FailedUnknown, cause);
        FailBatch(_pending.Open, Status.NotServing, cause);
        while (_backlog.TryDequeue(out var request))
        {
            DropPages(request);
            request.Fail(Status.NotServing, cause.Message);
        }

        Context.Stop(Self);
    }

    private void OnWriteFailed(bool notApplied, Exception cause)
    {
        Log.Warning("Journal of {0}: a write failed ({1}): {2}", Key, notApplied ? "not applied" : "outcome unknown", FailureText.Of(cause));
        _writer.Fail(cause);
        _upkeep.BreakOff();
        if (IsCommitting)
        {
            _sent = null;
            _committedSequenceNr = 0;
            if (!notApplied) _pending.Doubt();
            FailBatch(_pending.InFlight, notApplied ? Status.FailedNotApplied : Status.FailedUnknown, cause);
        }

        FailBatch(_pending.Open, Status.FailedNotApplied, cause);
        ServeBacklog();
    }

    private void FailBatch(CommitBatch batch, Status status, Exception cause)
    {
        var requests = batch.Requests.ToArray();
        _pending.Drop(batch);
        foreach (var request in requests)
        {
            if (request.Opcode is Opcode.Get or Opcode.GetBatch && !request.Takes)
            {
                Read(request);
                continue;
            }

            DropPages(request);
            request.Fail(status, $"the journal could not be written: {FailureText.Of(cause)}");
        }
    }

    private void OnWriterReady(WriterReady ready)
    {
        _writer.OnReady();
        if (_pending.HasDoubt) _pending.Open.NeedsFence = true;
        // Somebody wrote after this incarnation had read: know it before writing on top of it.
        else if (ready.LastSequenceNr != _log.AppliedSequenceNr) ReadOn();
    }

    // ---- recovery ----

    private void ReadOn()
    {
        _isReading = true;
        var through = _committedSequenceNr > 0 ? _committedSequenceNr - 1 : long.MaxValue;
        _ = TailRead.RunAsync(Services, Key, _log.AppliedSequenceNr, through, Self);
    }

    private void OnRead(TailRead read)
    {
        _isReading = false;
        if (read.Failure is { } failure)
        {
            OnReadFailed(failure);
            return;
        }

        try
        {
            if (read.Ends is { } ends) _replay.Begin(ends);
            foreach (var row in read.Rows) _replay.Apply(row, _isServing ? Pool.Quota : null);
            if (read.IsLast) _replay.DemandWhole();
        }
        catch (JournalCorruptException corrupt)
        {
            OnReadFailed(corrupt);
            return;
        }

        _tailChanged |= read.Rows.Count > 0;
        if (!read.IsLast)
        {
            ReadOn();
            return;
        }

        if (_isServing) OnCaughtUp();
        else StartServing();
    }

    private void StartServing()
    {
        _isServing = true;
        _tailChanged = false;
        EnterRegistry();
    }

    private void OnCaughtUp()
    {
        _pending.EndDoubt();
        if (_tailChanged) _upkeep.BreakOff();
        if (_committedSequenceNr > 0) ApplyCommitted();
        if (!_tailChanged) return;
        _tailChanged = false;
        // What waits for the next event was recorded against an index that has changed since.
        var waiting = _pending.Open.Requests.ToArray();
        _pending.Drop(_pending.Open);
        foreach (var request in waiting) Serve(request);
    }

    private void OnReadFailed(Exception failure)
    {
        if (_isServing)
        {
            // A committed event whose predecessors can't be read has happened, but its answers can't be known: in doubt until a later reading.
            _committedSequenceNr = 0;
            OnWriteFailed(notApplied: !IsCommitting, failure);
            return;
        }

        var status = failure is JournalCorruptException ? Status.Corrupt : Status.FailedNotApplied;
        FailActivation(status, failure.Message);
    }

    // ---- small things ----

    private void ServeBacklog()
    {
        for (var left = _backlog.Count; left > 0; left--)
        {
            var request = _backlog.Dequeue();
            if (_quota.IsWaiting) _quota.Park(request);
            else Write(request);
        }
    }

    private bool InDoubt(ObjectRequest request)
    {
        if (!_pending.InDoubt(request)) return false;
        DropPages(request);
        request.Fail(Status.NotServing, "an earlier write's outcome is not known yet: the journal is being asked");
        return true;
    }

    private bool ConditionHolds(ObjectRequest request) =>
        (request.Flags & RequestFlags.Conditional) == 0 || (!_pending.Touch(request) && Unchanged(request));

    private void DropPages(ObjectRequest request) => Services.DropPages(request);

    /// <summary>Time to look whether the lease has come back.</summary>
    /// <param name="SequenceNr">The committed event that waits for it.</param>
    /// <param name="SinceMs">Since when.</param>
    private sealed record LeaseLook(long SequenceNr, long SinceMs);
}
