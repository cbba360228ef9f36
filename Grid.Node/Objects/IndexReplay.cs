using Grid.Node.Journal;
using Grid.Node.Pools;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>
/// Replays events of the journal onto an index: where every page lies, not the pages themselves.
/// <para>
/// Where the journal has a checkpoint, the replay begins at its first piece. Until its last piece the index is not whole: it has the places that pieces told of, and what
/// the events between them changed. That is exact, without any order but the journal's own: a piece tells what its range holds after all events before it; later events are applied on top, and what earlier
/// ones put into the range is among what the piece tells. A replay from any other base, or from the very beginning, ends in the same index; it need not read pieces at all once it is whole.
/// </para>
/// </summary>
internal sealed class IndexReplay(ObjectKey key, AccountedIndex index, ChangeTracker changes, ObjectLog log)
{
    /// <summary>A header's count is believed so far: beyond, the index grows by and by.</summary>
    private const int MaxReservedPages = 8 << 20;

    private long _base;
    private long _nextPlace;

    /// <summary>Whether the index has all places: where not, there must be more events.</summary>
    public bool IsWhole { get; private set; } = true;

    /// <summary>A recovery begins.</summary>
    /// <param name="ends">The ends of the journal.</param>
    /// <exception cref="JournalCorruptException">What the recovery would begin with is deleted.</exception>
    public void Begin(JournalEnds ends)
    {
        log.Begin(ends);
        _base = log.Base;
        _nextPlace = 0;
        IsWhole = _base == 0;
        if (!IsWhole && _base < ends.Deleted)
            throw new JournalCorruptException($"object {key}: event {ends.NewestSequenceNr} tells to begin after event {_base}, but events up to {ends.Deleted} are deleted");
        index.Reserve((int)Math.Min(ends.Newest.PagesAfter, MaxReservedPages));
    }

    /// <summary>Applies one event.</summary>
    /// <param name="row">The event, or its head.</param>
    /// <param name="quota">The quota to keep in step; null while an object comes to life, for the registry counts its pages already.</param>
    /// <exception cref="JournalCorruptException">The event is damaged, or a checkpoint's piece is missing.</exception>
    public void Apply(in JournalRow row, QuotaAccount? quota)
    {
        var reader = EventReader.OpenHead(key, row.SequenceNr, row.Payload);
        var flushesAll = false;
        if (reader.Entries[0].Kind == EventEntryKind.Range)
        {
            // A whole index has what the piece tells of.
            if (!IsWhole) Fill(row.SequenceNr, reader.Entries);
        }
        else
        {
            foreach (var entry in reader.Entries)
            {
                Change(row.SequenceNr, entry, quota);
                flushesAll |= entry.Kind == EventEntryKind.FlushObject;
            }
        }

        IsWhole |= flushesAll;
        log.Applied(row.SequenceNr, reader.Header, flushesAll);
    }

    /// <summary>There are no more events.</summary>
    /// <exception cref="JournalCorruptException">The checkpoint that the replay began with does not end.</exception>
    public void DemandWhole()
    {
        if (!IsWhole) throw new JournalCorruptException($"object {key}: the checkpoint behind event {_base} lacks its pieces from place {_nextPlace} on");
    }

    private void Change(long sequenceNr, in EventEntry entry, QuotaAccount? quota)
    {
        switch (entry.Kind)
        {
            case EventEntryKind.Put:
                // Beyond the quota by a few pages is better than a page without an index entry.
                if (quota is not null && !index.Contains(entry.Index)) quota.TakeAnyway(1);
                index.Set(entry.Index, default, changes.Put(entry.Index), sequenceNr, entry.StoredBytes);
                break;
            case EventEntryKind.Flush:
                index.Remove(entry.Index, keepQuota: quota is null);
                changes.Emptied(entry.Index);
                break;
            case EventEntryKind.FlushObject:
                if (quota is null) index.Clear();
                else index.RemoveAll();
                changes.EmptiedAll();
                break;
            case EventEntryKind.Fence:
                break;
            default:
                throw new JournalCorruptException($"object {key}: event {sequenceNr} has an entry of unknown kind {(byte)entry.Kind}");
        }
    }

    private void Fill(long sequenceNr, in EventEntries entries)
    {
        var range = entries[0];
        var isNext = range.FirstPlace == _nextPlace && (_nextPlace == 0 ? sequenceNr == _base + 1 && range.FirstPiece == 0 : range.FirstPiece == _base + 1);
        if (!isNext) throw new JournalCorruptException($"object {key}: event {sequenceNr} is no piece of the checkpoint behind event {_base} that goes on at place {_nextPlace}");
        for (var position = 1; position < entries.Count; position++)
        {
            var held = entries[position];
            index.Set(held.Index, default, 0, held.HeldBy, held.StoredBytes);
        }

        _nextPlace = range.LastPlace + 1L;
        IsWhole = _nextPlace > uint.MaxValue;
    }
}
