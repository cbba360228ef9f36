using System.Globalization;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Limits;

/// <summary>
/// A node fed four times its memory. The limit is 256 MiB; <c>GRID_TEST_LIMIT_MIB=1024</c> runs the same with 1 GiB and 4 GiB of pages.
/// </summary>
public sealed class MemoryLimitTests(ITestOutputHelper output)
{
    private const int PagesPerBatch = 256;
    private const int PageBytesEach = PoolOptions.MinPageSizeBytes;

    private static readonly int LimitMebibytes = int.Parse(Environment.GetEnvironmentVariable("GRID_TEST_LIMIT_MIB") ?? "256", CultureInfo.InvariantCulture);

    [Fact]
    public async Task A_node_fed_four_times_its_limit_of_ephemeral_pages_keeps_serving_within_it_and_recent_pages_hit()
    {
        await using var node = await NodeProcess.StartAsync(NodeSetup.WithMemoryLimit(LimitMebibytes), output);
        await using var client = await node.ConnectAsync();
        var pool = await client.CreatePoolAsync("flood", Kinds.Options(PoolKind.Ephemeral, PoolSharing.Shared));
        var batches = LimitMebibytes * 4L * 1024 * 1024 / PagesPerBatch / PageBytesEach;
        await Parallel.ForAsync(0L, batches, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (number, _) =>
        {
            var result = await WriteAsync(pool, number);
            Assert.True(result.Outcome == BatchOutcome.Applied, $"batch {number}: {result}");
        });
        AssertWithinLimit(node);

        var hits = new long[batches];
        await Parallel.ForAsync(0L, batches, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (number, _) => hits[number] = await CheckAsync(pool, number));
        var recent = batches / 16;
        var recentShare = hits[^(int)recent..].Sum() / (double)(recent * PagesPerBatch);
        var share = hits.Sum() / (double)(batches * PagesPerBatch);
        output.WriteLine($"RSS at most {node.PeakRssBytes() >> 20} MiB; {share:p1} of all pages are there, {recentShare:p1} of the last sixteenth");
        Assert.True(recentShare > 0.95, $"only {recentShare:p1} of the most recent pages hit");
        Assert.True(share > 0.1, $"only {share:p1} of all pages are there: the node does not use its memory");
        Assert.True((await client.StatPoolAsync("flood")).Evictions > 0);
        AssertWithinLimit(node);
    }

    [Fact]
    public async Task A_persistent_pool_fed_beyond_its_quota_refuses_and_every_acknowledged_page_is_exact_also_after_a_kill()
    {
        await using var node = await NodeProcess.StartAsync(NodeSetup.WithMemoryLimit(LimitMebibytes), output);
        var quota = (ulong)LimitMebibytes * 1024 * 1024 / 4 / PageBytesEach;
        var batches = (long)(quota * 4) / PagesPerBatch;
        var acknowledged = new bool[batches];
        await using (var client = await node.ConnectAsync())
        {
            var pool = await client.CreatePoolAsync("vault", Kinds.Options(PoolKind.Persistent, PoolSharing.Private) with { QuotaPages = quota });
            await Parallel.ForAsync(0L, batches, new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (number, _) =>
            {
                var result = await WriteAsync(pool, number);
                Assert.True(result.Outcome == BatchOutcome.Applied || result.Reason == RefusalReason.Quota, $"batch {number}: {result}");
                acknowledged[number] = result.Outcome == BatchOutcome.Applied;
            });
            Assert.Equal((long)quota / PagesPerBatch, acknowledged.Count(stored => stored));
            await CheckAllAsync(pool, acknowledged);
            AssertWithinLimit(node);
        }

        await node.Kill9Async();
        await node.RestartAsync();
        await using var again = await node.ConnectAsync();
        await CheckAllAsync(await again.OpenPoolAsync("vault"), acknowledged);
        AssertWithinLimit(node);
    }

    [Fact]
    public async Task A_persistent_pool_larger_than_memory_is_kept_whole_and_exact()
    {
        const int SmallLimitMebibytes = 64;
        await using var node = await NodeProcess.StartAsync(NodeSetup.WithMemoryLimit(SmallLimitMebibytes), output);
        await using var client = await node.ConnectAsync();
        var pool = await client.CreatePoolAsync("archive", Kinds.Options(PoolKind.Persistent, PoolSharing.Shared));
        var batches = SmallLimitMebibytes * 2L * 1024 * 1024 / PagesPerBatch / PageBytesEach;
        var acknowledged = new bool[batches];
        for (var number = 0L; number < batches; number++)
        {
            var result = await WriteAsync(pool, number);
            Assert.True(result.Outcome == BatchOutcome.Applied || result.Reason == RefusalReason.Capacity, $"batch {number}: {result}");
            acknowledged[number] = result.Outcome == BatchOutcome.Applied;
        }

        output.WriteLine($"{acknowledged.Count(stored => stored)} of {batches} batches stored; RSS at most {node.PeakRssBytes() >> 20} MiB");
        // Its journal has the cold ones: memory alone refuses nothing that can be dropped from it.
        Assert.True(acknowledged.Count(stored => stored) > batches * 3 / 4);
        await CheckAllAsync(pool, acknowledged);
    }

    private static ObjectId IdOf(long batch) => ObjectId.FromUInt64((ulong)batch);

    private static ValueTask<WriteBatchResult> WriteAsync(Pool pool, long number)
    {
        var batch = new WriteBatch();
        for (var i = 0u; i < PagesPerBatch; i++) batch.Put(i, PageBytes.Random(((ulong)number * PagesPerBatch) + i));
        return pool.WriteBatchAsync(IdOf(number), batch);
    }

    private static Task CheckAllAsync(Pool pool, bool[] acknowledged) =>
        Parallel.ForAsync(0L, acknowledged.Length, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (number, _) =>
        {
            var hits = await CheckAsync(pool, number);
            Assert.True(hits == (acknowledged[number] ? PagesPerBatch : 0), $"batch {number}, stored {acknowledged[number]}: {hits} of {PagesPerBatch} pages hit");
        });

    /// <summary>How many pages of a batch are there; each of them must be exact.</summary>
    private static async Task<int> CheckAsync(Pool pool, long number)
    {
        var indexes = Enumerable.Range(0, PagesPerBatch).Select(i => (uint)i).ToArray();
        var pages = new byte[PagesPerBatch * PageBytesEach];
        var result = await pool.GetBatchAsync(IdOf(number), indexes, pages, GetMode.Keep);
        for (var i = 0; i < PagesPerBatch; i++)
        {
            if (!result.Hits[i]) continue;
            PoolAssertions.AssertSame(PageBytes.Random(((ulong)number * PagesPerBatch) + (ulong)i), pages.AsSpan(i * PageBytesEach, PageBytesEach), $"batch {number} page {i}");
        }

        return result.Hits.Count;
    }

    private static void AssertWithinLimit(NodeProcess node) => Assert.True(
        node.PeakRssBytes() <= (LimitMebibytes + 150L) << 20, $"RSS reached {node.PeakRssBytes() >> 20} MiB under a limit of {LimitMebibytes} MiB");
}
