using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Limits;

/// <summary>Objects of many pages on a node whose memory can't hold them. (<c>./bench recover</c> does the same with up to a million pages, and takes the time.)</summary>
public sealed class LargeObjectTests(ITestOutputHelper output)
{
    private const int Pages = 20_480;
    private const int PagesPerBatch = 256;
    private const int LimitMebibytes = 64;

    private static readonly ObjectId Large = ObjectId.FromUInt64(1);
    private static readonly ObjectId Other = ObjectId.FromUInt64(2);

    [Fact]
    public async Task An_object_larger_than_memory_with_indexes_all_over_32_bits_is_exact_after_kills_and_others_are_served_meanwhile()
    {
        await using var node = await NodeProcess.StartAsync(NodeSetup.WithMemoryLimit(LimitMebibytes).With("grid.journal.checkpoint-events", "16"), output);
        var versions = new ulong[Pages];
        await using (var client = await node.ConnectAsync())
        {
            var pool = await client.CreatePoolAsync("large", Kinds.Options(PoolKind.Persistent, PoolSharing.Private));
            await pool.StoreAsync(Other, 0, PageBytes.Random(1));
            await WriteAsync(pool, versions, Enumerable.Range(0, Pages / PagesPerBatch));
        }

        for (var kills = 1; kills <= 2; kills++)
        {
            await node.Kill9Async();
            await node.RestartAsync();
            await using var client = await node.ConnectAsync();
            var pool = await client.OpenPoolAsync("large");
            var large = CheckAsync(pool, versions);
            while (!large.IsCompleted) await pool.AssertHoldsAsync(Other, 0, PageBytes.Random(1));
            await large;
            // Some of it anew, some flushed: the next start has a checkpoint and a tail with both.
            await WriteAsync(pool, versions, Enumerable.Range(kills * 7, 20));
            for (var i = kills; i < Pages; i += 997)
            {
                await pool.FlushPageAsync(Large, IndexOf(i));
                versions[i] = 0;
            }

            await CheckAsync(pool, versions);
            Assert.True(node.PeakRssBytes() <= (LimitMebibytes + 200L) << 20, $"RSS reached {node.PeakRssBytes() >> 20} MiB under a limit of {LimitMebibytes} MiB");
        }
    }

    private static async Task WriteAsync(Pool pool, ulong[] versions, IEnumerable<int> batches)
    {
        await Parallel.ForEachAsync(batches, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (number, cancellation) =>
        {
            var batch = new WriteBatch();
            for (var i = number * PagesPerBatch; i < (number + 1) * PagesPerBatch; i++) batch.Put(IndexOf(i), PageBytes.Random(Number(i, ++versions[i])));
            Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(Large, batch, cancellationToken: cancellation)).Outcome);
        });
    }

    private static Task CheckAsync(Pool pool, ulong[] versions) => Parallel.ForAsync(0, Pages / PagesPerBatch, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (number, cancellation) =>
    {
        var pages = new byte[PagesPerBatch * PoolOptions.MinPageSizeBytes];
        var first = number * PagesPerBatch;
        var result = await pool.GetBatchAsync(Large, Enumerable.Range(first, PagesPerBatch).Select(IndexOf).ToArray(), pages, GetMode.Keep, cancellationToken: cancellation);
        for (var i = 0; i < PagesPerBatch; i++)
        {
            var version = versions[first + i];
            Assert.True(result.Hits[i] == (version > 0), $"page {first + i}, version {version}: hit {result.Hits[i]}");
            if (version > 0) PoolAssertions.AssertSame(PageBytes.Random(Number(first + i, version)), pages.AsSpan(i * PoolOptions.MinPageSizeBytes, PoolOptions.MinPageSizeBytes), $"page {first + i}");
        }
    });

    /// <summary>Every number once, all over the range.</summary>
    private static uint IndexOf(int page) => unchecked((uint)page * 0x85EBCA6B);

    private static ulong Number(int page, ulong version) => ((ulong)page << 32) | version;
}
