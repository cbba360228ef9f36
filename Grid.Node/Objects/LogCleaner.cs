using System.Runtime.CompilerServices;
using Akka.Actor;
using Grid.Node.Admin;
using Grid.Node.Journal;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>What cleaning asked of the journal has come.</summary>
/// <param name="Heads">Heads of events, in order; null where one whole event was asked for.</param>
/// <param name="Payload">The whole event.</param>
/// <param name="Failure">Why it did not come.</param>
internal sealed record CleanerRead(JournalPage? Heads, ReadOnlyMemory<byte> Payload, Exception? Failure) : IBearsPages
{
    long IBearsPages.PageBytes => Payload.Length + (Heads?.Rows.Sum(row => (long)row.Payload.Length) ?? 0);
}

/// <summary>
/// Frees the beginning of an object's journal: goes through its oldest events, in order, and copies the pages that the index still has there into new events. A pass begins when the share of bytes
/// nobody needs is large and ends when it is small again, or at the event that was the newest when it began. One batch of copies is held at a time.
/// <para>
/// A copy must not overwrite a newer page: it is made into an event only at the moment at which nothing else is under way and everything committed is in the index, and only if the index still
/// has the page where it was read. What clients write meanwhile becomes a later event. To clients nothing changes: neither the page nor its version.
/// </para>
/// </summary>
internal sealed class LogCleaner(IUpkeepHost host, UpkeepLimits limits, CleaningTurns turns, ObjectKey key, AccountedIndex index, ObjectLog log)
{
    private const int HeadsPerRead = 128;
    private const int HeadBytesPerRead = 256 << 10;

    private readonly Queue<JournalRow> _heads = new();
    private readonly List<Copy> _copies = [];
    private EventReader? _next;
    private Step _step;
    private long _passEnd;
    private long _passEndBytes;
    private long _readThrough;
    private long _batchThrough;
    private long _batchThroughBytes;
    private int _copyBytes;
    private long _againAtBytes;
    private Exception? _failure;

    private enum Step
    {
        /// <summary>No pass is under way.</summary>
        Idle,

        /// <summary>Other objects of the node are being cleaned.</summary>
        WaitingForTurn,

        /// <summary>A read is under way.</summary>
        Reading,

        /// <summary>Copies are to be written.</summary>
        Ready,
    }

    private readonly record struct Copy(uint Index, long SequenceNr, StoredPage Page);

    /// <summary>Whether a pass is under way, or waits for its turn.</summary>
    public bool IsActive => _step != Step.Idle;

    /// <summary>Whether there are copies to write.</summary>
    public bool IsReady => _step == Step.Ready;

    /// <summary>Whether a pass should begin.</summary>
    public bool IsDue => _step == Step.Idle && log.EndBytes >= _againAtBytes && DeadBytes >= limits.CleanMinDeadBytes
        && DeadBytes * 100 >= log.UncleanedBytes * limits.CleanDeadPercent;

    /// <summary>How far cleaning is behind: 1 where it keeps up, more where it has to hurry.</summary>
    public int Urgency => (int)Math.Clamp(DeadBytes / Math.Max(index.JournalBytes + limits.CleanMinDeadBytes, 1), 1, 4);

    /// <summary>A checkpoint is of use: counted as dead, that of many tiny pages would have the journal cleaned, and so another written, without end.</summary>
    private long DeadBytes => log.UncleanedBytes - index.JournalBytes - Checkpointer.BytesFor(index.Count);

    private int CopyTargetBytes => Urgency > 1 ? UpkeepLimits.LargeCopyBytes : UpkeepLimits.SmallCopyBytes;

    /// <summary>Begins a pass as soon as it is the object's turn.</summary>
    public void Begin()
    {
        _step = Step.WaitingForTurn;
        turns.Ask(host.Self);
    }

    /// <summary>It is the object's turn.</summary>
    public void OnTurn()
    {
        if (_step != Step.WaitingForTurn)
        {
            turns.Return();
            return;
        }

        _passEnd = log.AppliedSequenceNr;
        // A part of the journal, so that its space comes back before the next is begun.
        _passEndBytes = log.CleanedBytes + Math.Max(Math.Max(index.JournalBytes / 4, DeadBytes / 2), limits.CleanMinDeadBytes);
        _readThrough = log.CleanedThrough;
        StartBatch();
        Advance();
    }

    /// <summary>What was read has come.</summary>
    public void OnRead(CleanerRead read)
    {
        if (_step != Step.Reading) return;
        if (read.Failure is { } failure)
        {
            GiveUp(failure);
            return;
        }

        if (read.Heads is { } heads)
            foreach (var row in heads.Rows) _heads.Enqueue(row);
        Advance(read.Payload);
    }

    /// <summary>Makes the event of the copies; false where none is left to copy. Everything that is committed must be in the index, and nothing else under way.</summary>
    public bool TryCompose(EventBuilder copies)
    {
        copies.Clear();
        _copies.RemoveAll(copy => !IsLive(copy.Index, copy.SequenceNr));
        foreach (var copy in _copies) copies.Put(copy.Index, copy.Page.Codec, copy.Page.Stored.Span);
        return _copies.Count > 0;
    }

