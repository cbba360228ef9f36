using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Microsoft.Data.Sqlite;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Limits;

/// <summary>Space that a node was giving back when it was killed comes back after its next start, though nobody touches what it belonged to.</summary>
public sealed class LeftoverTests(ITestOutputHelper output)
{
    private const int Objects = 12;
    private const int BatchesPerObject = 8;
    private const int PagesPerBatch = 256;

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Flushed_objects_give_their_space_back_after_a_kill_without_being_touched()
    {
        await using var node = await NodeProcess.StartAsync(NodeSetup.Default, output);
        await using (var client = await node.ConnectAsync())
        {
            var pool = await FillAsync(client);
            await Task.WhenAll(Enumerable.Range(1, Objects).Select(number => pool.FlushObjectAsync(ObjectId.FromUInt64((ulong)number)).AsTask()));
        }

        await node.Kill9Async();
        var left = JournalBytes(node);
        Assert.True(left > 8 << 20, $"only {left} bytes are left: the kill came too late to try anything");
        await node.RestartAsync();
        // The object that was not flushed keeps its page; of the others a few small events stay.
        await Eventually.TrueAsync(() => JournalBytes(node) < 64 << 10, "the space comes back", Patience, () => $"{JournalBytes(node)} bytes");
        await using var again = await node.ConnectAsync();
        var reopened = await again.OpenPoolAsync("space");
        await reopened.AssertHoldsAsync(ObjectId.FromUInt64(0), 0, PageBytes.Random(0));
        await reopened.AssertMissAsync(ObjectId.FromUInt64(1), 0);
    }

    [Fact]
    public async Task A_destroyed_pool_gives_its_space_back_after_a_kill()
    {
        await using var node = await NodeProcess.StartAsync(NodeSetup.Default, output);
        await using (var client = await node.ConnectAsync())
        {
            await FillAsync(client);
            await client.DestroyPoolAsync("space");
        }

        await node.Kill9Async();
        var left = JournalBytes(node);
        Assert.True(left > 8 << 20, $"only {left} bytes are left: the kill came too late to try anything");
        await node.RestartAsync();
        await Eventually.TrueAsync(() => JournalBytes(node) < left, "the deletion goes on", Patience);
        await node.Kill9Async();
        await node.RestartAsync();
        await Eventually.TrueAsync(() => JournalBytes(node) == 0, "the space comes back", Patience, () => $"{JournalBytes(node)} bytes");
    }

    private static async Task<Pool> FillAsync(GridClient client)
    {
        var pool = await client.CreatePoolAsync("space", Kinds.Options(PoolKind.Persistent, PoolSharing.Private));
        await pool.StoreAsync(ObjectId.FromUInt64(0), 0, PageBytes.Random(0));
        await Parallel.ForAsync(0, Objects * BatchesPerObject, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (number, cancellation) =>
        {
            var batch = new WriteBatch();
            var first = (uint)(number / Objects * PagesPerBatch);
            for (var i = first; i < first + PagesPerBatch; i++) batch.Put(i, PageBytes.Random(((ulong)number << 32) | i));
            var result = await pool.WriteBatchAsync(ObjectId.FromUInt64((ulong)(number % Objects) + 1), batch, cancellationToken: cancellation);
            Assert.Equal(BatchOutcome.Applied, result.Outcome);
        });
        return pool;
    }

    /// <summary>Bytes of all events of objects, as the file has them.</summary>
    private static long JournalBytes(NodeProcess node)
    {
        var path = Path.Combine(node.DataDirectory, "grid.db");
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Mode = SqliteOpenMode.ReadOnly, Pooling = false }.ConnectionString);
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "SELECT coalesce(sum(length(message)), 0) FROM journal WHERE persistence_id LIKE 'o-%'";
        return Convert.ToInt64(command.ExecuteScalar(), System.Globalization.CultureInfo.InvariantCulture);
    }
}
