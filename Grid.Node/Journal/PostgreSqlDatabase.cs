using System.Data;
using System.Data.Common;
using System.Globalization;
using Npgsql;

namespace Grid.Node.Journal;

/// <summary>The journal on a server that all nodes share.</summary>
internal sealed class PostgreSqlDatabase : JournalDatabase
{
    /// <summary>Connections beside the reads' at most, unless the connection string says otherwise.</summary>
    private const int PoolSize = 8;

    /// <summary>The least that will do: two write events, one deletes, one replays the pools' registry.</summary>
    private const int MinPoolSize = 4;

    private const string DataCorrupted = "XX001";
    private const string IndexCorrupted = "XX002";

    /// <summary>
    /// A session of a node that was paused must not hold locks. Events are written without one that could (<see cref="PostgreSqlAppender"/>); the notes of what was deleted have a transaction.
    /// </summary>
    private const int IdleInTransactionMs = 3000;

    private readonly string _readOnly;

    public PostgreSqlDatabase(JournalOptions options)
    {
        var timeoutMs = (int)options.WriteTimeout.TotalMilliseconds;
        var builder = Parse(options.ConnectionString);
        var given = builder.Options is { Length: > 0 } text ? text + " " : "";
        var session = string.Create(CultureInfo.InvariantCulture, $"{given}-c statement_timeout={timeoutMs} -c idle_in_transaction_session_timeout={IdleInTransactionMs} -c tcp_user_timeout={timeoutMs}");
        builder.Options = session;
        builder.CommandTimeout = (int)Math.Ceiling(options.WriteTimeout.TotalSeconds) + 1;
        builder.TcpKeepAlive = true;
        builder.TcpKeepAliveTime = 2;
        builder.TcpKeepAliveInterval = 1;
        builder.MaxAutoPrepare = 32;
        builder.ApplicationName ??= "grid";
        if (!builder.ContainsKey("Maximum Pool Size")) builder.MaxPoolSize = Math.Max(PoolSize, builder.MinPoolSize);
        if (builder.MaxPoolSize < MinPoolSize) throw new JournalSetupException($"PostgreSQL's connection string: Maximum Pool Size is {builder.MaxPoolSize}, the least that will do is {MinPoolSize}.");
        // A server that does not even take the connection must not make a write last longer than one that takes it and stalls.
        if (builder.Timeout == 0 || builder.Timeout > builder.CommandTimeout) builder.Timeout = builder.CommandTimeout;
        ConnectionString = builder.ConnectionString;
        builder.Options = session + " -c default_transaction_read_only=on";
        builder.Pooling = false;
        _readOnly = builder.ConnectionString;
    }

    public override string ProviderName => LinqToDB.ProviderName.PostgreSQL15;

    public override string ConnectionString { get; }

    /// <remarks>
    /// The columns are those of Akka.Persistence.Sql's default table mapping. Persistence ids sort by their bytes, so that all of a pool are one range of the key.
    /// Pages are compressed already where the pool wants it: the server stores them as they come, and can read a part of an event.
    /// </remarks>
    public override IReadOnlyList<string> Script { get; } =
    [
        // Nodes that start together would make the same things at once.
        "SELECT pg_advisory_xact_lock(7301)",
        """
        CREATE TABLE IF NOT EXISTS journal (
          ordering        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
          created         bigint NOT NULL,
          deleted         boolean NOT NULL,
          persistence_id  varchar(255) COLLATE "C" NOT NULL,
          sequence_number bigint NOT NULL,
          manifest        varchar(500),
          identifier      integer,
          writer_uuid     varchar(128),
          message         bytea NOT NULL)
        """,
        "ALTER TABLE journal ALTER COLUMN message SET STORAGE EXTERNAL",
        // Cleaning deletes as fast as clients write. Throttled, as it is by default, vacuum gives back about 40 MiB/s; and cutting an end off the table would lock everybody out for a moment.
        """
        ALTER TABLE journal SET (
          autovacuum_vacuum_cost_delay = 0, autovacuum_vacuum_scale_factor = 0.1, autovacuum_vacuum_threshold = 500, vacuum_truncate = off,
          toast.autovacuum_vacuum_cost_delay = 0, toast.autovacuum_vacuum_scale_factor = 0.1, toast.autovacuum_vacuum_threshold = 8000, toast.vacuum_truncate = off)
        """,
        "CREATE UNIQUE INDEX IF NOT EXISTS journal_uq ON journal (persistence_id, sequence_number)",
        """
        CREATE TABLE IF NOT EXISTS tags (
          ordering_id    bigint NOT NULL,
          tag            varchar(64) NOT NULL,
          sequence_nr    bigint NOT NULL,
          persistence_id varchar(255) COLLATE "C" NOT NULL,
          PRIMARY KEY (ordering_id, tag))
        """,
        "CREATE INDEX IF NOT EXISTS tags_persistence_id_sequence_nr_idx ON tags (persistence_id, sequence_nr)",
        """
        CREATE TABLE IF NOT EXISTS journal_metadata (
          persistence_id  varchar(255) COLLATE "C" NOT NULL,
          sequence_number bigint NOT NULL,
          PRIMARY KEY (persistence_id, sequence_number))
        """,
    ];

