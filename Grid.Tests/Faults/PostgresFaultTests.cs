using System.Diagnostics;
using System.Globalization;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Npgsql;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Faults;

/// <summary>Everything that happens to a database, to a real one, under a real node.</summary>
public sealed class PostgresFaultTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    private string _database = "";

    private string Role => new NpgsqlConnectionStringBuilder(_database).Username!;

    [Fact]
    public async Task A_database_that_is_stopped_and_started_again()
    {
        await using var faulty = await StartAsync();
        await server.StopAsync();
        await faulty.AssertDownAsync();
        await server.StartAsync();
        await faulty.AssertBackAsync();
    }

    [Fact]
    public async Task A_database_that_hangs_and_goes_on()
    {
        await using var faulty = await StartAsync();
        server.Pause();
        try
        {
            await faulty.AssertDownAsync();
        }
        finally
        {
            server.Continue();
        }

        await faulty.AssertBackAsync();
    }

    [Fact]
    public async Task A_database_without_free_connections()
    {
        await using var faulty = await StartAsync();
        await server.ExecuteAsync($"ALTER ROLE {Role} CONNECTION LIMIT 0");
        await server.ExecuteAsync($"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{Role}'");
        await faulty.AssertDownAsync("too many connections");
        await server.ExecuteAsync($"ALTER ROLE {Role} CONNECTION LIMIT -1");
        await faulty.AssertBackAsync();
    }

    [Fact]
    public async Task A_database_that_turns_read_only()
    {
        await using var faulty = await StartAsync();
        await server.SetAsync("default_transaction_read_only", "on");
        try
        {
            // Sessions that exist hear of it when the server's signal reaches them, each at its own time.
            var refused = 0;
            await Eventually.TrueAsync(
                async () =>
                {
                    var attempt = await Attempt.PutAsync(faulty.Pool, ObjectId.FromUInt64(78), 0, PageBytes.Random(78));
                    refused = attempt.Ending == Ending.Applied ? 0 : refused + 1;
                    return refused >= 5;
                },
                "every session refuses writes",
                TimeSpan.FromSeconds(20));
            await faulty.AssertDownAsync("read-only transaction");
        }
        finally
        {
            await server.SetAsync("default_transaction_read_only", "off");
        }

        await faulty.AssertBackAsync();
    }

    [Fact]
    public async Task A_database_whose_disk_is_full()
    {
        // A limit on file sizes stands in for the disk's end: the kernel refuses to let the tables grow. Segments of the write-ahead log, 16 MiB each, still fit.
        await using var faulty = await StartAsync();
        await server.LimitFileSizeAsync(17L << 20);
        try
        {
            var batch = new WriteBatch();
            var attempt = new Attempt(Ending.Applied, default, "");
            for (var round = 0ul; attempt.Ending == Ending.Applied; round++)
            {
                batch.Clear();
                for (var i = 0u; i < 256; i++) batch.Put(i, PageBytes.Random((round * 256) + i));
                attempt = await Attempt.RunAsync(async () => (await faulty.Pool.WriteBatchAsync(ObjectId.FromUInt64(77), batch)).Outcome.ToString());
                Assert.True(round < 40, "the limit was never met");
            }

            output.WriteLine(attempt.ToString());
            await faulty.AssertDownAsync("could not extend file");
        }
        finally
        {
            await server.LimitFileSizeAsync(null);
        }

        await faulty.AssertBackAsync();
    }

    [Fact]
    public async Task A_database_that_is_slow_is_waited_for_and_one_that_is_too_slow_is_not()
    {
        await using var proxy = new PostgresProxy(server.Port);
        var database = proxy.Lead(await server.NewDatabaseAsync());
        await using var faulty = await FaultyJournal.StartAsync(NodeSetup.OnPostgres(database), output);
        proxy.Delay = TimeSpan.FromMilliseconds(40);
        for (var i = 0u; i < 4; i++) Assert.Equal(Ending.Applied, (await faulty.TryStoreAsync(i, i)).Ending);
        Assert.Equal(200, (await faulty.Node.HttpGetAsync("/health/ready")).Status);
        proxy.Delay = TimeSpan.FromSeconds(5);
        await faulty.AssertDownAsync();
        proxy.Delay = TimeSpan.Zero;
        await faulty.AssertBackAsync();
    }

    [Theory, InlineData(AtCommit.CutBefore), InlineData(AtCommit.CutAfter)]
    public async Task A_connection_that_is_cut_at_the_commit_leaves_the_outcome_unknown_until_the_journal_tells(AtCommit cut)
    {
        await using var proxy = new PostgresProxy(server.Port);
        var database = proxy.Lead(await server.NewDatabaseAsync());
        await using var faulty = await FaultyJournal.StartAsync(NodeSetup.OnPostgres(database), output);
        var pool = faulty.Pool;
        var id = FaultyJournal.IdOf(9);
        await pool.StoreAsync(id, 1, PageBytes.Random(1));
        proxy.AtCommit = cut;
        var attempt = await Attempt.PutAsync(pool, id, 1, PageBytes.Random(2));
        Assert.True(attempt.Ending == Ending.Unknown, attempt.ToString());
        await proxy.Met;
        proxy.Release();
        // The get waits for the fence of the next writer.
        await pool.AssertHoldsAsync(id, 1, PageBytes.Random(cut == AtCommit.CutAfter ? 2ul : 1ul));
        await faulty.AssertBackAsync();
    }

    [Fact]
    public async Task A_database_that_crashes_and_restarts_under_load_loses_nothing_acknowledged()
    {
        await using var faulty = await StartAsync();
        using var enough = new CancellationTokenSource();
        var stored = 0;
        var writers = Enumerable.Range(0, 8).Select(async writer =>
        {
            for (var i = 0u; !enough.IsCancellationRequested; i++)
            {
                var attempt = await faulty.TryStoreAsync((uint)writer % 4, ((uint)writer * 10) + (i % 5) + 200);
                if (attempt.Ending == Ending.Applied) Interlocked.Increment(ref stored);
                else if (attempt.Ending == Ending.Unknown) return;
            }
        }).ToArray();
        for (var round = 0; round < 3; round++)
        {
            var before = Volatile.Read(ref stored);
            await Eventually.TrueAsync(() => Volatile.Read(ref stored) > before + 50 || writers.All(writer => writer.IsCompleted), "puts are stored", TimeSpan.FromSeconds(20));
            await server.Kill9Async();
            await server.StartAsync();
        }

        await enough.CancelAsync();
        await Task.WhenAll(writers);
        output.WriteLine($"{stored} puts were stored");
        await faulty.AssertBackAsync();
    }

    [Fact]
    public async Task Pools_are_made_again_once_the_database_is_back_and_pages_that_are_not_resident_are_got_again()
    {
        await using var faulty = await StartAsync();
        await faulty.Node.Kill9Async();
        await faulty.ReopenAsync();
        await server.StopAsync();
        var page = new byte[4096];
        var attempt = await Attempt.RunAsync(async () => (await faulty.Pool.GetAsync(FaultyJournal.IdOf(1), 1, page)).Hit.ToString());
        Assert.True(attempt.Ending == Ending.NotApplied && attempt.Took < TimeSpan.FromSeconds(5), attempt.ToString());
        var options = Kinds.Options(PoolKind.Persistent, PoolSharing.Shared);
        attempt = await Attempt.RunAsync(async () => (await faulty.Client.CreatePoolAsync("another", options)).Name);
        Assert.True(attempt.Ending != Ending.Applied && attempt.Took < TimeSpan.FromSeconds(5), attempt.ToString());
        output.WriteLine(attempt.ToString());
        // Nobody writes: a small read finds the database gone.
        await Eventually.TrueAsync(async () => (await faulty.Node.HttpGetAsync("/health/ready")).Status == 503, "readiness tells", TimeSpan.FromSeconds(20));

        await server.StartAsync();
        await Eventually.TrueAsync(
            async () => (await Attempt.RunAsync(async () => (await faulty.Client.CreatePoolAsync("another", options)).Name)).Ending == Ending.Applied, "a pool is made", TimeSpan.FromSeconds(15));
        await faulty.AssertBackAsync();
    }

    [Fact]
    public async Task A_flipped_bit_in_a_row_is_an_error_that_names_the_handle_and_never_wrong_bytes()
    {
        await using var faulty = await StartAsync();
        var pool = faulty.Pool;
        var id = FaultyJournal.IdOf(50);
        for (var i = 0u; i < 3; i++) await pool.StoreAsync(id, i, PageBytes.Random(500 + i));
        await faulty.Node.Kill9Async();
        // Of each event one bit of the page, far behind the head.
        var journal = $"o-{pool.Id.Value}-{id}";
        await server.ExecuteAsync(
            $"UPDATE journal SET message = set_byte(message, 2000, get_byte(message, 2000) # 4) WHERE persistence_id = '{journal}' AND sequence_number = 2", _database);
        await faulty.ReopenAsync();
        var buffer = new byte[4096];
        var error = await Assert.ThrowsAsync<PageCorruptException>(async () => await faulty.Pool.GetAsync(id, 1, buffer));
        Assert.Contains(new Handle(pool.Id, id, 1).ToString(), error.Message, StringComparison.Ordinal);
        Assert.True(buffer.All(value => value == 0), "bytes of a damaged page were handed out");
        await faulty.Pool.AssertHoldsAsync(id, 0, PageBytes.Random(500));
        await faulty.Pool.AssertHoldsAsync(id, 2, PageBytes.Random(502));

        // One bit of an event's head: nothing of the object can be told any more, and that is said.
        await faulty.Node.Kill9Async();
        await server.ExecuteAsync($"UPDATE journal SET message = set_byte(message, 50, get_byte(message, 50) # 1) WHERE persistence_id = '{journal}' AND sequence_number = 3", _database);
        await faulty.ReopenAsync();
        error = await Assert.ThrowsAsync<PageCorruptException>(async () => await faulty.Pool.GetAsync(id, 0, buffer));
        Assert.Contains(id.ToString(), error.Message, StringComparison.Ordinal);
        await faulty.SettleAsync();
    }

    [Fact]
    public async Task A_node_does_not_start_without_its_database_and_says_so_in_one_line()
    {
        var text = new NpgsqlConnectionStringBuilder(await server.NewDatabaseAsync()) { Port = PostgresTools.FreePort() }.ConnectionString;
        var (exitCode, standardOut, standardError) = await NodeProcess.RunToExitAsync(NodeSetup.OnPostgres(text), TimeSpan.FromSeconds(60));
        Assert.Equal(3, exitCode);
        var line = Assert.Single(standardError, text => text.Length > 0);
        output.WriteLine(line);
        Assert.Contains("Connection refused", line, StringComparison.Ordinal);
        Assert.DoesNotContain(standardOut.Concat(standardError), text => text.Contains("s3cr3t", StringComparison.Ordinal));
    }

    private async Task<FaultyJournal> StartAsync()
    {
        _database = await server.NewDatabaseAsync();
        return await FaultyJournal.StartAsync(NodeSetup.OnPostgres(_database), output);
    }
}
