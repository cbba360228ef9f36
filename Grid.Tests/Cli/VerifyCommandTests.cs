using System.Globalization;
using System.Security.Cryptography;
using Grid.Cli;
using Grid.Protocol;
using Grid.Tests.Harness;
using Microsoft.Data.Sqlite;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cli;

/// <summary>grid verify, asking a node and reading the journal itself.</summary>
public sealed class VerifyCommandTests(ITestOutputHelper output)
{
    [Fact]
    public async Task Damage_is_found_online_and_offline_and_reported_with_its_place()
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        var (victim, other) = (new ObjectId(1, 2, 3), new ObjectId(9, 9, 9));
        await using (var client = await node.ConnectAsync())
        {
            var pool = await client.CreatePoolAsync("vault", new PoolOptions { Kind = PoolKind.Persistent });
            for (var i = 0u; i < 20; i++)
            {
                await pool.StoreAsync(victim, i, PageBytes.Random(i));
                await pool.StoreAsync(other, i, PageBytes.Mixed(i));
            }

            await client.CreatePoolAsync("cache", new PoolOptions());
        }

        Assert.Contains("0 damaged", (await CliRun.OnAsync(node, "verify", "--pool", "vault")).Exits(ExitCodes.Ok).Output, StringComparison.Ordinal);
        Assert.Contains("ephemeral", (await CliRun.OnAsync(node, "verify", "--pool", "cache")).Exits(ExitCodes.Usage).Error, StringComparison.Ordinal);
        // The node runs: its journal is not read behind its back.
        Assert.Contains("running", (await OfflineAsync(node)).Exits(ExitCodes.CannotConnect).Error, StringComparison.Ordinal);
        Assert.Equal(0, await node.TerminateAsync());

        var before = Hash(node);
        var sound = (await OfflineAsync(node)).Exits(ExitCodes.Ok).Json();
        Assert.Equal((2, 40, 40), (sound.GetProperty("objects").GetInt32(), sound.GetProperty("pages").GetInt32(), sound.GetProperty("checkedPages").GetInt32()));
        Assert.Equal(before, Hash(node));
        Assert.Contains("ephemeral", (await OfflineAsync(node, "cache")).Exits(ExitCodes.Usage).Error, StringComparison.Ordinal);
        Assert.Contains("vault", (await OfflineAsync(node, "valut")).Exits(ExitCodes.Failed).Error, StringComparison.Ordinal);
        (await CliRun.RunAsync("verify", "--pool", "vault", "--offline", "--journal", "/nowhere/grid.db")).Exits(ExitCodes.CannotConnect);
        (await CliRun.RunAsync("verify", "--pool", "vault", "--data", node.DataDirectory)).Exits(ExitCodes.Usage);

        var damagedEvent = FlipBit(node, victim, 7);
        var found = (await OfflineAsync(node)).Exits(ExitCodes.Checksum).Json();
        AssertFound(found, victim, damagedEvent);
        // A copy of the file alone will do, beside a running node as well.
        using var folder = new TestFolder();
        File.Copy(Journal(node), folder.Combine("copy.db"));
        await node.RestartAsync();
        AssertFound((await CliRun.RunAsync("verify", "--pool", "vault", "--offline", "--journal", folder.Combine("copy.db"), "--json")).Exits(ExitCodes.Checksum).Json(), victim, damagedEvent);
        AssertFound((await CliRun.OnAsync(node, "verify", "--pool", "vault", "--json")).Exits(ExitCodes.Checksum).Json(), victim, damagedEvent);

        await using var again = await node.ConnectAsync();
        await (await again.OpenPoolAsync("vault")).StoreAsync(victim, 7, PageBytes.Random(70));
        var healed = (await CliRun.OnAsync(node, "verify", "--pool", "vault", "--json")).Exits(ExitCodes.Ok).Json();
        Assert.Equal((0, 1), (healed.GetProperty("damaged").GetInt32(), healed.GetProperty("superseded").GetInt32()));
    }

    private static void AssertFound(System.Text.Json.JsonElement report, ObjectId obj, long sequenceNr)
    {
        Assert.Equal((1, 1, 0), (report.GetProperty("damaged").GetInt32(), report.GetProperty("damagedObjects").GetInt32(), report.GetProperty("superseded").GetInt32()));
        var damage = report.GetProperty("damages")[0];
        Assert.Equal((obj.ToString(), sequenceNr, 7), (damage.GetProperty("object").GetString(), damage.GetProperty("event").GetInt64(), damage.GetProperty("index").GetInt32()));
        Assert.Contains("checksum", damage.GetProperty("what").GetString(), StringComparison.Ordinal);
    }

    private static Task<CliRun> OfflineAsync(NodeProcess node, string pool = "vault") =>
        CliRun.RunAsync("verify", "--pool", pool, "--offline", "--data", node.DataDirectory, "--json");

    private static string Journal(NodeProcess node) => Path.Combine(node.DataDirectory, "grid.db");

    private static string Hash(NodeProcess node) => Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(Journal(node))));

    /// <summary>Flips a bit in the stored page of an index; gives its event.</summary>
    private static long FlipBit(NodeProcess node, ObjectId obj, uint index)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = Journal(node), Pooling = false }.ConnectionString);
        connection.Open();
        using var read = connection.CreateCommand();
        read.CommandText = "SELECT ordering, sequence_number, message FROM journal WHERE persistence_id LIKE $id";
        read.Parameters.AddWithValue("$id", $"o-%-{obj}");
        var page = PageBytes.Random(index);
        using var rows = read.ExecuteReader();
        while (rows.Read())
        {
            var message = rows.GetFieldValue<byte[]>(2);
            var at = message.AsSpan().IndexOf(page);
            if (at < 0) continue;
            message[at + 100] ^= 4;
            var (ordering, sequenceNr) = (rows.GetInt64(0), rows.GetInt64(1));
            rows.Close();
            using var write = connection.CreateCommand();
            write.CommandText = "UPDATE journal SET message = $message WHERE ordering = $ordering";
            write.Parameters.AddWithValue("$message", message);
            write.Parameters.AddWithValue("$ordering", ordering);
            Assert.Equal(1, write.ExecuteNonQuery());
            return sequenceNr;
        }

        throw new InvalidOperationException(string.Create(CultureInfo.InvariantCulture, $"no event holds page {index}"));
    }
}
