using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Client.Support;
using Xunit;

namespace Grid.Tests.Client;

/// <summary>Every operation against a node that keeps the protocol.</summary>
public sealed class RoundTripTests : ClientTest
{
    [Fact]
    public async Task Put_get_and_flush_return_what_the_node_answered()
    {
        var pool = await PoolAsync(StartNode());
        var page = Pages.Random(1);
        var buffer = Pages.Filled(0xEE);

        Assert.Equal(new GetResult(false, new ObjectVersion(7, 0)), await pool.GetAsync(Object, 3, buffer));
        Assert.Equal(Pages.Filled(0xEE), buffer);
        Assert.Equal(new PutResult(PutOutcome.Stored, RefusalReason.None, new ObjectVersion(7, 1)), await pool.PutAsync(Object, 3, page));
        Assert.Equal(new GetResult(true, new ObjectVersion(7, 1)), await pool.GetAsync(Object, 3, buffer));
        Assert.Equal(page, buffer);
        Assert.True((await pool.GetAsync(Object, 3, buffer, GetMode.Take)).Hit);
        Assert.False((await pool.GetAsync(Object, 3, buffer, GetMode.Keep)).Hit);
        Assert.False((await pool.FlushPageAsync(Object, 3)).WasThere);
        await pool.PutAsync(Object, 3, page);
        Assert.True((await pool.FlushPageAsync(Object, 3)).WasThere);
        await pool.PutAsync(Object, uint.MaxValue, page);
        Assert.True((await pool.FlushObjectAsync(Object)).WasThere);
        Assert.False((await pool.FlushObjectAsync(Object)).WasThere);
    }

    [Fact]
    public async Task A_refused_put_is_an_answer_with_its_reason()
    {
        var node = StartNode();
        var client = await ConnectAsync(node);
        var pool = await client.CreatePoolAsync("cold", Keeping);
        Assert.True((await client.FreezePoolAsync("cold")).Frozen);
        var result = await pool.PutAsync(Object, 0, Pages.Random(1));
        Assert.Equal((false, PutOutcome.Refused, RefusalReason.Frozen), (result.Stored, result.Outcome, result.Reason));
        Assert.False((await client.ThawPoolAsync("cold")).Frozen);
        Assert.True((await pool.PutAsync(Object, 0, Pages.Random(1))).Stored);
    }

    [Theory]
    [InlineData(4096, 256)]
    [InlineData(65536, 16)]
    public async Task The_largest_batches_go_there_and_back(int pageSizeBytes, int entries)
    {
        var client = await ConnectAsync(StartNode());
        var pool = await client.CreatePoolAsync("big", Keeping with { PageSizeBytes = pageSizeBytes });
        var batch = new WriteBatch();
        for (var i = 0; i < entries; i++) batch.Put((uint)i * 3, Pages.Random(i, pageSizeBytes));
        var written = await pool.WriteBatchAsync(Object, batch);
        Assert.Equal((BatchOutcome.Applied, 0), (written.Outcome, written.Existed.Count));

        var indexes = Enumerable.Range(0, entries).Select(i => (uint)i * 3).Reverse().ToArray();
        var buffer = new byte[entries * pageSizeBytes];
        var read = await pool.GetBatchAsync(Object, indexes, buffer);
        Assert.Equal((BatchOutcome.Applied, entries), (read.Outcome, read.Hits.Count));
        for (var i = 0; i < entries; i++)
            Assert.Equal(Pages.Random((int)indexes[i] / 3, pageSizeBytes), buffer.AsSpan(i * pageSizeBytes, pageSizeBytes).ToArray());
    }

    [Fact]
    public async Task A_batch_says_per_entry_what_was_there_and_leaves_the_places_of_misses_alone()
    {
        var pool = await PoolAsync(StartNode());
        await pool.PutAsync(Object, 2, Pages.Random(2));
        var batch = new WriteBatch().Put(1, Pages.Random(1)).Flush(2).Flush(9);
        var written = await pool.WriteBatchAsync(Object, batch);
        Assert.Equal([false, true, false], [written.Existed[0], written.Existed[1], written.Existed[2]]);

        var buffer = Pages.Filled(0xEE, 3 * 4096);
        var read = await pool.GetBatchAsync(Object, new uint[] { 9, 1, 2 }, buffer);
        Assert.Equal([false, true, false], [read.Hits[0], read.Hits[1], read.Hits[2]]);
        Assert.Equal([.. Pages.Filled(0xEE), .. Pages.Random(1), .. Pages.Filled(0xEE)], buffer);

        batch.Clear();
        Assert.Equal(0, batch.Count);
        written = await pool.WriteBatchAsync(Object, batch.Put(1, Pages.Random(3)));
        Assert.True(written.Existed[0]);
    }

