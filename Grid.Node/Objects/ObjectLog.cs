using Grid.Node.Journal;

namespace Grid.Node.Objects;

/// <summary>
/// What an object knows of its own journal: how far it is applied, where a recovery may begin, how many bytes it has and which of them nobody needs any more.
/// Bytes are counted from the object's first event on, whatever was deleted since; so they are positions too.
/// </summary>
internal sealed class ObjectLog
{
    private long _baseBytes;

    /// <summary>The newest event whose effects are in the index.</summary>
    public long AppliedSequenceNr { get; private set; }

    /// <summary>The event after which a recovery may begin, as the next event will say; 0 at the very beginning.</summary>
    public long Base { get; private set; }

    /// <summary>The same as the newest event says it. What stands before it may be deleted, and nothing else.</summary>
    public long StatedBase { get; private set; }

    /// <summary>Position of the end of the journal.</summary>
    public long EndBytes { get; private set; }

    /// <summary>No page of the index stands in this event or an earlier one.</summary>
    public long CleanedThrough { get; private set; }

    /// <summary>Position of the end of <see cref="CleanedThrough"/>.</summary>
    public long CleanedBytes { get; private set; }

    /// <summary>Events up to and with this one are deleted.</summary>
    public long DeletedThrough { get; private set; }

    /// <summary>Position of the end of <see cref="DeletedThrough"/>.</summary>
    public long DeletedBytes { get; private set; }

    /// <summary>Whether a deletion was cut short.</summary>
    public bool HasLeftovers { get; private set; }

    /// <summary>Events behind the base: what a recovery would have to replay.</summary>
    public long EventsBehindBase => AppliedSequenceNr - Base;

    /// <summary>Bytes behind the base.</summary>
    public long BytesBehindBase => EndBytes - _baseBytes;

    /// <summary>Bytes that cleaning has to look through.</summary>
    public long UncleanedBytes => EndBytes - CleanedBytes;

    /// <summary>Bytes that a deletion would give back now.</summary>
    public long DeletableBytes => CleanedThrough > DeletedThrough && CleanedThrough <= StatedBase ? CleanedBytes - DeletedBytes : 0;

    /// <summary>Where the next event will stand.</summary>
    public LogPosition Next => new(Base, EndBytes);

    /// <summary>A recovery begins.</summary>
    public void Begin(JournalEnds ends)
    {
        (DeletedThrough, HasLeftovers) = (ends.Deleted, ends.HasLeftovers);
        CleanedThrough = ends.Deleted;
        // Before format 2 nothing was ever deleted but whole pools.
        CleanedBytes = DeletedBytes = EndBytes = ends.First.LogBytes == 0 ? 0 : ends.First.LogBytes - ends.First.EventBytes;
        Base = StatedBase = ends.Newest.Base;
        AppliedSequenceNr = Math.Max(Base, DeletedThrough);
    }

    /// <summary>An event is applied, its own or one that was read.</summary>
    public void Applied(long sequenceNr, in EventHeader header, bool flushesAll)
    {
        // The greater one: an event that was made while an earlier one's outcome was unknown did not count that, and format 1 counts nothing.
        EndBytes = Math.Max(header.LogBytes, EndBytes + header.EventBytes);
        AppliedSequenceNr = sequenceNr;
        StatedBase = header.Base;
        Base = Math.Max(Base, header.Base);
        // The first event behind the base, the base being found by recovery or this very event.
        if (sequenceNr == Base + 1) _baseBytes = EndBytes - header.EventBytes;
        if (flushesAll) Clean(sequenceNr - 1, EndBytes - header.EventBytes);
    }

    /// <summary>A checkpoint of several pieces is whole.</summary>
    public void MoveBase(long newBase, long bytes) => (Base, _baseBytes) = (newBase, bytes);

    /// <summary>No page of the index stands up to an event any more.</summary>
    public void Clean(long through, long bytes) => (CleanedThrough, CleanedBytes) = (through, bytes);

    /// <summary>Events up to one are deleted.</summary>
    public void Delete(long through, long bytes) => (DeletedThrough, DeletedBytes, HasLeftovers) = (through, bytes, false);
}
