using System.Data.Common;

namespace Grid.Node.Journal;

/// <summary>
/// Demands that the events of an object come without gaps: a lost one would bring an older page, or a flushed one, back. Only a deleted beginning is allowed,
/// and only as far as the deletion noted before it began.
/// </summary>
internal sealed class Contiguity
{
    private readonly long _deleted;

    private Contiguity(string id, long after, long through, long deleted)
    {
        (Id, Through, _deleted) = (id, through, deleted);
        Last = Math.Max(after, deleted);
    }

    /// <summary>The persistence id.</summary>
    public string Id { get; }

    /// <summary>The last event to read.</summary>
    public long Through { get; }

    /// <summary>The event after which the next must follow.</summary>
    public long Last { get; private set; }

    public static Contiguity Begin(DbConnection connection, DbTransaction transaction, string id, long after, long through)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(after);
        return new Contiguity(id, after, through, JournalQueries.Deleted(connection, transaction, id));
    }

    /// <summary>Takes a row of (sequence number, serializer, manifest, ...); gives its number.</summary>
    public long Demand(DbDataReader reader)
    {
        var sequenceNr = reader.GetInt64(0);
        if (sequenceNr != Last + 1) throw Missing(sequenceNr);
        if (reader.IsDBNull(1) || reader.GetInt32(1) != JournalEventSerializer.Id || reader.IsDBNull(2) || !JournalEventSerializer.Reads(reader.GetString(2)))
            throw JournalCorruptException.InJournal(Id, $"event {sequenceNr} is not one of the Grid's (serializer or manifest)");
        Last = sequenceNr;
        return sequenceNr;
    }

    /// <summary>There are no more rows: there must not be any up to the last asked for.</summary>
    public void DemandEnd()
    {
        if (Through != long.MaxValue && Last < Through) throw Missing(null);
    }

    private JournalCorruptException Missing(long? found) => JournalCorruptException.InJournal(
        Id,
        $"event {Last + 1} is missing ({(found is { } next ? $"the next is {next}" : $"events up to {Through} must be there")}; deleted on purpose: up to {_deleted})");
}
