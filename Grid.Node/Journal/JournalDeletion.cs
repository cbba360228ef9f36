using System.Data.Common;
using System.Globalization;

namespace Grid.Node.Journal;

/// <summary>Deletes events in small steps: each holds the database's write lock about as long as one event's write does. Everything here blocks.</summary>
internal static class JournalDeletion
{
    private const int MaxRows = 200;

    private const long MaxBytes = 8L << 20;

    private const int ProbeBytes = 256 << 10;

    /// <summary>Forgets how far the journals of a prefix were deleted; the events follow, and are no journal any more.</summary>
    public static void ForgetPrefix(DbConnection connection, string prefix)
    {
        using var command = connection.Command(null, "DELETE FROM journal_metadata WHERE persistence_id >= @from AND persistence_id < @to").AddPrefix(prefix);
        command.ExecuteNonQuery();
    }

    /// <summary>Deletes some events of a prefix; gives how many, 0 when none is left.</summary>
    public static int StepPrefix(DbConnection connection, string prefix)
    {
        using var command = connection
            .Command(null, $"SELECT ordering, length(message) FROM journal WHERE persistence_id >= @from AND persistence_id < @to ORDER BY persistence_id, sequence_number LIMIT {MaxRows}")
            .AddPrefix(prefix);
        return Delete(connection, command);
    }

    /// <summary>
    /// Notes that an object's journal begins later; gives after which event. The newest event is never given up: its number is where the next writer goes on.
    /// The note is committed before anything is deleted, so a reader takes no half deleted beginning for damage.
    /// </summary>
    public static long NoteThrough(DbConnection connection, string id, long through)
    {
        using var transaction = connection.BeginTransaction();
        using var highest = connection.Command(transaction, "SELECT max(sequence_number) FROM journal WHERE persistence_id = @id").Add("@id", id);
        var noted = Math.Max(JournalQueries.Deleted(connection, transaction, id), Math.Min(through, (highest.Number() ?? 0) - 1));
        if (noted <= 0) return 0;
        using var insert = connection
            .Command(transaction, "INSERT INTO journal_metadata (persistence_id, sequence_number) VALUES (@id, @nr) ON CONFLICT DO NOTHING")
            .Add("@id", id).Add("@nr", noted);
        insert.ExecuteNonQuery();
        using var older = connection.Command(transaction, "DELETE FROM journal_metadata WHERE persistence_id = @id AND sequence_number < @nr").Add("@id", id).Add("@nr", noted);
        older.ExecuteNonQuery();
        transaction.Commit();
        return noted;
    }

    /// <summary>Deletes some events up to a number that was noted; gives how many, 0 when none is left.</summary>
    public static int StepThrough(DbConnection connection, string id, long noted)
    {
        using var command = connection
            .Command(null, $"SELECT ordering, length(message) FROM journal WHERE persistence_id = @id AND sequence_number <= @nr ORDER BY sequence_number LIMIT {MaxRows}")
            .Add("@id", id).Add("@nr", noted);
        return Delete(connection, command);
    }

    /// <summary>
    /// Commits an event and its deletion at once, to see whether the database can be written. As large as events usually are: on a full disk something tiny still finds room.
    /// </summary>
    public static void Probe(DbConnection connection)
    {
        using var transaction = connection.BeginTransaction();
        using var insert = connection
            .Command(transaction, "INSERT INTO journal (created, deleted, persistence_id, sequence_number, message) VALUES (0, false, @id, 0, @message)")
            .Add("@id", "probe").Add("@message", new byte[ProbeBytes]);
        insert.ExecuteNonQuery();
        using var delete = connection.Command(transaction, "DELETE FROM journal WHERE persistence_id = @id").Add("@id", "probe");
        delete.ExecuteNonQuery();
        transaction.Commit();
    }

    private static int Delete(DbConnection connection, DbCommand chosen)
    {
        var orderings = new List<long>();
        using (var reader = chosen.ExecuteReader())
        {
            var bytes = 0L;
            while (bytes < MaxBytes && reader.Read())
            {
                orderings.Add(reader.GetInt64(0));
                bytes += reader.GetInt64(1);
            }
        }

        if (orderings.Count == 0) return 0;
        var list = string.Join(',', orderings.Select(ordering => ordering.ToString(CultureInfo.InvariantCulture)));
        using var command = connection.Command(null, $"DELETE FROM journal WHERE ordering IN ({list})");
        command.ExecuteNonQuery();
        return orderings.Count;
    }
}
