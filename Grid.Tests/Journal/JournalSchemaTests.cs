using Akka.Configuration;
using Grid.Node.Journal;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Journal;

public abstract class JournalSchemaTests(IJournalHome home)
{
    [Fact]
    public async Task Tables_are_made_once_and_found_good()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        await JournalSchema.EnsureAsync(bed.Options);
        await JournalSchema.VerifyAsync(bed.Options);
    }

    [Fact]
    public async Task A_missing_unique_key_is_refused_by_name()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        bed.Execute("DROP INDEX journal_uq");
        bed.Execute("CREATE UNIQUE INDEX other ON journal (persistence_id, sequence_number, ordering)");
        bed.Execute("CREATE UNIQUE INDEX partly ON journal (persistence_id, sequence_number) WHERE NOT deleted");
        var failure = await Assert.ThrowsAsync<JournalSetupException>(() => JournalSchema.VerifyAsync(bed.Options));
        Assert.Contains("unique key", failure.Message, StringComparison.Ordinal);
        await JournalSchema.EnsureAsync(bed.Options);
    }

    [Fact]
    public async Task A_missing_table_or_column_is_refused_by_name()
    {
        await using var bed = await JournalBed.WithoutTablesAsync(home);
        var failure = await Assert.ThrowsAsync<JournalSetupException>(() => JournalSchema.VerifyAsync(bed.Options));
        Assert.Contains("table journal", failure.Message, StringComparison.Ordinal);
        await JournalSchema.EnsureAsync(bed.Options);
        bed.Execute("ALTER TABLE journal RENAME COLUMN writer_uuid TO someone");
        failure = await Assert.ThrowsAsync<JournalSetupException>(() => JournalSchema.EnsureAsync(bed.Options));
        Assert.Contains("writer_uuid", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("akka.persistence.journal.sql.replay-filter.mode = repair-by-discard-old")]
    [InlineData("akka.persistence.journal.sql.auto-initialize = on")]
    [InlineData("akka.persistence.journal.sql.table-mapping = sqlite")]
    [InlineData("akka.persistence.journal.sql.delete-compatibility-mode = on")]
    [InlineData("akka.persistence.journal.plugin = akka.persistence.journal.inmem")]
    public async Task A_setting_that_could_lose_events_is_refused_by_name(string overriding)
    {
        await using var bed = await JournalBed.WithoutTablesAsync(home);
        var good = JournalConfig.Akka(bed.Options);
        JournalConfig.Verify(good);
        var failure = Assert.Throws<JournalSetupException>(() => JournalConfig.Verify(ConfigurationFactory.ParseString(overriding).WithFallback(good)));
        Assert.Contains(overriding.Split(' ')[0], failure.Message, StringComparison.Ordinal);
    }

    public sealed class OnSqlite() : JournalSchemaTests(new SqliteHome());

    [Collection(OnPostgres.Name)]
    public sealed class OnPostgreSql(PostgresServer server) : JournalSchemaTests(new PostgresHome(server));
}
