using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Limits;

/// <summary>Pages written over and over: what the database takes on disk stays bounded, and nothing is lost or comes back.</summary>
public abstract class JournalSpaceTests(ITestOutputHelper output)
{
    private const int PagesPerBatch = 64;
    private const int LivePages = 2048;
    private const int Rounds = 20;

    protected ITestOutputHelper Output { get; } = output;

    /// <summary>A node on an empty journal.</summary>
    protected abstract Task<NodeSetup> NewSetupAsync();

    /// <summary>What the database may take beyond the live pages and the dead ones that are not worth cleaning yet.</summary>
    protected abstract long AllowanceBytes { get; }

    /// <summary>What the journal takes on disk.</summary>
    protected abstract Task<long> BytesOnDiskAsync(NodeProcess node);

    [Fact]
    public async Task Twenty_times_the_live_pages_written_leave_a_small_journal_and_the_newest_pages_also_after_kills()
    {
        var node = await NodeProcess.StartAsync(await NewSetupAsync(), Output);
        await using var owned = node;
        var (random, newest) = (new Random(5), new ulong[LivePages]);
        for (var part = 0; part < 4; part++)
        {
            await using (var client = await node.ConnectAsync())
            {
                var pool = part == 0
                    ? await client.CreatePoolAsync("over", new PoolOptions { Kind = PoolKind.Persistent })
                    : await client.OpenPoolAsync("over");
                for (var batches = LivePages * Rounds / PagesPerBatch / 4; batches > 0; batches--)
                {
                    var batch = new WriteBatch();
                    var begin = part == 0 && batches > Rounds ? random.Next(LivePages / PagesPerBatch) * PagesPerBatch : random.Next(LivePages - PagesPerBatch);
                    for (var i = begin; i < begin + PagesPerBatch; i++) batch.Put((uint)i, PageBytes.Random(newest[i] = (ulong)random.NextInt64()));
                    Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(ObjectId.FromUInt64(1), batch)).Outcome);
                }

                await AssertNewestAsync(pool, newest);
            }

            await node.Kill9Async();
            await node.RestartAsync();
            await using var again = await node.ConnectAsync();
            await AssertNewestAsync(await again.OpenPoolAsync("over"), newest);
        }

        var bytes = await BytesOnDiskAsync(node);
        var live = LivePages * 4096L;
        Output.WriteLine($"written {live * Rounds >> 20} MiB, live {live >> 20} MiB, on disk {bytes >> 20} MiB");
        Assert.True(bytes < (live * 4) + AllowanceBytes, $"the journal takes {bytes >> 20} MiB");
    }

    private static async Task AssertNewestAsync(Pool pool, ulong[] newest)
    {
        for (var i = 0u; i < newest.Length; i++)
            if (newest[i] != 0) await pool.AssertHoldsAsync(ObjectId.FromUInt64(1), i, PageBytes.Random(newest[i]));
    }

    public sealed class OnSqlite(ITestOutputHelper output) : JournalSpaceTests(output)
    {
        /// <summary>The write-ahead log alone may have 16 MiB before it is copied into the file.</summary>
        protected override long AllowanceBytes => 32 << 20;

        protected override Task<NodeSetup> NewSetupAsync() => Task.FromResult(NodeSetup.Default);

        protected override Task<long> BytesOnDiskAsync(NodeProcess node) =>
            Task.FromResult(new DirectoryInfo(node.DataDirectory).EnumerateFiles("grid.db*").Sum(file => file.Length));
    }

    public sealed class OnPostgreSql(PostgresServer server, ITestOutputHelper output) : JournalSpaceTests(output), IClassFixture<PostgresServer>
    {
        private string _database = "";

        /// <summary>
        /// Tables grow between two visits of autovacuum, and do not shrink afterwards: a second or two at the 20 to 30 MiB/s that this test writes. The whole of what is
        /// written, 160 MiB, is far beyond it.
        /// </summary>
        protected override long AllowanceBytes => 64 << 20;

        protected override async Task<NodeSetup> NewSetupAsync()
        {
            // The server's default is a minute: too long for so short a test. Everything else comes with the tables.
            await server.SetAsync("autovacuum_naptime", "1s");
            return NodeSetup.OnPostgres(_database = await server.NewDatabaseAsync());
        }

        /// <summary>All files of the database: tables, what is stored beside them, indexes.</summary>
        protected override async Task<long> BytesOnDiskAsync(NodeProcess node)
        {
            foreach (var row in ((string)(await server.ScalarAsync(
                "SELECT string_agg(format('%s: %s, %s dead, %s vacuums', relname, pg_size_pretty(pg_relation_size(relid)), n_dead_tup, autovacuum_count), E'\n') FROM pg_stat_all_tables WHERE pg_relation_size(relid) > 1000000",
                _database))!).Split('\n')) Output.WriteLine(row);
            return (long)(await server.ScalarAsync("SELECT pg_database_size(current_database())", _database))!;
        }
    }
}
