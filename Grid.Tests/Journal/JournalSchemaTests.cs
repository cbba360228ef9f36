using Akka.Configuration;
using Grid.Node.Journal;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Grid.Tests.Journal;

public sealed class JournalSchemaTests
{
    [Fact]
    public async Task Tables_are_made_once_and_found_good()
    {
        await using var bed = await JournalBed.WithTablesAsync();
        await JournalSchema.EnsureAsync(bed.Options);
        await JournalSchema.VerifyAsync(bed.Options);
    }

    [Fact]
    public async Task A_missing_unique_key_is_refused_by_name()
    {
        await using var bed = await JournalBed.WithTablesAsync();
        bed.Execute("DROP INDEX journal_uq");
        bed.Execute("CREATE UNIQUE INDEX other ON journal (persistence_id, sequence_number, ordering)");
        bed.Execute("CREATE UNIQUE INDEX partly ON journal (persistence_id, sequence_number) WHERE deleted = 0");
        var failure = await Assert.ThrowsAsync<JournalSetupException>(() => JournalSchema.VerifyAsync(bed.Options));
        Assert.Contains("unique key", failure.Message, StringComparison.Ordinal);
        await JournalSchema.EnsureAsync(bed.Options);
    }

    [Fact]
    public async Task A_missing_table_or_column_is_refused_by_name()
    {
        await using var bed = JournalBed.WithoutTables();
        var failure = await Assert.ThrowsAsync<JournalSetupException>(() => JournalSchema.VerifyAsync(bed.Options));
        Assert.Contains("table journal", failure.Message, StringComparison.Ordinal);
        await JournalSchema.EnsureAsync(bed.Options);
        bed.Execute("ALTER TABLE journal RENAME COLUMN writer_uuid TO someone");
        failure = await Assert.ThrowsAsync<JournalSetupException>(() => JournalSchema.EnsureAsync(bed.Options));
        Assert.Contains("writer_uuid", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_no_database_is_named_as_damaged()
    {
        await using var bed = JournalBed.WithoutTables();
        await File.WriteAllTextAsync(bed.Options.Path, new string('x', 8192));
        await Assert.ThrowsAsync<JournalCorruptException>(() => JournalSchema.EnsureAsync(bed.Options));
    }

    [Fact]
    public async Task A_directory_that_is_not_there_is_unavailable()
    {
        var options = new JournalOptions { Path = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"), "grid.db") };
        await Assert.ThrowsAsync<JournalUnavailableException>(() => JournalSchema.EnsureAsync(options));
    }

    [Fact]
    public async Task Every_connection_of_the_journal_syncs_its_commits()
    {
        await using var bed = await JournalBed.WithTablesAsync();
        await using var connection = JournalDatabase.For(bed.Options).OpenWriter();
        var found = new List<string?>();
        foreach (var pragma in new[] { "synchronous", "journal_mode", "busy_timeout" })
        {
            await using var command = connection.CreateCommand();
            command.CommandText = $"PRAGMA {pragma}";
            found.Add((await command.ExecuteScalarAsync())?.ToString());
        }

        Assert.Equal(["2", "wal", "2000"], found);
    }

    [Fact]
    public async Task A_commit_that_would_not_be_durable_is_refused()
    {
        await using var bed = await JournalBed.WithTablesAsync();
        var database = JournalDatabase.For(bed.Options);
        await using var connection = database.OpenWriter();
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA synchronous = NORMAL";
        await command.ExecuteNonQueryAsync();
        Assert.Throws<JournalSetupException>(() => database.VerifyDurability(connection));
    }

    [Theory]
    [InlineData("akka.persistence.journal.sql.replay-filter.mode = repair-by-discard-old")]
    [InlineData("akka.persistence.journal.sql.auto-initialize = on")]
    [InlineData("akka.persistence.journal.sql.table-mapping = sqlite")]
    [InlineData("akka.persistence.journal.sql.parallelism = 3")]
    [InlineData("akka.persistence.journal.sql.read-isolation-level = unspecified")]
    [InlineData("akka.persistence.journal.sql.delete-compatibility-mode = on")]
    [InlineData("akka.persistence.journal.plugin = akka.persistence.journal.inmem")]
    public async Task A_setting_that_could_lose_events_is_refused_by_name(string overriding)
    {
        await using var bed = JournalBed.WithoutTables();
        var good = JournalConfig.Akka(bed.Options);
        JournalConfig.Verify(good);
        var failure = Assert.Throws<JournalSetupException>(() => JournalConfig.Verify(ConfigurationFactory.ParseString(overriding).WithFallback(good)));
        Assert.Contains(overriding.Split(' ')[0], failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void PostgreSQL_is_configured_too()
    {
        var options = new JournalOptions { Provider = JournalProvider.PostgreSql, ConnectionString = "Host=db;Username=grid;Password=\"p\\q\"" };
        var config = JournalConfig.Akka(options);
        JournalConfig.Verify(config);
        Assert.Equal(3, config.GetInt("akka.persistence.journal.sql.parallelism"));
        Assert.Equal(JournalDatabase.For(options).ConnectionString, config.GetString("akka.persistence.journal.sql.connection-string"));
        Assert.Contains("idle_in_transaction_session_timeout=3000", JournalDatabase.For(options).ConnectionString, StringComparison.Ordinal);
    }
}
