using Grid.Cli;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cli;

/// <summary>Moving a pool from SQLite to PostgreSQL and back, and verifying it there, with a node and without.</summary>
public sealed class PostgresCommandTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    private static readonly PoolOptions Options = new() { Kind = PoolKind.Persistent, Sharing = PoolSharing.Shared, Compression = PageCompression.Lz4, QuotaPages = 50_000 };

    [Fact]
    public async Task A_pool_exported_from_SQLite_is_the_same_in_PostgreSQL_and_from_there_in_SQLite_again()
    {
        using var folder = new TestFolder();
        var expected = new Dictionary<(ObjectId Id, uint Index), byte[]>();
        await using (var sqlite = await NodeProcess.StartAsync(output: output))
        {
            await using (var client = await sqlite.ConnectAsync())
            {
                var pool = await client.CreatePoolAsync("vault", Options);
                for (var i = 0u; i < 700; i++)
                {
                    var handle = (Id: ObjectId.FromUInt64(i % 5), Index: i * 6_000_007);
                    await pool.StoreAsync(handle.Id, handle.Index, expected[handle] = PageBytes.Mixed(i));
                }
            }

            (await CliRun.OnAsync(sqlite, "export", "--pool", "vault", folder.Combine("vault.grid"))).Exits(ExitCodes.Ok);
        }

        await using (var postgres = await NodeProcess.StartAsync(NodeSetup.OnPostgres(await server.NewDatabaseAsync()), output))
        {
            (await CliRun.OnAsync(postgres, "import", folder.Combine("vault.grid"))).Exits(ExitCodes.Ok);
            await AssertSameAsync(postgres, expected);
            await postgres.Kill9Async();
            await postgres.RestartAsync();
            await AssertSameAsync(postgres, expected);
            Assert.Equal(expected.Count, (await CliRun.OnAsync(postgres, "verify", "--pool", "vault", "--json")).Exits(ExitCodes.Ok).Json().GetProperty("pages").GetInt32());
            (await CliRun.OnAsync(postgres, "export", "--pool", "vault", folder.Combine("again.grid"))).Exits(ExitCodes.Ok);
        }

        await using var back = await NodeProcess.StartAsync(output: output);
        (await CliRun.OnAsync(back, "import", folder.Combine("again.grid"))).Exits(ExitCodes.Ok);
        await AssertSameAsync(back, expected);
    }

    [Fact]
    public async Task Damage_in_PostgreSQL_is_found_with_a_node_and_without_and_nothing_is_changed_by_looking()
    {
        using var folder = new TestFolder();
        var database = await server.NewDatabaseAsync();
        var secret = folder.Combine("connection");
        await File.WriteAllTextAsync(secret, database);
        await using var node = await NodeProcess.StartAsync(NodeSetup.OnPostgres(database), output);
        var victim = new ObjectId(1, 2, 3);
        ulong pool;
        await using (var client = await node.ConnectAsync())
        {
            var vault = await client.CreatePoolAsync("vault", Options);
            pool = vault.Id.Value;
            for (var i = 0u; i < 20; i++)
            {
                await vault.StoreAsync(victim, i, PageBytes.Random(i));
                await vault.StoreAsync(ObjectId.FromUInt64(9), i, PageBytes.Mixed(i));
            }
        }

        Assert.Equal(0, await node.TerminateAsync());
        var sound = (await OfflineAsync(folder, secret)).Exits(ExitCodes.Ok).Json();
        Assert.Equal((2, 40, 40, 0), (sound.GetProperty("objects").GetInt32(), sound.GetProperty("pages").GetInt32(), sound.GetProperty("checkedPages").GetInt32(), sound.GetProperty("damaged").GetInt32()));

        // Page 7 came in an event of its own, behind the fence or with it: its bytes are looked for.
        var journal = $"o-{pool}-{victim}";
        var bytes = Convert.ToHexString(PageBytes.Random(7).AsSpan(0, 64));
        var sequenceNr = (long)(await server.ScalarAsync($"SELECT sequence_number FROM journal WHERE persistence_id = '{journal}' AND position('\\x{bytes}'::bytea in message) > 0", database))!;
        await server.ExecuteAsync(
            $"UPDATE journal SET message = set_byte(message, position('\\x{bytes}'::bytea in message) + 50, get_byte(message, position('\\x{bytes}'::bytea in message) + 50) # 4) WHERE persistence_id = '{journal}' AND sequence_number = {sequenceNr}",
            database);
        var before = await ContentsAsync(database);
        AssertFound((await OfflineAsync(folder, secret)).Exits(ExitCodes.Checksum).Json(), victim, sequenceNr);
        Assert.Equal(before, await ContentsAsync(database));
        await node.RestartAsync();
        var online = (await CliRun.OnAsync(node, "verify", "--pool", "vault", "--json")).Exits(ExitCodes.Checksum);
        AssertFound(online.Json(), victim, sequenceNr);
        Assert.DoesNotContain("s3cr3t", online.Output + online.Error, StringComparison.Ordinal);

        await using var again = await node.ConnectAsync();
        await (await again.OpenPoolAsync("vault")).StoreAsync(victim, 7, PageBytes.Random(70));
        var healed = (await CliRun.OnAsync(node, "verify", "--pool", "vault", "--json")).Exits(ExitCodes.Ok).Json();
        Assert.Equal((0, 1), (healed.GetProperty("damaged").GetInt32(), healed.GetProperty("superseded").GetInt32()));
        // A database that is not there is no damage, and its password is not told.
        await server.StopAsync();
        var gone = (await OfflineAsync(folder, secret)).Exits(ExitCodes.CannotConnect);
        await server.StartAsync();
        Assert.Contains("refused", gone.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cr3t", gone.Error, StringComparison.Ordinal);
    }

    private static Task<CliRun> OfflineAsync(TestFolder folder, string secret) => CliRun.RunAsync(
        "verify", "--pool", "vault", "--offline", "--data", folder.Combine("data"), "--set", "grid.journal.provider=postgresql", "--set", $"grid.journal.connection-string-file={secret}", "--json");

    private async Task<object?> ContentsAsync(string database) =>
        await server.ScalarAsync("SELECT md5(string_agg(md5(j::text), '' ORDER BY ordering)) FROM journal j", database);

    private static void AssertFound(System.Text.Json.JsonElement report, ObjectId obj, long sequenceNr)
    {
        Assert.Equal((1, 1, 0), (report.GetProperty("damaged").GetInt32(), report.GetProperty("damagedObjects").GetInt32(), report.GetProperty("superseded").GetInt32()));
        var damage = report.GetProperty("damages")[0];
        Assert.Equal((obj.ToString(), sequenceNr, 7), (damage.GetProperty("object").GetString(), damage.GetProperty("event").GetInt64(), damage.GetProperty("index").GetInt32()));
        Assert.Contains("checksum", damage.GetProperty("what").GetString(), StringComparison.Ordinal);
    }

    private static async Task AssertSameAsync(NodeProcess node, Dictionary<(ObjectId Id, uint Index), byte[]> expected)
    {
        await using var client = await node.ConnectAsync();
        var pool = await client.OpenPoolAsync("vault");
        Assert.Equal(Options, pool.Info.Options);
        foreach (var (handle, page) in expected) await pool.AssertHoldsAsync(handle.Id, handle.Index, page);
        var held = 0;
        await foreach (var item in pool.ListObjectsAsync())
            await foreach (var piece in pool.ListPagesAsync(item.Id)) held += piece.Indexes.Count;
        Assert.Equal(expected.Count, held);
    }
}
