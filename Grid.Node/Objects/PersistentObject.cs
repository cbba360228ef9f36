using System.Runtime.CompilerServices;
using Akka.Actor;
using Akka.Event;
using Grid.Node.Journal;
using Grid.Node.Memory;
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
    private readonly QuotaGate _quota;
    private readonly JournalWriter _writer;
    private readonly PageLoader _loader;
    private readonly Queue<ObjectRequest> _backlog = new();
    private readonly List<IActorRef> _activators = [];
    private CommitBatch _open;
    private CommitBatch _inFlight;
    private readonly List<PageRef> _stored = [];
    private CommitBatch? _doubt;
    private bool _isCommitting;
    private bool _isFenced;
    private bool _isReading;
    private bool _isServing;

    /// <summary>The event of <see cref="_inFlight"/>, committed but waiting until what stands before it has been read; else 0.</summary>
    private long _committedSequenceNr;

    /// <summary>Whether the reading under way has found events.</summary>
    private bool _tailChanged;

    /// <summary>The newest event whose effects are in the index.</summary>
    private long _appliedSequenceNr;

    public PersistentObject(ObjectServices services, ObjectKey key, PoolEntry pool)
        : base(services, key, pool)
    {
        _open = new CommitBatch(pool.Options.PageSizeBytes);
        _inFlight = new CommitBatch(pool.Options.PageSizeBytes);
        _quota = new QuotaGate(pool, Self);
        _writer = new JournalWriter(services, JournalIds.ForObject(key), Context, Self);
        _loader = new PageLoader(services, key, pool, Self, Index);
    }

    protected override bool IsIdle =>
        !_isCommitting && !_isReading && _open.IsEmpty && _backlog.Count == 0 && !_quota.IsWaiting && !_loader.IsBusy;

    protected override void PreStart() => ReadOn();

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
            case Activate:
                _activators.Add(Sender);
                break;
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
                OnWriteFailed(notApplied: !_isCommitting, down.Cause);
                break;
            case Terminated ended when _writer.IsCurrent(ended.ActorRef):
                OnWriteFailed(notApplied: !_isCommitting, new JournalUnavailableException("the journal's writer ended"));
                break;
            case RestartWriter:
                _writer.Start();
                break;
            case EventLoaded loaded:
                _loader.OnLoaded(loaded);
                break;
            case QuotaAnswer answer:
                _quota.Resume(answer, Serve);
                break;
            default:
                return false;
        }

        CommitNext();
        StopWhenIdle();
        return true;
    }

    // ---- reading ----

    private void Read(ObjectRequest request)
    {
        if (InDoubt(request)) return;
        if (!ConditionHolds(request))
        {
            request.Answer(Status.ConditionFailed, Changes.Version);
            return;
        }

        // Nobody reads what a crash could take back: the get takes effect with the event that changes its handle.
        if (Touches(_open, request)) _open.Requests.Add(request);
        else if (_isCommitting && Touches(_inFlight, request)) _inFlight.Requests.Add(request);
        else Resolve(request);
    }

    /// <summary>A get takes effect: its pages are pinned, or read from the journal by the sequence numbers they have at this instant.</summary>
    private void Resolve(ObjectRequest request)
    {
        var takes = request.Takes;
        var hit = false;
        for (var i = 0; i < request.EntryCount; i++)
        {
            var index = request.EntryIndex(i);
            ref var entry = ref Index.Find(index);
            if (Unsafe.IsNullRef(ref entry)) continue;
            hit = true;
            request.Bits.Set(i);
            if (Services.Store.TryPin(entry.Page)) _loader.Hand(request, i, entry.Page);
            else _loader.Want(request, i, entry.SequenceNr);
            if (!takes) continue;
            // A pinned frame outlives its Free until the answer is copied out.
            Index.Remove(index);
            Changes.Emptied(index);
        }

        request.EffectVersion = Changes.Version;
        _loader.AnswerOrLoad(request, request.Opcode == Opcode.GetBatch || hit ? Status.Ok : Status.Miss);
    }

    // ---- writing ----

    private void Write(ObjectRequest request)
    {
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

        var bytes = request.HasPuts ? request.EntryCount * Pool.Options.PageSizeBytes : 0;
        if ((_open.PageBytes > 0 && _open.PageBytes + bytes > Services.Limits.EventTargetBytes) || !_open.Event.HasRoomFor(request.EntryCount, bytes))
        {
            _backlog.Enqueue(request);
            return;
        }

        if (request.HasPuts && Pool.Frozen) request.Refusal = RefusalReason.Frozen;
        if (request.HasPuts && request.Refusal == RefusalReason.None)
        {
            var fresh = FreshPages(request);
            if (!_quota.TryTake(request, fresh)) return;
            _open.QuotaPages += fresh;
        }

        if (Record(request) || !_isFenced || Touches(_open, request) || (_isCommitting && Touches(_inFlight, request)))
        {
            _open.NeedsFence = true;
            _open.Requests.Add(request);
            return;
        }

        Execute(request, _appliedSequenceNr);
    }

    /// <summary>Writes into the open event what the request will do; false where it will change nothing.</summary>
    private bool Record(ObjectRequest request)
    {
        if (request.Opcode == Opcode.FlushObject)
        {
            if (Index.Count == 0 && !_open.TouchesAny && !(_isCommitting && _inFlight.TouchesAny)) return false;
            _open.NetPages -= Index.Count + (_isCommitting ? _inFlight.NetPages : 0) + _open.NetPages;
            _open.Event.FlushObject();
            _open.MarkFlushedAll();
            return true;
        }

        var changes = false;
        Span<byte> word = stackalloc byte[sizeof(ulong)];
        for (var i = 0; i < request.EntryCount; i++)
        {
            var index = request.EntryIndex(i);
            var stores = request.Refusal == RefusalReason.None
                && (request.Opcode == Opcode.Put || (request.Opcode == Opcode.WriteBatch && !request.Entries[i].IsFlush));
            if (stores)
            {
                var page = request.Opcode == Opcode.Put ? request.Page : request.Pages[i];
                var stored = Services.Store.Stored(page, word, out var codec);
                _open.Event.Put(index, codec, stored);
                _open.PageBytes += stored.Length;
                if (!WillBePresent(index)) _open.NetPages++;
                _open.MarkPut(index);
                changes = true;
            }
            else if (WillBePresent(index))
            {
                _open.Event.Flush(index);
                _open.NetPages--;
                _open.MarkEmptied(index);
                changes = true;
            }
        }

        return changes;
    }

    /// <summary>The request takes effect: its event is committed (or it needs none).</summary>
    private void Execute(ObjectRequest request, long sequenceNr)
    {
        switch (request.Opcode)
        {
            case Opcode.Get or Opcode.GetBatch:
                Resolve(request);
                return;
            case Opcode.FlushObject:
                var any = Index.RemoveAll() > 0;
                Changes.EmptiedAll();
                request.Answer(any ? Status.Ok : Status.Miss, Changes.Version);
                return;
        }

        var was = false;
        for (var i = 0; i < request.EntryCount; i++)
        {
            var index = request.EntryIndex(i);
            if (Index.Contains(index))
            {
                was = true;
                request.Bits.Set(i);
            }

            var stores = request.Refusal == RefusalReason.None
                && (request.Opcode == Opcode.Put || (request.Opcode == Opcode.WriteBatch && !request.Entries[i].IsFlush));
            if (stores)
            {
                var page = request.Opcode == Opcode.Put ? request.Page : request.Pages[i];
                Index.Set(index, page, Changes.Put(index), sequenceNr);
                _stored.Add(page);
                if (request.Opcode == Opcode.Put) request.Page = default;
                else request.Pages[i] = default;
            }
            else
            {
                Index.Remove(index);
                Changes.Emptied(index);
            }
        }

        if (request.Refusal != RefusalReason.None)
        {
            DropPages(request);
            request.Answer(Status.Refused, Changes.Version, request.Refusal);
            return;
        }

        request.Answer(was || request.Opcode != Opcode.FlushPage ? Status.Ok : Status.Miss, Changes.Version);
    }

    private void CommitNext()
    {
        if (_isCommitting || _isReading || !_isServing || _open.IsEmpty || _writer.Failure is not null) return;
        if (!_writer.TryBegin()) return;
        (_open, _inFlight) = (_inFlight, _open);
        _isCommitting = true;
        if (_inFlight.Event.IsEmpty) _inFlight.Event.Fence();
        _writer.Write(_inFlight.Event.ToEvent(Key, Incarnation, (uint)Math.Max(0, Index.Count + _inFlight.NetPages)));
    }

    private void OnWritten(Written written)
    {
        if (!_isCommitting || !_writer.IsCurrentToken(written.Token)) return;
        _writer.OnWritten();
        _isFenced = true;
        _committedSequenceNr = written.SequenceNr;
        // The event stands behind whatever an unanswered write left: what that left is certain now and is read before this event takes effect.
        if (_doubt is not null || written.SequenceNr != _appliedSequenceNr + 1) ReadOn();
        else ApplyCommitted();
    }

    private void ApplyCommitted()
    {
        _isCommitting = false;
        _appliedSequenceNr = _committedSequenceNr;
        _committedSequenceNr = 0;
        foreach (var request in _inFlight.Requests) Execute(request, _appliedSequenceNr);
        // Only now may they be evicted: a get of this very event must not have to read one that a later entry of it removed.
        foreach (var page in _stored) Services.Store.Publish(page, evictable: true);
        _stored.Clear();
        _inFlight.Clear();
        ServeBacklog();
    }

    private void OnWriteFailed(bool notApplied, Exception cause)
    {
        Log.Warning("Journal of {0}: a write failed ({1}): {2}", Key, notApplied ? "not applied" : "outcome unknown", FailureText.Of(cause));
        _writer.Fail(cause);
        if (_isCommitting)
        {
            _isCommitting = false;
            if (!notApplied)
            {
                _doubt ??= new CommitBatch(Pool.Options.PageSizeBytes);
                _doubt.MergeTouched(_inFlight);
            }

            FailBatch(_inFlight, notApplied ? Status.FailedNotApplied : Status.FailedUnknown, cause);
        }

        FailBatch(_open, Status.FailedNotApplied, cause);
        ServeBacklog();
    }

    private void FailBatch(CommitBatch batch, Status status, Exception cause)
    {
        if (batch.QuotaPages > 0) Pool.Quota.Give(batch.QuotaPages);
        var requests = batch.Requests.ToArray();
        batch.Clear();
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
        if (_doubt is not null) _open.NeedsFence = true;
        // Somebody wrote after this incarnation had read: know it before writing on top of it.
        else if (ready.LastSequenceNr != _appliedSequenceNr) ReadOn();
    }

    // ---- recovery ----

    private void ReadOn()
    {
        _isReading = true;
        var through = _committedSequenceNr > 0 ? _committedSequenceNr - 1 : long.MaxValue;
        _ = TailRead.RunAsync(Services, JournalIds.ForObject(Key), _appliedSequenceNr, through, Self);
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
            foreach (var row in read.Rows)
            {
                JournalReplay.Apply(row, Key, Index, Changes, _isServing ? Pool.Quota : null);
                _appliedSequenceNr = row.SequenceNr;
            }
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
        foreach (var activator in _activators) activator.Tell(new Activated(Key, Services.DataAddress));
        _activators.Clear();
    }

    private void OnCaughtUp()
    {
        _doubt = null;
        if (_committedSequenceNr > 0) ApplyCommitted();
        if (!_tailChanged) return;
        _tailChanged = false;
        // What waits for the next event was recorded against an index that has changed since.
        var waiting = _open.Requests.ToArray();
        if (_open.QuotaPages > 0) Pool.Quota.Give(_open.QuotaPages);
        _open.Clear();
        foreach (var request in waiting) Serve(request);
    }

    private void OnReadFailed(Exception failure)
    {
        if (_isServing)
        {
            // A committed event whose predecessors can't be read has happened, but its answers can't be known: in doubt until a later reading.
            _committedSequenceNr = 0;
            OnWriteFailed(notApplied: !_isCommitting, failure);
            return;
        }

        var status = failure is JournalCorruptException ? Status.Corrupt : Status.FailedNotApplied;
        foreach (var activator in _activators) activator.Tell(new ActivationFailed(Key, status, failure.Message));
        Context.Stop(Self);
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
        if (_doubt is null || !Touches(_doubt, request)) return false;
        DropPages(request);
        request.Fail(Status.NotServing, "an earlier write's outcome is not known yet: the journal is being asked");
        return true;
    }

    private static bool Touches(CommitBatch batch, ObjectRequest request)
    {
        if (request.Opcode == Opcode.FlushObject) return batch.TouchesAny;
        for (var i = 0; i < request.EntryCount; i++)
            if (batch.Touches(request.EntryIndex(i))) return true;
        return false;
    }

    private bool WillBePresent(uint index) =>
        _open.Presence(index) ?? (_isCommitting ? _inFlight.Presence(index) : null) ?? Index.Contains(index);

    private int FreshPages(ObjectRequest request)
    {
        var fresh = 0;
        for (var i = 0; i < request.EntryCount; i++)
        {
            if (request.Opcode == Opcode.WriteBatch && request.Entries[i].IsFlush) continue;
            if (!WillBePresent(request.EntryIndex(i))) fresh++;
        }

        return fresh;
    }

    private bool ConditionHolds(ObjectRequest request)
    {
        if ((request.Flags & RequestFlags.Conditional) == 0) return true;
        return !Touches(_open, request) && !(_isCommitting && Touches(_inFlight, request)) && Unchanged(request);
    }

    private void DropPages(ObjectRequest request) => Services.DropPages(request);
}
