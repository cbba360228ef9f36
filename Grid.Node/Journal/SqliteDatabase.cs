using System.Data;
using System.Data.Common;
using Microsoft.Data.Sqlite;

namespace Grid.Node.Journal;

/// <summary>The journal in a file of this node: write-ahead log, every commit synced.</summary>
internal sealed class SqliteDatabase : JournalDatabase
{
    /// <summary>
    /// How long a connection waits inside SQLite for the write lock before the driver, which sleeps 150 ms at a time, takes over. Nobody holds
    /// the lock longer than one event or one bounded deletion takes.
    /// </summary>
    private const string BusyTimeout = "PRAGMA busy_timeout = 2000";

    /// <summary>A log that grew behind a long read is cut back once it is copied into the file.</summary>
    private const string WalLimit = "PRAGMA journal_size_limit = 67108864";

    private const int Corrupt = 11;
    private const int NotADatabase = 26;

    private readonly string _readOnly;

    public SqliteDatabase(JournalOptions options)
    {
        if (!System.IO.Path.IsPathFullyQualified(options.Path)) throw new JournalSetupException($"The path of SQLite's file must be a full one, not '{options.Path}'.");
        var timeout = (int)Math.Ceiling(options.WriteTimeout.TotalSeconds);
        var builder = new SqliteConnectionStringBuilder
        {
            DataSource = options.Path,
            Mode = SqliteOpenMode.ReadWriteCreate,
            Cache = SqliteCacheMode.Private,
            Pooling = true,
            DefaultTimeout = timeout,
        };
        ConnectionString = builder.ConnectionString;
        builder.Mode = SqliteOpenMode.ReadOnly;
        builder.Pooling = false;
        _readOnly = builder.ConnectionString;
    }

    public override string ProviderName => LinqToDB.ProviderName.SQLiteMS;

    public override string ConnectionString { get; }

    /// <remarks>
    /// The columns are those of Akka.Persistence.Sql's default table mapping. The message stands last, so that no other column is behind the pages that
    /// hold it. Its indexes over <c>created</c> and <c>sequence_number</c> serve queries nobody makes here, and every event would pay for them.
    /// </remarks>
    public override IReadOnlyList<string> Script { get; } =
    [
        // Holds for a file that is made now. An event of 256 KiB is a chain of pages: with 4 KiB pages its commit took about twice as long, a small one's the same.
        "PRAGMA page_size = 16384",
        "PRAGMA journal_mode = WAL",
        """
        CREATE TABLE IF NOT EXISTS journal (
          ordering        INTEGER NOT NULL PRIMARY KEY,
          created         INTEGER NOT NULL,
          deleted         BIT NOT NULL,
          persistence_id  NVARCHAR(255) NOT NULL,
          sequence_number INTEGER NOT NULL,
          manifest        NVARCHAR(500),
          identifier      INTEGER,
          writer_uuid     NVARCHAR(128),
          message         VARBINARY NOT NULL)
        """,
        "CREATE UNIQUE INDEX IF NOT EXISTS journal_uq ON journal (persistence_id, sequence_number)",
        """
        CREATE TABLE IF NOT EXISTS tags (
          ordering_id    INTEGER NOT NULL,
          tag            NVARCHAR(64) NOT NULL,
          sequence_nr    INTEGER NOT NULL,
          persistence_id NVARCHAR(255) NOT NULL,
          PRIMARY KEY (ordering_id, tag)) WITHOUT ROWID
        """,
        "CREATE INDEX IF NOT EXISTS tags_persistence_id_sequence_nr_idx ON tags (persistence_id, sequence_nr)",
        """
        CREATE TABLE IF NOT EXISTS journal_metadata (
          persistence_id  NVARCHAR(255) NOT NULL,
          sequence_number INTEGER NOT NULL,
          PRIMARY KEY (persistence_id, sequence_number)) WITHOUT ROWID
        """,
    ];

    public override string UniqueKeysQuery =>
        """
        SELECT (SELECT group_concat(name, ',') FROM (SELECT name FROM pragma_index_info(list.name) ORDER BY seqno))
        FROM pragma_index_list('journal') AS list WHERE list."unique" = 1 AND list.partial = 0
        """;

    public override DbConnection OpenReader() => Open(_readOnly);

    public override DbConnection OpenWriter() => Open(ConnectionString);

    /// <summary>What every connection begins with; said though it is the default here, for a library compiled otherwise would not be durable.</summary>
    public static void Prepare(DbConnection connection)
    {
        using var command = connection.CreateCommand();
        command.CommandText = $"PRAGMA synchronous = FULL; {BusyTimeout}; {WalLimit}";
        command.ExecuteNonQuery();
    }

    public override int WriteConnections => 1;

    public override JournalAppender OpenAppender() => new SqliteAppender(Open(ConnectionString));

    public override DbTransaction BeginRead(DbConnection connection) => ((SqliteConnection)connection).BeginTransaction(IsolationLevel.Serializable, deferred: true);

    // A function of a column reads all of it, up to a megabyte from disk.
    public override bool SendsAhead => false;

    public override string FirstPart(int count) => "NULL";

    public override byte[] ReadPart(DbConnection connection, long ordering, int offset, int count)
    {
        using var blob = new SqliteBlob((SqliteConnection)connection, "journal", "message", ordering, readOnly: true);
        var part = new byte[(int)Math.Clamp(blob.Length - offset, 0, count)];
        blob.Position = offset;
        blob.ReadExactly(part);
        return part;
    }

    // A query would copy all of it twice, into memory of its own each time.
    public override string Whole => "NULL";

    public override void ReadInto(DbConnection connection, long ordering, Span<byte> destination)
    {
        using var blob = new SqliteBlob((SqliteConnection)connection, "journal", "message", ordering, readOnly: true);
        blob.ReadExactly(destination);
    }

    public override void VerifyDurability(DbConnection connection)
    {
        var mode = Pragma(connection, "journal_mode");
        var synchronous = Pragma(connection, "synchronous");
        if (!mode.Equals("wal", StringComparison.OrdinalIgnoreCase) || synchronous != "2")
            throw new JournalSetupException($"SQLite's file must be in journal mode WAL with synchronous FULL (2), it is in {mode} with {synchronous}.");
    }

    protected override bool IsDamage(DbException failure) => failure is SqliteException { SqliteErrorCode: Corrupt or NotADatabase };

    private static SqliteConnection Open(string connectionString)
    {
        var connection = new SqliteConnection(connectionString);
        try
        {
            connection.Open();
            Prepare(connection);
            return connection;
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    private static string Pragma(DbConnection connection, string name)
    {
        using var command = connection.CreateCommand();
        command.CommandText = $"PRAGMA {name}";
        return Convert.ToString(command.ExecuteScalar(), System.Globalization.CultureInfo.InvariantCulture) ?? "";
    }
}
