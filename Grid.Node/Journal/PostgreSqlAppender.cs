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
        try
        {
            Send(writes);
        }
        catch (PostgresException taken) when (taken.SqlState == PostgresErrorCodes.UniqueViolation)
        {
            // The server took nothing of it back but everything: one of them alone is to blame.
            if (writes.Count == 1) writes[0].Failure = taken;
            else foreach (var write in writes) Append([write]);
        }
    }

    public override void Dispose() => connection.Dispose();

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
