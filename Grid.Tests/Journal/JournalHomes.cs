using System.Data.Common;
using Grid.Node.Journal;
using Grid.Tests.Harness;
using Microsoft.Data.Sqlite;
using Npgsql;
using Xunit;

namespace Grid.Tests.Journal;

/// <summary>A database for the conformance suites, which say the same of every provider: where a journal of its own is made, and the SQL that differs.</summary>
public interface IJournalHome
{
    /// <summary>Which it is.</summary>
    JournalProvider Provider { get; }

    /// <summary>A new, empty database.</summary>
    /// <param name="folder">A folder that goes away with it.</param>
    Task<JournalOptions> NewAsync(string folder);

    /// <summary>A connection beside the journal's own pools.</summary>
    DbConnection Open(JournalOptions options);

    /// <summary>Begins a transaction that lets nobody else write, but read.</summary>
    string BeginExclusive { get; }

    /// <summary>Bytes as a literal.</summary>
    string Blob(ReadOnlySpan<byte> bytes);

    /// <summary>The message of a row with one byte changed, as an expression.</summary>
    string MessageWithByte(int offset, byte value);

    /// <summary>Closes what the pools keep of it.</summary>
    void ClearPools(JournalOptions options);
}

/// <summary>SQLite's file.</summary>
public sealed class SqliteHome : IJournalHome
{
    public JournalProvider Provider => JournalProvider.Sqlite;

    public string BeginExclusive => "BEGIN IMMEDIATE";

    public Task<JournalOptions> NewAsync(string folder) =>
        Task.FromResult(new JournalOptions { Path = Path.Combine(folder, "grid.db"), WriteTimeout = TimeSpan.FromSeconds(5) });

    public DbConnection Open(JournalOptions options)
    {
        var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = options.Path, Pooling = false }.ConnectionString);
        connection.Open();
        return connection;
    }

    public string Blob(ReadOnlySpan<byte> bytes) => $"x'{Convert.ToHexString(bytes)}'";

    public string MessageWithByte(int offset, byte value) =>
        $"cast(substr(message, 1, {offset}) || x'{value:x2}' || substr(message, {offset + 2}) AS BLOB)";

    public void ClearPools(JournalOptions options)
    {
        // Others' pools are none of this test's business.
        using var pooled = new SqliteConnection(JournalDatabase.For(options).ConnectionString);
        SqliteConnection.ClearPool(pooled);
    }
}

/// <summary>A database on a PostgreSQL of the tests.</summary>
public sealed class PostgresHome(PostgresServer server) : IJournalHome
{
    public JournalProvider Provider => JournalProvider.PostgreSql;

    public string BeginExclusive => "BEGIN; LOCK TABLE journal, journal_metadata IN EXCLUSIVE MODE";

    public async Task<JournalOptions> NewAsync(string folder) =>
        new() { Provider = JournalProvider.PostgreSql, ConnectionString = await server.NewDatabaseAsync(), WriteTimeout = TimeSpan.FromSeconds(5) };

    public DbConnection Open(JournalOptions options)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(options.ConnectionString) { Pooling = false }.ConnectionString);
        connection.Open();
        return connection;
    }

    public string Blob(ReadOnlySpan<byte> bytes) => $"'\\x{Convert.ToHexString(bytes)}'::bytea";

    public string MessageWithByte(int offset, byte value) => $"set_byte(message, {offset}, {value})";

    public void ClearPools(JournalOptions options)
    {
        using var pooled = new NpgsqlConnection(JournalDatabase.For(options).ConnectionString);
        NpgsqlConnection.ClearPool(pooled);
    }
}

/// <summary>One PostgreSQL for the suites of the journal's parts; every test has a database of its own.</summary>
[CollectionDefinition(Name)]
public sealed class OnPostgres : ICollectionFixture<PostgresServer>
{
    public const string Name = "journal on PostgreSQL";
}
