using System.Data;
using Npgsql;
using NpgsqlTypes;

namespace Grid.Node.Journal;

/// <summary>
/// Writes rows into PostgreSQL. All rows of a transaction are the parameters, arrays, of one prepared statement, which commits by itself: the server does not begin before it has all of them.
/// So a node that is paused while it sends leaves no transaction open, for whose end other owners of its objects would have to wait.
/// </summary>
internal sealed class PostgreSqlAppender : JournalAppender
{
    private const string Insert =
        """
        INSERT INTO journal (created, deleted, persistence_id, sequence_number, manifest, identifier, writer_uuid, message)
        SELECT created, false, persistence_id, sequence_number, manifest, identifier, writer_uuid, message
        FROM unnest($1, $2, $3, $4, $5, $6, $7) AS rows (created, persistence_id, sequence_number, manifest, identifier, writer_uuid, message)
        """;

    private readonly NpgsqlConnection _connection;
    private readonly NpgsqlCommand _insert;
    private readonly List<NewRow> _rows = [];
    private readonly List<long> _created = [];
    private readonly List<string> _ids = [];
    private readonly List<long> _numbers = [];
    private readonly List<string> _manifests = [];
    private readonly List<int> _serializers = [];
    private readonly List<string> _writers = [];
    private readonly List<byte[]> _messages = [];

    public PostgreSqlAppender(NpgsqlConnection connection)
    {
        _connection = connection;
        _insert = new NpgsqlCommand(Insert, connection);
        Add(NpgsqlDbType.Bigint, _created);
        Add(NpgsqlDbType.Varchar, _ids);
        Add(NpgsqlDbType.Bigint, _numbers);
        Add(NpgsqlDbType.Varchar, _manifests);
        Add(NpgsqlDbType.Integer, _serializers);
        Add(NpgsqlDbType.Varchar, _writers);
        Add(NpgsqlDbType.Bytea, _messages);
    }

    public override void Append(IReadOnlyList<JournalWrite> writes)
    {
        try
        {
            Send(writes);
        }
        catch (PostgresException taken) when (taken.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            // Nothing of the transaction is left. One of them is to blame: each has one of its own now, and its own outcome.
            if (writes.Count == 1) writes[0].Failure = taken;
            else foreach (var write in writes) SendAlone(write);
        }
    }

    public override void Dispose()
    {
        _insert.Dispose();
        _connection.Dispose();
    }

    private void SendAlone(JournalWrite write)
    {
        try
        {
            // What broke the connection under one of them is not the failure of those after it, nor of those committed before.
            Send([write]);
        }
        catch (Exception failure)
        {
            write.Failure = failure;
        }
    }

    private void Send(IReadOnlyList<JournalWrite> writes)
    {
        MakeReady();
        try
        {
            Fill(writes);
            _insert.ExecuteNonQuery();
        }
        finally
        {
            Clear();
        }
    }

    private void MakeReady()
    {
        try
        {
            if (_connection.State != ConnectionState.Open) _connection.Open();
            // Does nothing where this connection has it prepared. Not prepared, a part of the message would do to begin the transaction.
            _insert.Prepare();
        }
        catch (Exception failure)
        {
            // Nothing of the write has left: whatever went wrong, it is certainly not in the journal.
            throw WriteNotSentException.NoConnection(failure);
        }
    }

    private void Fill(IReadOnlyList<JournalWrite> writes)
    {
        foreach (var write in writes) _rows.AddRange(write.Rows);
        // In one order everywhere: transactions of two nodes that meet in several objects wait for each other, but not in a circle.
        _rows.Sort(static (a, b) => string.CompareOrdinal(a.PersistenceId, b.PersistenceId) is not 0 and var order ? order : a.SequenceNr.CompareTo(b.SequenceNr));
        foreach (var row in _rows)
        {
            _created.Add(row.Created);
            _ids.Add(row.PersistenceId);
            _numbers.Add(row.SequenceNr);
            _manifests.Add(row.Manifest);
            _serializers.Add(row.Serializer);
            _writers.Add(row.WriterId);
            _messages.Add(row.Message);
        }
    }

    /// <summary>Bytes that were written are not held until the next write.</summary>
    private void Clear()
    {
        _rows.Clear();
        _created.Clear();
        _ids.Clear();
        _numbers.Clear();
        _manifests.Clear();
        _serializers.Clear();
        _writers.Clear();
        _messages.Clear();
    }

    private void Add<T>(NpgsqlDbType type, List<T> values) =>
        _insert.Parameters.Add(new NpgsqlParameter<List<T>> { TypedValue = values, NpgsqlDbType = NpgsqlDbType.Array | type });
}
