using Akka.Actor;
using Grid.Node.Journal;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Journal;

/// <summary>
/// A writer meets another that is paused between INSERT and COMMIT with the same number. On PostgreSQL its own INSERT waits for the other's end; on SQLite the lock on the
/// file keeps it out altogether. Either way nothing is answered that the other can take back.
/// </summary>
public abstract class TwoWritersTests(IJournalHome home)
{
    [Theory, InlineData(true), InlineData(false)]
    public async Task A_write_waits_for_a_paused_one_and_is_applied_only_if_that_is_undone(bool isUndone)
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        var (_, parent) = bed.Start();
        var (writer, _) = await bed.ReadyWriterAsync(parent);
        await parent.WatchAsync(writer);
        await using var paused = bed.Open();
        Execute(paused, home.Provider == JournalProvider.Sqlite ? "BEGIN IMMEDIATE" : "BEGIN");
        var event1 = JournalBed.PageEvent(JournalBed.Key, 7, 1).Bytes;
        Execute(
            paused,
            $"INSERT INTO journal (created, deleted, persistence_id, sequence_number, manifest, identifier, message) VALUES (0, false, '{JournalBed.Id}', 1, 'W1', 7301, {bed.Blob(event1.Span)})");

        writer.Tell(new Write(JournalBed.PageEvent(JournalBed.Key, 1, 1), 4));
        await parent.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(500));
        Execute(paused, isUndone ? "ROLLBACK" : "COMMIT");
        var answer = await parent.ReceiveOneAsync(JournalBed.Patience);
        if (isUndone)
        {
            Assert.Equal(new Written(4, 1), answer);
            Assert.Equal(JournalBed.Page(JournalBed.Key, 1), (await bed.Reader.ReadPageAsync(JournalBed.Key, 1, 1)).Stored.ToArray());
            return;
        }

        var failed = Assert.IsType<WriteFailed>(answer);
        Assert.True(failed.NotApplied, failed.Cause.ToString());
        await parent.ExpectTerminatedAsync(writer, JournalBed.Patience);
        Assert.Equal(JournalBed.Page(JournalBed.Key, 7), (await bed.Reader.ReadPageAsync(JournalBed.Key, 1, 7)).Stored.ToArray());
        Assert.Equal(1, (await bed.ReadyWriterAsync(parent)).Last);
    }

    private static void Execute(System.Data.Common.DbConnection connection, string sql)
    {
        using var command = connection.Command(null, sql);
        command.ExecuteNonQuery();
    }

    public sealed class OnSqlite() : TwoWritersTests(new SqliteHome());

    [Collection(OnPostgres.Name)]
    public sealed class OnPostgreSql(PostgresServer server) : TwoWritersTests(new PostgresHome(server));
}
