using Akka.Configuration;
using Grid.Node.Journal;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Grid.Tests.Journal;

/// <summary>What is checked of SQLite's file alone.</summary>
public sealed class SqliteSchemaTests
{
    [Fact]
    public async Task A_file_that_is_no_database_is_named_as_damaged()
    {
        await using var bed = await JournalBed.WithoutTablesAsync();
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

    [Fact]
    public async Task A_setting_that_SQLite_cannot_bear_is_refused_by_name()
    {
        const string overriding = "akka.persistence.journal.sql.read-isolation-level = unspecified";
        await using var bed = await JournalBed.WithoutTablesAsync();
        var good = JournalConfig.Akka(bed.Options);
        var failure = Assert.Throws<JournalSetupException>(() => JournalConfig.Verify(ConfigurationFactory.ParseString(overriding).WithFallback(good)));
        Assert.Contains(overriding.Split(' ')[0], failure.Message, StringComparison.Ordinal);
    }
}