    /// <summary>The copies are committed, or there was nothing to copy.</summary>
    public void Committed(long sequenceNr)
    {
        foreach (var copy in _copies)
        {
            ref var entry = ref index.Find(copy.Index);
            // Nothing else was under way: the index has the page where it was.
            entry.SequenceNr = sequenceNr;
        }

        log.Clean(_batchThrough, _batchThroughBytes);
        var isOver = _batchThrough >= _passEnd || _batchThroughBytes >= _passEndBytes;
        StartBatch();
        if (isOver) End();
        else Advance();
    }

    /// <summary>The object was flushed, or a write failed: the pass ends, what it has done stays done.</summary>
    public void BreakOff()
    {
        // A turn that is waited for will find out by itself.
        if (_step is Step.Reading or Step.Ready) End();
    }

    /// <summary>The object's actor stops.</summary>
    public void Stop()
    {
        if (_step == Step.Idle || (_step == Step.WaitingForTurn && turns.Forget(host.Self))) return;
        End();
    }

    /// <summary>Why the last pass ended early; told once.</summary>
    public Exception? TakeFailure()
    {
        var failure = _failure;
        _failure = null;
        return failure;
    }

    private void Advance(ReadOnlyMemory<byte> payload = default)
    {
        try
        {
            if (payload.Length > 0) _next = EventReader.Open(key, _readThrough + 1, payload);
            Gather();
        }
        catch (JournalCorruptException corrupt)
        {
            GiveUp(corrupt);
        }
    }

    /// <summary>Takes events into the batch until it is full or something has to be read first.</summary>
    private void Gather()
    {
        while (_copyBytes < CopyTargetBytes && _batchThroughBytes < _passEndBytes)
        {
            if (_next is not null)
            {
                if (!TryTake(_next)) break;
                Pass(_next.Header);
                _next = null;
            }
            else if (_heads.TryDequeue(out var row))
            {
                var head = EventReader.OpenHead(key, row.SequenceNr, row.Payload);
                if (HasLive(head, row.SequenceNr))
                {
                    Read(ReadEventAsync(row.SequenceNr));
                    return;
                }

                Pass(head.Header);
            }
            else if (_readThrough >= _passEnd)
            {
                break;
            }
            else
            {
                Read(ReadHeadsAsync(_readThrough, _passEnd));
                return;
            }
        }

        _step = Step.Ready;
    }

    private void Pass(in EventHeader header)
    {
        _batchThrough = ++_readThrough;
        _batchThroughBytes = header.LogBytes > 0 ? header.LogBytes : _batchThroughBytes + header.EventBytes;
    }

    private bool HasLive(EventReader head, long sequenceNr)
    {
        foreach (var entry in head.Entries)
            if (entry.Kind == EventEntryKind.Put && IsLive(entry.Index, sequenceNr)) return true;
        return false;
    }

    /// <summary>Takes an event's live pages; false where the batch has no room for them.</summary>
    private bool TryTake(EventReader reader)
    {
        var (sequenceNr, before) = (_readThrough + 1, _copies.Count);
        var bytes = 0;
        foreach (var entry in reader.Entries)
        {
            if (entry.Kind != EventEntryKind.Put || !IsLive(entry.Index, sequenceNr)) continue;
            // Of several puts of one index in an event the last counts.
            if (!reader.TryLastEntry(entry.Index, out var last) || last.Offset != entry.Offset) continue;
            _copies.Add(new Copy(entry.Index, sequenceNr, reader.Page(entry)));
            bytes += entry.StoredBytes;
        }

        if (_copyBytes + bytes > EventFormat.MaxPageBytes || _copies.Count > EventFormat.MaxEntries)
        {
            _copies.RemoveRange(before, _copies.Count - before);
            return false;
        }

        _copyBytes += bytes;
        return true;
    }

    private bool IsLive(uint page, long sequenceNr)
    {
        ref var entry = ref index.Find(page);
        return !Unsafe.IsNullRef(ref entry) && entry.SequenceNr == sequenceNr;
    }

    private void StartBatch()
    {
        _copies.Clear();
        _copyBytes = 0;
        (_batchThrough, _batchThroughBytes) = (log.CleanedThrough, log.CleanedBytes);
    }

    /// <summary>What can't be read can't be copied, so nothing behind it can be freed; in time it may be overwritten. What is gathered is still written.</summary>
    private void GiveUp(Exception failure)
    {
        _failure = failure;
        _againAtBytes = log.EndBytes + Math.Max(log.UncleanedBytes / 2, limits.CleanMinDeadBytes);
        _passEnd = _batchThrough;
        _step = Step.Ready;
    }

    private void End()
    {
        turns.Return();
        Reset();
    }

    private void Reset()
    {
        _step = Step.Idle;
        _heads.Clear();
        _copies.Clear();
        _copies.TrimExcess();
        _next = null;
    }

    private void Read(Task<CleanerRead> read)
    {
        _step = Step.Reading;
        _ = read.PipeTo(host.Self);
    }

    private async Task<CleanerRead> ReadHeadsAsync(long after, long through)
    {
        try
        {
            var heads = await host.ReadHeadsAsync(after, through, HeadsPerRead, HeadBytesPerRead).ConfigureAwait(false);
            return new CleanerRead(heads, default, null);
        }
        catch (Exception failure)
        {
            return new CleanerRead(null, default, failure);
        }
    }

    private async Task<CleanerRead> ReadEventAsync(long sequenceNr)
    {
        try
        {
            return new CleanerRead(null, await host.ReadEventAsync(sequenceNr).ConfigureAwait(false), null);
        }
        catch (Exception failure)
        {
            return new CleanerRead(null, default, failure);
        }
    }
}
