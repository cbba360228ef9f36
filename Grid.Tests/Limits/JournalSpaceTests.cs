using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Limits;

/// <summary>Pages written over and over: the journal's file stays bounded, and nothing is lost or comes back.</summary>
[Collection(OwnNodes.Name)]
public sealed class JournalSpaceTests(ITestOutputHelper output)
{
    private const int PagesPerBatch = 64;
    private const int LivePages = 2048;
    private const int Rounds = 20;

    [Fact]
    public async Task Twenty_times_the_live_pages_written_leave_a_small_file_and_the_newest_pages_also_after_kills()
    {
        var node = await NodeProcess.StartAsync(NodeSetup.Default, output);
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

        var bytes = new DirectoryInfo(node.DataDirectory).EnumerateFiles("grid.db*").Sum(file => file.Length);
        var live = LivePages * 4096L;
        output.WriteLine($"written {live * Rounds >> 20} MiB, live {live >> 20} MiB, files {bytes >> 20} MiB");
        // The write-ahead log alone may have 16 MiB before it is copied into the file.
        Assert.True(bytes < (live * 4) + (32 << 20), $"the journal's files have {bytes >> 20} MiB");
    }

    private static async Task AssertNewestAsync(Pool pool, ulong[] newest)
    {
        for (var i = 0u; i < newest.Length; i++)
            if (newest[i] != 0) await pool.AssertHoldsAsync(ObjectId.FromUInt64(1), i, PageBytes.Random(newest[i]));
    }
}