    public override string UniqueKeysQuery =>
        """
        SELECT (SELECT string_agg(a.attname, ',' ORDER BY k.position)
                FROM unnest(i.indkey) WITH ORDINALITY AS k (attnum, position)
                JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum)
        FROM pg_index i
        WHERE i.indrelid = 'journal'::regclass AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
        """;

    public override DbConnection OpenReader() => Open(_readOnly);

    public override DbConnection OpenWriter() => Open(ConnectionString);

    public override int WriteConnections => 2;

    public override JournalAppender OpenAppender() => new PostgreSqlAppender(Open(ConnectionString));

    public override DbTransaction BeginRead(DbConnection connection) => connection.BeginTransaction(IsolationLevel.RepeatableRead);

    public override bool SendsAhead => true;

    public override string FirstPart(int count) => string.Create(CultureInfo.InvariantCulture, $"substring(message from 1 for {count})");

    public override byte[] ReadPart(DbConnection connection, long ordering, int offset, int count)
    {
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT substring(message from @first for @count) FROM journal WHERE ordering = @ordering";
        command.Add("@first", offset + 1).Add("@count", count).Add("@ordering", ordering);
        return (byte[]?)command.ExecuteScalar() ?? [];
    }

    public override void VerifyRights(DbConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText =
            """
            SELECT string_agg(r || ' on ' || t, ', ' ORDER BY t, r)
            FROM unnest(ARRAY['journal', 'tags', 'journal_metadata']) AS t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS r
            WHERE CASE WHEN to_regclass(t) IS NULL THEN false ELSE NOT has_table_privilege(t, r) END
            """;
        if (command.ExecuteScalar() is string missing)
            throw new JournalSetupException($"PostgreSQL's role lacks {missing}: GRANT it, docs/postgresql-schema.sql ends with how.");
    }

    public override void VerifyDurability(DbConnection connection)
    {
        foreach (var setting in (ReadOnlySpan<string>)["fsync", "synchronous_commit"])
        {
            using var command = connection.CreateCommand();
            command.CommandText = $"SHOW {setting}";
            if (command.ExecuteScalar() as string is "off" or null)
                throw new JournalSetupException($"PostgreSQL's setting {setting} must not be off: a commit would not be durable.");
        }
    }

    public override bool IsRefusedCreation(DbException failure) => failure is PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege or PostgresErrorCodes.InvalidSchemaName or PostgresErrorCodes.ReadOnlySqlTransaction };

    protected override bool IsDamage(DbException failure) => failure is PostgresException { SqlState: DataCorrupted or IndexCorrupted };

    /// <remarks>What is wrong is told by its place: the text holds a password, and a part of one that was not quoted may stand where a name should.</remarks>
    private static NpgsqlConnectionStringBuilder Parse(string text)
    {
        const string Rule = "it is a list of Name=value with ';' between them, and a value with ';' or quotes in it stands in quotes";
        var entries = new DbConnectionStringBuilder();
        try
        {
            entries.ConnectionString = text;
        }
        catch (ArgumentException)
        {
            throw new JournalSetupException($"PostgreSQL's connection string can't be read: {Rule}");
        }

        var builder = new NpgsqlConnectionStringBuilder();
        foreach (var (at, name) in entries.Keys.Cast<string>().Index())
        {
            try
            {
                builder[name] = entries[name];
            }
            catch (Exception wrong) when (wrong is ArgumentException or FormatException or OverflowException or InvalidCastException or NotSupportedException)
            {
                throw new JournalSetupException($"PostgreSQL's connection string can't be read: entry {at + 1} of {entries.Count} has a name that Npgsql does not know, or a wrong value ({Rule})");
            }
        }

        return builder;
    }

    private static NpgsqlConnection Open(string connectionString)
    {
        var connection = new NpgsqlConnection(connectionString);
        try
        {
            connection.Open();
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }
}
