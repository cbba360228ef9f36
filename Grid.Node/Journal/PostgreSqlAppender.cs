using System.Data;
using Npgsql;
using NpgsqlTypes;

namespace Grid.Node.Journal;

/// <summary>
/// Writes rows into PostgreSQL: all statements of a transaction and its commit are one round trip, so a node that pauses never leaves a transaction open.
/// </summary>
internal sealed class PostgreSqlAppender(NpgsqlConnection connection) : JournalAppender
{
    private const string Insert =
        "INSERT INTO journal (created, deleted, persistence_id, sequence_number, manifest, identifier, writer_uuid, message) VALUES ($1, false, $2, $3, $4, $5, $6, $7)";

    public override void Append(IReadOnlyList<JournalWrite> writes)
    {
        if (connection.State != ConnectionState.Open) connection.Open();
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

    public override void Dispose() => connection.Dispose();

    private void SendAlone(JournalWrite write)
    {
        try
        {
            // What broke the connection under one of them is not the failure of those after it, nor of those committed before.
            if (connection.State != ConnectionState.Open) connection.Open();
            Send([write]);
        }
        catch (Exception failure)
        {
            write.Failure = failure;
        }
    }

    private void Send(IReadOnlyList<JournalWrite> writes)
    {
        using var batch = new NpgsqlBatch(connection);
        foreach (var write in writes)
            foreach (var row in write.Rows) batch.BatchCommands.Add(Command(row));
        batch.ExecuteNonQuery();
    }

    private static NpgsqlBatchCommand Command(NewRow row)
    {
        var command = new NpgsqlBatchCommand(Insert);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = row.Created, NpgsqlDbType = NpgsqlDbType.Bigint });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = row.PersistenceId, NpgsqlDbType = NpgsqlDbType.Varchar });
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = row.SequenceNr, NpgsqlDbType = NpgsqlDbType.Bigint });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = row.Manifest, NpgsqlDbType = NpgsqlDbType.Varchar });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = row.Serializer, NpgsqlDbType = NpgsqlDbType.Integer });
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = row.WriterId, NpgsqlDbType = NpgsqlDbType.Varchar });
        command.Parameters.Add(new NpgsqlParameter<byte[]> { TypedValue = row.Message, NpgsqlDbType = NpgsqlDbType.Bytea });
        return command;
    }
}
