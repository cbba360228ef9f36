using Microsoft.Data.Sqlite;

namespace Grid.Node.Journal;

/// <summary>Writes rows into SQLite's file with one prepared statement.</summary>
internal sealed class SqliteAppender : JournalAppender
{
    private const int Constraint = 19;

    private readonly SqliteConnection _connection;
    private readonly SqliteCommand _begin;
    private readonly SqliteCommand _insert;
    private readonly SqliteCommand _commit;
    private readonly SqliteParameter[] _values = new SqliteParameter[7];

    public SqliteAppender(SqliteConnection connection)
    {
        _connection = connection;
        _begin = Command("BEGIN IMMEDIATE");
        _commit = Command("COMMIT");
        _insert = Command(
            "INSERT INTO journal (created, deleted, persistence_id, sequence_number, manifest, identifier, writer_uuid, message) VALUES ($0, 0, $1, $2, $3, $4, $5, $6)");
        for (var i = 0; i < _values.Length; i++) _values[i] = _insert.Parameters.Add($"${i}", i is 0 or 2 or 4 ? SqliteType.Integer : i == 6 ? SqliteType.Blob : SqliteType.Text);
    }

    public override void Append(IReadOnlyList<JournalWrite> writes)
    {
        _begin.ExecuteNonQuery();
        try
        {
            foreach (var write in writes) Insert(write);
            _commit.ExecuteNonQuery();
        }
        catch
        {
            // The failure tells whether something could have been committed; what is open is rolled back with the connection.
            Rollback();
            throw;
        }
    }

    public override void Dispose()
    {
        _begin.Dispose();
        _insert.Dispose();
        _commit.Dispose();
        _connection.Dispose();
    }

    private void Insert(JournalWrite write)
    {
        var isGroup = write.Rows.Count > 1;
        if (isGroup) Run("SAVEPOINT rows");
        try
        {
            foreach (var row in write.Rows) Insert(row);
        }
        catch (SqliteException taken) when (taken.SqliteErrorCode == Constraint)
        {
            // A statement that meets a constraint leaves nothing of itself behind, and the transaction as it was.
            write.Failure = taken;
            if (isGroup) Run("ROLLBACK TO rows");
        }

        if (isGroup) Run("RELEASE rows");
    }

    private void Insert(NewRow row)
    {
        _values[0].Value = row.Created;
        _values[1].Value = row.PersistenceId;
        _values[2].Value = row.SequenceNr;
        _values[3].Value = row.Manifest;
        _values[4].Value = row.Serializer;
        _values[5].Value = row.WriterId;
        _values[6].Value = row.Message;
        _insert.ExecuteNonQuery();
    }

    private void Rollback()
    {
        try
        {
            Run("ROLLBACK");
        }
        catch (SqliteException)
        {
            // SQLite rolled back by itself: there is no transaction any more.
        }
    }

    private void Run(string text)
    {
        using var command = Command(text);
        command.ExecuteNonQuery();
    }

    private SqliteCommand Command(string text)
    {
        var command = _connection.CreateCommand();
        command.CommandText = text;
        return command;
    }
}
