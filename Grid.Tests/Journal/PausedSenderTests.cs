using Grid.Node.Journal;
using Grid.Tests.Harness;
using Npgsql;
using Xunit;

namespace Grid.Tests.Journal;

/// <summary>A node that is paused while it sends events to PostgreSQL leaves nothing behind there that others would have to wait for.</summary>
[Collection(OnPostgres.Name)]
public sealed class PausedSenderTests(PostgresServer server)
{
    private const int Writes = 8;
    private const int EventBytes = 256 << 10;

    /// <summary>What follows the message with the rows: 10 bytes that execute, 5 that commit.</summary>
    private const int BehindRows = 15;

    [Fact]
    public async Task A_sender_paused_anywhere_before_its_last_message_has_no_transaction_open()
    {
        var options = await new PostgresHome(server).NewAsync("");
        await JournalSchema.EnsureAsync(options);
        await using var proxy = new PostgresProxy(server.Port);
        using var appender = JournalDatabase.For(options with { ConnectionString = proxy.Lead(options.ConnectionString) }).OpenAppender();
        appender.Append(Events(1));
        var before = proxy.SentBytes;
        appender.Append(Events(2));
        var size = proxy.SentBytes - before;
        Assert.InRange(size, Writes * EventBytes, (Writes * EventBytes) + 4096);

        var number = 3;
        foreach (var at in (long[])[1, 4000, 8192, 8193, 70_000, EventBytes, EventBytes + 9000, size / 2, size - 8192, size - 300, size - BehindRows - 1])
        {
            var sending = await PauseAsync(proxy, appender, number, at);
            for (var look = 0; look < 5; look++)
            {
                Assert.True(await OpenTransactionsAsync(options) == 0, $"a transaction is open after {at} of {size} bytes");
                await Task.Delay(20);
            }

            // Another owner of the first and the last object does not wait.
            await InsertAndTakeBackAsync(options, AppenderTests.Id(0), number);
            await InsertAndTakeBackAsync(options, AppenderTests.Id(Writes - 1), number);
            await ReleaseAsync(proxy, sending);
            number++;
        }

        // What is looked for would be seen: between execution and commit, five bytes before the end, it is open.
        var committing = await PauseAsync(proxy, appender, number, size - 1);
        await Eventually.TrueAsync(async () => await OpenTransactionsAsync(options) == 1, "an open transaction is seen", TimeSpan.FromSeconds(10));
        await ReleaseAsync(proxy, committing);
        Assert.Equal((long)number * Writes, await server.ScalarAsync("SELECT count(*) FROM journal", options.ConnectionString));
    }

    private static List<JournalWrite> Events(int number) => [.. Enumerable.Range(0, Writes).Select(i => AppenderTests.WriteOf((ulong)i, number, EventBytes))];

    private static async Task<Sending> PauseAsync(PostgresProxy proxy, JournalAppender appender, int number, long after)
    {
        proxy.HoldAfterBytes = after;
        var writes = Events(number);
        var sending = new Sending(Task.Run(() => appender.Append(writes)), writes);
        await proxy.Met.WaitAsync(TimeSpan.FromSeconds(20));
        return sending;
    }

    private static async Task ReleaseAsync(PostgresProxy proxy, Sending sending)
    {
        proxy.Release();
        await sending.End.WaitAsync(TimeSpan.FromSeconds(20));
        Assert.All(sending.Writes, write => Assert.Null(write.Failure));
    }

    private async Task<long> OpenTransactionsAsync(JournalOptions options) => (long)(await server.ScalarAsync(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend' AND (xact_start IS NOT NULL OR state <> 'idle')",
        options.ConnectionString))!;

    private Task InsertAndTakeBackAsync(JournalOptions options, string id, int number) => server.ExecuteAsync(
        $"SET statement_timeout = 1000; BEGIN; INSERT INTO journal (created, deleted, persistence_id, sequence_number, message) VALUES (0, false, '{id}', {number}, ''); ROLLBACK",
        new NpgsqlConnectionStringBuilder(options.ConnectionString) { ApplicationName = "other" }.ConnectionString);

    private sealed record Sending(Task End, List<JournalWrite> Writes);
}