    [Fact]
    public async Task A_condition_travels_with_its_version()
    {
        var pool = await PoolAsync(StartNode());
        var version = (await pool.PutAsync(Object, 1, Pages.Random(1))).Version;
        var batch = new WriteBatch().Put(1, Pages.Random(2));
        var applied = await pool.WriteBatchAsync(Object, batch, onlyIf: version);
        Assert.Equal(BatchOutcome.Applied, applied.Outcome);
        Assert.Equal(BatchOutcome.ConditionFailed, (await pool.WriteBatchAsync(Object, batch, onlyIf: version)).Outcome);
        Assert.Equal(BatchOutcome.ConditionFailed, (await pool.GetBatchAsync(Object, new uint[] { 1 }, new byte[4096], onlyIf: version)).Outcome);
        Assert.Equal(BatchOutcome.Applied, (await pool.GetBatchAsync(Object, new uint[] { 1 }, new byte[4096], onlyIf: applied.Version)).Outcome);
    }

    [Fact]
    public async Task Pools_are_created_opened_listed_counted_and_destroyed()
    {
        var node = StartNode();
        var client = await ConnectAsync(node);
        var options = new PoolOptions { Kind = PoolKind.Persistent, PageSizeBytes = 8192, Compression = PageCompression.Zstd, QuotaPages = 10 };
        var pool = await client.CreatePoolAsync("vault", options);
        Assert.Equal(("vault", 8192, options), (pool.Name, pool.PageSizeBytes, pool.Info.Options));
        await Assert.ThrowsAsync<PoolExistsException>(async () => await client.CreatePoolAsync("vault", options));
        Assert.Equal(pool.Id, (await client.OpenPoolAsync("vault")).Id);
        Assert.Equal([pool.Info], await client.ListPoolsAsync());
        Assert.Equal(pool.Info, (await client.StatPoolAsync("vault")).Pool);
        Assert.True(await client.DestroyPoolAsync("vault"));
        await Assert.ThrowsAsync<NoSuchPoolException>(async () => await client.OpenPoolAsync("vault"));
    }

    [Fact]
    public async Task A_destroy_that_is_not_confirmed_everywhere_says_so()
    {
        var node = StartNode();
        var client = await ConnectAsync(node);
        node.Script = async request =>
        {
            if (request.Opcode != Opcode.PoolDestroy) return false;
            await request.AnswerAsync(Status.InProgress, default);
            return true;
        };
        Assert.False(await client.DestroyPoolAsync("vault"));
    }

    [Fact]
    public async Task Ping_topology_and_echo_answer()
    {
        var node = StartNode();
        node.Grid.Topology = new Topology([new TopologyNode("n", node.Address, "up")], new int[128]);
        var client = await ConnectAsync(node);
        Assert.True(await client.PingAsync() > TimeSpan.Zero);
        Assert.Equal(node.Address, (await client.GetTopologyAsync()).Nodes[0].DataAddress);
        Assert.Equal(4096, await client.EchoAsync(new byte[4096]));
        Assert.Equal("scripted", client.Server.NodeName);
    }

    [Fact]
    public async Task Answers_out_of_order_find_their_calls()
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        for (var i = 0; i < 32; i++) await pool.PutAsync(Object, (uint)i, Pages.Random(i));
        var held = new Held(node, Opcode.Get);
        var buffers = Enumerable.Range(0, 32).Select(_ => new byte[4096]).ToArray();
        var gets = buffers.Select((buffer, i) => pool.GetAsync(Object, (uint)i, buffer).AsTask()).ToArray();
        await Until(() => held.Count == 32, "all gets to arrive");
        var requests = held.Take().ToArray();
        new Random(3).Shuffle(requests);
        foreach (var request in requests) await request.ServeAsync();
        foreach (var get in gets) Assert.True((await get).Hit);
        for (var i = 0; i < 32; i++) Assert.Equal(Pages.Random(i), buffers[i]);
    }
}
