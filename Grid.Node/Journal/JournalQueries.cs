using System.Data;
using System.Data.Common;
using Grid.Protocol;

namespace Grid.Node.Journal;

/// <summary>What is asked of the journal's tables, in SQL that both databases understand. Everything here blocks.</summary>
internal static class JournalQueries
{
    /// <summary>Bytes of an event's first part that are read without knowing how long its head is: enough for 256 entries.</summary>
    private const int FirstPartBytes = EventFormat.HeaderBytes + (256 * EventFormat.EntryBytes);

    /// <summary>Events whose first parts are asked for at once.</summary>
    private const int HeadsAtOnce = 128;

    /// <summary>How far an object's journal was deleted: events up to and with this number may be gone.</summary>
    private const string DeletedThrough = "SELECT max(sequence_number) FROM journal_metadata WHERE persistence_id = @id";

    private const string Highest = "SELECT max(sequence_number) FROM journal WHERE persistence_id = @id";

    // Steps from one persistence id to the next over the key, instead of through every event.
    private const string Ids =
        """
        WITH RECURSIVE ids (id) AS (
          SELECT (SELECT persistence_id FROM journal WHERE persistence_id > @after AND persistence_id >= @from AND persistence_id < @to ORDER BY persistence_id LIMIT 1)
          UNION ALL
          SELECT (SELECT persistence_id FROM journal WHERE persistence_id > ids.id AND persistence_id < @to ORDER BY persistence_id LIMIT 1)
          FROM ids WHERE ids.id IS NOT NULL)
        SELECT id FROM ids WHERE id IS NOT NULL LIMIT @most
        """;

    public static long HighestSequenceNr(DbConnection connection, string id)
    {
        using var highest = connection.Command(null, Highest).Add("@id", id);
        return Math.Max(highest.Number() ?? 0, Deleted(connection, null, id));
    }

    public static List<string> ListIds(DbConnection connection, string prefix, string after, int most)
    {
        using var command = connection.Command(null, Ids).Add("@after", after).AddPrefix(prefix).Add("@most", most);
        using var reader = command.ExecuteReader();
        var ids = new List<string>();
        while (reader.Read()) ids.Add(reader.GetString(0));
        return ids;
    }

    public static JournalPage ReadEvents(JournalDatabase database, DbConnection connection, string id, long after, long through, int maxRows, int maxBytes)
    {
        using var transaction = database.BeginRead(connection);
        var contiguous = Contiguity.Begin(connection, transaction, id, after, through);
        using var command = RowsCommand(connection, transaction, "message", contiguous, maxRows);
        using var reader = command.ExecuteReader(CommandBehavior.SequentialAccess);
        var rows = new List<JournalRow>();
        var bytes = 0L;
        while (rows.Count < maxRows && bytes < maxBytes && reader.Read())
        {
            var sequenceNr = contiguous.Demand(reader);
            var payload = reader.GetFieldValue<byte[]>(3);
            rows.Add(new JournalRow(sequenceNr, payload));
            bytes += payload.Length;
        }

        var isLast = rows.Count < maxRows && bytes < maxBytes;
        if (isLast) contiguous.DemandEnd();
        return new JournalPage(rows, isLast);
    }

    public static JournalPage ReadHeads(JournalDatabase database, DbConnection connection, string id, long after, long through, int maxRows, int maxBytes)
    {
        using var transaction = database.BeginRead(connection);
        var contiguous = Contiguity.Begin(connection, transaction, id, after, through);
        var (rows, bytes) = (new List<JournalRow>(), 0L);
        while (true)
        {
            // Few at a time: what lies beyond the bytes is not asked for.
            var most = Math.Min(HeadsAtOnce, maxRows - rows.Count);
            var found = FirstParts(database, connection, transaction, contiguous, most);
            foreach (var (sequenceNr, ordering, first) in found)
            {
                if (bytes >= maxBytes) return new JournalPage(rows, IsLast: false);
                var head = ReadHead(database, connection, id, sequenceNr, ordering, first);
                // Not the whole first part for a short head.
                rows.Add(new JournalRow(sequenceNr, head.Length < FirstPartBytes ? head.ToArray() : head));
                bytes += head.Length;
            }

            if (found.Count < most)
            {
                contiguous.DemandEnd();
                return new JournalPage(rows, IsLast: true);
            }

            if (rows.Count == maxRows || bytes >= maxBytes) return new JournalPage(rows, IsLast: false);
        }
    }

    /// <summary>Both ends of an object's journal; null where it has no events.</summary>
    public static JournalEnds? ReadEnds(JournalDatabase database, DbConnection connection, ObjectKey key)
    {
        var id = JournalIds.ForObject(key);
        using var transaction = database.BeginRead(connection);
        var deleted = Deleted(connection, transaction, id);
        using var highest = connection.Command(transaction, Highest).Add("@id", id);
        if (highest.Number() is not { } newest || newest <= deleted) return null;
        using var lowest = connection.Command(transaction, "SELECT min(sequence_number) FROM journal WHERE persistence_id = @id AND sequence_number > @deleted").Add("@id", id).Add("@deleted", deleted);
        using var leftover = connection.Command(transaction, "SELECT min(sequence_number) FROM journal WHERE persistence_id = @id").Add("@id", id);
        return new JournalEnds(deleted, leftover.Number() <= deleted, Header(deleted + 1, lowest.Number()), newest, Header(newest, newest));

        EventHeader Header(long sequenceNr, long? found) => found == sequenceNr && OrderingOf(connection, transaction, id, sequenceNr) is { } ordering
            ? EventHeader.Read(key, sequenceNr, database.ReadPart(connection, ordering, 0, EventHeader.SizeBytes))
            : throw JournalCorruptException.InJournal(id, $"event {sequenceNr} is missing (deleted on purpose: up to {deleted})");
    }

