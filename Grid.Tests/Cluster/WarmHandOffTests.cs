using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cluster;

/// <summary>Ephemeral pages move with their objects when a node leaves, and nothing that was changed comes back.</summary>
[Collection(SeveralNodes.Name)]
public sealed class WarmHandOffTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    private const int Objects = 400;
    private const uint PagesPerObject = 16;

    [Fact]
    public async Task A_rolling_restart_keeps_nine_tenths_of_the_ephemeral_pages()
    {
        await using var cluster = await ClusterOfNodes.StartAsync(server, 3, output);
        await using var client = await cluster.ConnectAsync();
        var pool = await client.CreatePoolAsync("warm", new PoolOptions { Kind = PoolKind.Ephemeral, Sharing = PoolSharing.Shared });
        for (var id = 0ul; id < Objects; id++) await PutAllAsync(pool, id, 0);
        foreach (var node in cluster.Nodes)
        {
            Assert.Equal(0, await node.TerminateAsync());
            await node.RestartAsync();
            await cluster.AllSeeAsync(3);
        }

        var (hits, misses) = (0, 0);
        for (var id = 0ul; id < Objects; id++)
            for (var index = 0u; index < PagesPerObject; index++)
            {
                var (hit, page, _) = await pool.ReadAsync(ObjectId.FromUInt64(id), index);
                if (hit) PoolAssertions.AssertSame(Page(id, index, 0), page, $"{id}/{index}");
                if (hit) hits++;
                else misses++;
            }

        output.WriteLine($"hits {hits}, misses {misses}: {100.0 * hits / (hits + misses):0.0} %");
        Assert.True(hits >= 0.9 * (hits + misses), $"only {hits} of {hits + misses} pages moved along");
    }

    [Fact]
    public async Task What_is_flushed_taken_or_overwritten_while_nodes_come_and_go_does_not_come_back()
    {
        await using var cluster = await ClusterOfNodes.StartAsync(server, 3, output);
        await using var client = await cluster.ConnectAsync();
        var pool = await client.CreatePoolAsync("warm", new PoolOptions { Kind = PoolKind.Ephemeral, Sharing = PoolSharing.Shared });
        using var stop = new CancellationTokenSource();
        var seed = Seeds.Next(output);
        var workers = Enumerable.Range(0, 6).Select(worker => Task.Run(() => ChangeAsync(pool, (ulong)worker, new Random(seed + worker), stop.Token))).ToArray();
        foreach (var node in cluster.Nodes)
        {
            Assert.Equal(0, await node.TerminateAsync());
            await node.RestartAsync();
            await cluster.AllSeeAsync(3);
        }

        await stop.CancelAsync();
        var sums = await Task.WhenAll(workers);
        output.WriteLine($"{sums.Sum(sum => sum.Operations)} operations, {sums.Sum(sum => sum.Hits)} hits, {sums.Sum(sum => sum.Lost)} pages lost");
        Assert.True(sums.Sum(sum => sum.Hits) > 100);
    }

    /// <summary>One worker's objects: what it knows of each page is the last value, or that it is gone; a page may vanish, never come back or be older.</summary>
    private static async Task<(int Operations, int Hits, int Lost)> ChangeAsync(Pool pool, ulong worker, Random random, CancellationToken stop)
    {
        const uint Pages = 4;
        var known = new Dictionary<(ulong Id, uint Index), ulong>();
        var (operations, hits, lost) = (0, 0, 0);
        for (var number = 1ul; !stop.IsCancellationRequested; number++, operations++)
        {
            var (id, index) = ((ulong)random.Next(60), (uint)random.Next((int)Pages));
            var objectId = new ObjectId(worker, id, 99);
            switch (random.Next(8))
            {
                case 0 or 1 or 2:
                    await pool.StoreAsync(objectId, index, PageBytes.Random((worker << 40) + number));
                    known[(id, index)] = (worker << 40) + number;
                    break;
                case 3:
                    await pool.FlushPageAsync(objectId, index, cancellationToken: CancellationToken.None);
                    known.Remove((id, index));
                    break;
                case 4 when random.Next(10) == 0:
                    await pool.FlushObjectAsync(objectId, cancellationToken: CancellationToken.None);
                    for (var i = 0u; i < Pages; i++) known.Remove((id, i));
                    break;
                default:
                    var takes = random.Next(4) == 0;
                    var (hit, page, _) = await pool.ReadAsync(objectId, index, takes ? GetMode.Take : GetMode.Keep);
                    var expected = known.GetValueOrDefault((id, index));
                    if (hit) Assert.True(expected == PageBytes.NumberOf(page), $"{worker}/{id}/{index}: got {PageBytes.NumberOf(page):x}, the newest is {expected:x}");
                    else if (expected != 0) lost++;
                    if (hit) hits++;
                    if (!hit || takes) known.Remove((id, index));
                    break;
            }
        }

        return (operations, hits, lost);
    }

    private static byte[] Page(ulong id, uint index, ulong version) => PageBytes.Random((id << 20) + (index << 8) + version);

    private static async Task PutAllAsync(Pool pool, ulong id, ulong version)
    {
        var batch = new WriteBatch();
        for (var index = 0u; index < PagesPerObject; index++) batch.Put(index, Page(id, index, version));
        Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(ObjectId.FromUInt64(id), batch)).Outcome);
    }
}
