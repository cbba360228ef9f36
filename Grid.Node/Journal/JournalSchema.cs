using System.Data.Common;
using System.Text;

namespace Grid.Node.Journal;

/// <summary>
/// The journal's tables: those of Akka.Persistence.Sql's default mapping, made by a script of our own, because its <c>auto-initialize</c> alters the tables at
/// every start and says nothing when the unique key is missing. That key (persistence id, sequence number) is what fences an object's old owner off.
/// </summary>
public static class JournalSchema
{
    private const string Key = "persistence_id,sequence_number";

    private static readonly string[] JournalColumns =
        ["ordering", "created", "deleted", "persistence_id", "sequence_number", "manifest", "identifier", "writer_uuid", "message"];

    /// <summary>Makes what is missing and verifies the rest. To be called before the actor system starts.</summary>
    /// <param name="options">The journal.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="JournalSetupException">The database is not as it must be.</exception>
    /// <exception cref="JournalUnavailableException">The database can't be used.</exception>
    public static Task EnsureAsync(JournalOptions options, CancellationToken cancellation = default) => RunAsync(options, create: true, cancellation);

    /// <summary>Verifies without changing anything.</summary>
    /// <param name="options">The journal.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="JournalSetupException">The database is not as it must be.</exception>
    /// <exception cref="JournalUnavailableException">The database can't be used.</exception>
    public static Task VerifyAsync(JournalOptions options, CancellationToken cancellation = default) => RunAsync(options, create: false, cancellation);

    /// <summary>The statements that make the tables, as a text for the database's own shell.</summary>
    /// <param name="provider">The database.</param>
    public static string Script(JournalProvider provider)
    {
        var database = JournalDatabase.For(new JournalOptions { Provider = provider, Path = "/" });
        var isPostgreSql = provider == JournalProvider.PostgreSql;
        var text = new StringBuilder()
            .AppendLine("-- The journal's tables as the Grid's nodes make them themselves where they may; grid-node --print-schema prints this.")
            .AppendLine("-- Run again, it changes nothing.");
        if (isPostgreSql) text.AppendLine("-- For nodes whose role may not make tables: run it in the Grid's database as its owner, e.g. psql -v ON_ERROR_STOP=1 -f postgresql-schema.sql.").AppendLine("BEGIN;");
        foreach (var statement in database.Script) text.Append(statement).AppendLine(";");
        if (isPostgreSql)
            text.AppendLine("COMMIT;")
                .AppendLine("-- What the nodes' role needs, here called grid:")
                .AppendLine("-- GRANT USAGE ON SCHEMA public TO grid;")
                .AppendLine("-- GRANT SELECT, INSERT, UPDATE, DELETE ON journal, tags, journal_metadata TO grid;");
        return text.ToString();
    }

    private static async Task RunAsync(JournalOptions options, bool create, CancellationToken cancellation)
    {
        var database = JournalDatabase.For(options);
        using var connections = new JournalConnections(database, "grid-journal-schema", 1, 1, database.OpenWriter);
        await connections.RunAsync("checking the journal's tables", connection =>
        {
            database.VerifyRights(connection);
            if (create) Create(database, connection);
            VerifyTables(database, connection);
            database.VerifyRights(connection);
            database.VerifyDurability(connection);
            return true;
        }, cancellation).ConfigureAwait(false);
    }

    private static void Create(JournalDatabase database, DbConnection connection)
    {
        // A journal mode can't be set inside a transaction.
        var pragmas = database.Script.TakeWhile(statement => statement.StartsWith("PRAGMA", StringComparison.Ordinal)).Count();
        foreach (var statement in database.Script.Take(pragmas)) Execute(connection, null, statement);
        // Where all is there, a role that may not make tables will do, and nothing is locked.
        if (IsComplete(database, connection)) return;
        try
        {
            using var transaction = connection.BeginTransaction();
            foreach (var statement in database.Script.Skip(pragmas)) Execute(connection, transaction, statement);
            transaction.Commit();
        }
        catch (DbException failure) when (database.IsRefusedCreation(failure))
        {
            throw new JournalSetupException(
                $"The journal's tables, or a part of them, are not there, and this role may not make them ({FailureText.Of(failure)}). Have the database's owner run docs/postgresql-schema.sql (grid-node --print-schema postgresql prints it).", failure);
        }
    }

    private static bool IsComplete(JournalDatabase database, DbConnection connection)
    {
        try
        {
            VerifyTables(database, connection);
            return true;
        }
        catch (JournalSetupException)
        {
            return false;
        }
    }

    private static void VerifyTables(JournalDatabase database, DbConnection connection)
    {
        DemandColumns(connection, "journal", JournalColumns);
        DemandColumns(connection, "tags", ["ordering_id", "tag", "sequence_nr", "persistence_id"]);
        DemandColumns(connection, "journal_metadata", ["persistence_id", "sequence_number"]);
        if (!UniqueKeys(database, connection).Contains(Key))
            throw new JournalSetupException($"The table journal has no unique key over ({Key}): two owners of an object could write the same event. Add it (CREATE UNIQUE INDEX journal_uq ON journal (persistence_id, sequence_number)).");
    }

    private static List<string> UniqueKeys(JournalDatabase database, DbConnection connection)
    {
        var keys = new List<string>();
        using var command = connection.Command(null, database.UniqueKeysQuery);
        using var reader = command.ExecuteReader();
        while (reader.Read())
            if (!reader.IsDBNull(0)) keys.Add(reader.GetString(0));
        return keys;
    }

    private static void DemandColumns(DbConnection connection, string table, ReadOnlySpan<string> columns)
    {
        try
        {
            Execute(connection, null, $"SELECT {string.Join(", ", columns)} FROM {table} WHERE 1 = 0");
        }
        catch (DbException failure) when (failure.SqlState is "42P01" or "42703" || failure.Message.Contains("no such", StringComparison.Ordinal))
        {
            throw new JournalSetupException($"The journal's database lacks the table {table} or one of its columns: {failure.Message}", failure);
        }
    }

    private static void Execute(DbConnection connection, DbTransaction? transaction, string text)
    {
        using var command = connection.Command(transaction, text);
        command.ExecuteNonQuery();
    }
}
