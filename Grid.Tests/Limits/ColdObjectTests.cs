using System.Text.Json;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Limits;

/// <summary>Persistent objects whose indexes alone are too much for the node's memory.</summary>
public sealed class ColdObjectTests(ITestOutputHelper output)
{
    private const int LimitMebibytes = 64;
    private const int Objects = 60;
    private const int PagesPerObject = 10_240;
    private const int PagesPerBatch = 256;

    [Fact]
    public async Task Cold_objects_leave_when_indexes_crowd_memory_and_their_pages_come_back_exact()
    {
        await using var node = await NodeProcess.StartAsync(NodeSetup.WithMemoryLimit(LimitMebibytes), output);
        await using var client = await node.ConnectAsync();
        var pool = await client.CreatePoolAsync("cold", Kinds.Options(PoolKind.Persistent, PoolSharing.Private));
        for (var id = 0; id < Objects; id++) await FillAsync(pool, id);

        await Eventually.TrueAsync(async () => await ResidentAsync(node) < Objects * 3 / 4, "cold objects leave", TimeSpan.FromSeconds(20));
        // By far not all of them: there is room for some.
        var resident = await ResidentAsync(node);
        Assert.True(resident > Objects / 8, $"{resident} of {Objects} objects stayed: more left than had to");
        output.WriteLine($"{resident} of {Objects} objects stayed, RSS at most {node.PeakRssBytes() >> 20} MiB");

        for (var round = 0; round < 2; round++)
            for (var id = 0; id < Objects; id++)
                foreach (var index in new[] { 0, 1, PagesPerObject / 2, PagesPerObject - 1 })
                    await pool.AssertHoldsAsync(ObjectId.FromUInt64((ulong)id), IndexOf(index), PageBytes.Filled(Word(id, index)));
        await pool.AssertMissAsync(ObjectId.FromUInt64(0), IndexOf(PagesPerObject));
        Assert.True(node.PeakRssBytes() <= (LimitMebibytes + 200L) << 20, $"RSS reached {node.PeakRssBytes() >> 20} MiB under a limit of {LimitMebibytes} MiB");
    }

    private static Task FillAsync(Pool pool, int id) => Parallel.ForAsync(0, PagesPerObject / PagesPerBatch, new ParallelOptions { MaxDegreeOfParallelism = 4 }, async (number, cancellation) =>
    {
        var batch = new WriteBatch();
        for (var i = number * PagesPerBatch; i < (number + 1) * PagesPerBatch; i++) batch.Put(IndexOf(i), PageBytes.Filled(Word(id, i)));
        Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(ObjectId.FromUInt64((ulong)id), batch, cancellationToken: cancellation)).Outcome);
    });

    private static async Task<long> ResidentAsync(NodeProcess node)
    {
        var (_, body) = await node.HttpGetAsync("/api/v1/status");
        using var json = JsonDocument.Parse(body);
        return json.RootElement.GetProperty("objects").GetInt64();
    }

    private static uint IndexOf(int page) => unchecked((uint)page * 0x85EBCA6B);

    private static ulong Word(int id, int page) => ((ulong)id << 32) | (uint)page | 0x8000_0000_0000_0000;
}