    public static ReadOnlyMemory<byte> ReadEvent(JournalDatabase database, DbConnection connection, string id, long sequenceNr)
    {
        var page = ReadEvents(database, connection, id, sequenceNr - 1, sequenceNr, 1, int.MaxValue);
        return page.Rows.Count == 1
            ? page.Rows[0].Payload
            : throw JournalCorruptException.InJournal(id, $"event {sequenceNr} is deleted, or was never written");
    }

    public static StoredPage ReadPage(JournalDatabase database, DbConnection connection, ObjectKey key, long sequenceNr, uint index)
    {
        var id = JournalIds.ForObject(key);
        using var transaction = database.BeginRead(connection);
        if (OrderingOf(connection, transaction, id, sequenceNr) is not { } ordering)
            throw JournalCorruptException.InJournal(id, $"event {sequenceNr} is missing");
        var reader = EventReader.OpenHead(key, sequenceNr, ReadHead(database, connection, id, sequenceNr, ordering, null));
        if (!reader.TryLastEntry(index, out var entry)) throw JournalCorruptException.InPage(key, index, sequenceNr, "it has no such page");
        return reader.Verified(database.ReadPart(connection, ordering, entry.Offset, entry.StoredBytes), entry);
    }

    /// <summary>Pages in the objects of some ids, each as its newest event tells.</summary>
    public static long CountPages(JournalDatabase database, DbConnection connection, IEnumerable<string> ids)
    {
        var pages = 0L;
        foreach (var id in ids)
        {
            if (!JournalIds.TryParseObject(id, out var key)) throw JournalCorruptException.InJournal(id, "no object has such a persistence id");
            pages += PagesOf(database, connection, key);
        }

        return pages;
    }

    /// <summary>Pages in an object, as its newest event tells; an object that is deleted has none.</summary>
    public static long PagesOf(JournalDatabase database, DbConnection connection, ObjectKey key)
    {
        var id = JournalIds.ForObject(key);
        using var transaction = database.BeginRead(connection);
        using var newest = connection.Command(transaction, Highest).Add("@id", id);
        if (newest.Number() is not { } sequenceNr || OrderingOf(connection, transaction, id, sequenceNr) is not { } ordering) return 0;
        return EventHeader.Read(key, sequenceNr, database.ReadPart(connection, ordering, 0, EventHeader.SizeBytes)).PagesAfter;
    }

    /// <summary>How far an object's journal was deleted; 0 where all of it is there.</summary>
    internal static long Deleted(DbConnection connection, DbTransaction? transaction, string id)
    {
        using var command = connection.Command(transaction, DeletedThrough).Add("@id", id);
        return command.Number() ?? 0;
    }

    /// <summary>Adds the range of persistence ids that begin with a prefix.</summary>
    internal static DbCommand AddPrefix(this DbCommand command, string prefix)
    {
        if (prefix.Length == 0) throw new ArgumentException("A prefix must not be empty.", nameof(prefix));
        return command.Add("@from", prefix).Add("@to", prefix[..^1] + (char)(prefix[^1] + 1));
    }

    private static List<(long SequenceNr, long Ordering, byte[]? First)> FirstParts(
        JournalDatabase database, DbConnection connection, DbTransaction transaction, Contiguity contiguous, int most)
    {
        using var command = RowsCommand(connection, transaction, $"ordering, {database.FirstPart(FirstPartBytes)}", contiguous, most);
        using var reader = command.ExecuteReader(CommandBehavior.SequentialAccess);
        var found = new List<(long, long, byte[]?)>();
        while (reader.Read()) found.Add((contiguous.Demand(reader), reader.GetInt64(3), reader.IsDBNull(4) ? null : reader.GetFieldValue<byte[]>(4)));
        return found;
    }

    private static ReadOnlyMemory<byte> ReadHead(JournalDatabase database, DbConnection connection, string id, long sequenceNr, long ordering, byte[]? first)
    {
        if (!JournalIds.TryParseObject(id, out var key)) throw JournalCorruptException.InJournal(id, "no object has such a persistence id");
        var head = first ?? database.ReadPart(connection, ordering, 0, FirstPartBytes);
        var headBytes = EventHeader.Read(key, sequenceNr, head).HeadBytes;
        return headBytes > FirstPartBytes ? database.ReadPart(connection, ordering, 0, headBytes) : head.AsMemory(0, Math.Min(headBytes, head.Length));
    }

    internal static DbCommand RowsCommand(DbConnection connection, DbTransaction transaction, string columns, Contiguity from, int maxRows) => connection
        .Command(transaction, $"SELECT sequence_number, identifier, manifest, {columns} FROM journal WHERE persistence_id = @id AND sequence_number > @after AND sequence_number <= @through ORDER BY sequence_number LIMIT @most")
        .Add("@id", from.Id).Add("@after", from.Last).Add("@through", from.Through).Add("@most", maxRows);

    private static long? OrderingOf(DbConnection connection, DbTransaction transaction, string id, long sequenceNr)
    {
        using var command = connection.Command(transaction, "SELECT ordering FROM journal WHERE persistence_id = @id AND sequence_number = @nr").Add("@id", id).Add("@nr", sequenceNr);
        return command.Number();
    }
}
