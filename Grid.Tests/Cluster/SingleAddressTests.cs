using System.Buffers;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cluster;

/// <summary>Clients that can reach one node only, as through a load balancer: it forwards what it does not own. And what nodes tell clients unasked when shards move.</summary>
[Collection(SeveralNodes.Name)]
public sealed class SingleAddressTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    private const ulong Objects = 40;
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_client_of_one_address_reaches_everything_through_drain_and_kill()
    {
        await using var cluster = await ClusterOfNodes.StartAsync(server, 3, output);
        await using var everywhere = await cluster.ConnectAsync();
        // Also the registry's node is killed: its successor may come later than the usual deadline.
        await using var single = await GridClient.ConnectAsync(cluster.Nodes[0].ConnectionString(timeout: "60s") + "&single-address=true");
        foreach (var (kind, sharing) in ((PoolKind, PoolSharing)[])[(PoolKind.Ephemeral, PoolSharing.Private), (PoolKind.Ephemeral, PoolSharing.Shared), (PoolKind.Persistent, PoolSharing.Shared)])
        {
            var name = $"{kind}-{sharing}";
            var pool = await single.CreatePoolAsync(name, Kinds.Options(kind, sharing));
            for (var i = 0ul; i < Objects; i++) await DoEverythingAsync(pool, await everywhere.OpenPoolAsync(name), ObjectId.FromUInt64(i), i);
        }

        var forwarded = await cluster.Nodes[0].MetricAsync("grid_gateway_forwarded_total") ?? 0;
        output.WriteLine($"{forwarded} requests forwarded");
        Assert.True(forwarded > Objects * 3, $"{forwarded} requests were forwarded");
        Assert.Equal(0, await cluster.Nodes[1].MetricAsync("grid_gateway_forwarded_total"));
        await RefusesWhatIsWrongAsync(cluster, single);

        await using var load = await ClusterLoad.StartAsync(
            () => GridClient.ConnectAsync(cluster.Nodes[0].ConnectionString(timeout: "60s") + "&single-address=true"), clients: 1, workersPerClient: 4);
        await using var told = await GreetAsync(cluster.Nodes[0], Guid.NewGuid(), 1, single: false);
        Assert.Equal(0, await cluster.Nodes[1].TerminateAsync());
        await ToldThatAllLeftAsync(told, cluster.Nodes[1]);
        await Eventually.TrueAsync(() => load.Operations > 2000, "calls are answered", Soon);
        load.AssertNothingUnknown();
        await cluster.Nodes[2].Kill9Async();
        var pages = await single.OpenPoolAsync("Persistent-Shared");
        await Task.WhenAll(Enumerable.Range(0, (int)Objects).Select(async i => await pages.AssertHoldsAsync(ObjectId.FromUInt64((ulong)i), 9, PageBytes.Random((ulong)i))));
        await load.StopAsync();
        output.WriteLine($"{load.Operations} operations, longest call {load.Longest.TotalMilliseconds:0} ms, {load.Unknown} unknown");
        load.AssertNoFailures();
    }

    [Fact]
    public async Task Forwarded_requests_of_an_older_epoch_are_not_applied()
    {
        await using var cluster = await ClusterOfNodes.StartAsync(server, 2, output);
        await using var client = await cluster.ConnectAsync();
        var pool = await client.CreatePoolAsync("p", Kinds.Options(PoolKind.Persistent, PoolSharing.Shared));
        for (var i = 0ul; i < Objects; i++) await pool.StoreAsync(ObjectId.FromUInt64(i), 0, PageBytes.Random(i));
        var second = cluster.Nodes[1];
        ObjectId? there = null;
        await Eventually.TrueAsync(
            async () =>
            {
                var topology = await client.GetTopologyAsync();
                there = Enumerable.Range(0, (int)Objects).Select(i => (ObjectId?)ObjectId.FromUInt64((ulong)i)).FirstOrDefault(id =>
                    topology.Owners[ShardHash.ShardOf(new ObjectKey(pool.Id, id!.Value), topology.Owners.Count)] is >= 0 and var owner
                    && second.ConnectionString().Contains(topology.Nodes[owner].DataAddress, StringComparison.Ordinal));
                return there is not null;
            },
            "the second node has objects", TimeSpan.FromSeconds(60));
        var elsewhere = there!.Value;
        var session = Guid.NewGuid();
        byte[] Put(ulong page) => RawConnection.ObjectFrame(Opcode.Put, page, new ObjectRequestHead(pool.Id, elsewhere, 3, 4096), PageBytes.Random(page));

        // Through the first node, which forwards; then straight to the owner with a newer epoch: what comes through the first node from then on is old.
        await using var older = await GreetAsync(cluster.Nodes[0], session, 1, single: true);
        Assert.Equal(Status.Ok, (await AskUntilServedAsync(older, Put(11))).Header.Status);
        await using var newer = await GreetAsync(second, session, 2, single: true);
        Assert.Equal(Status.NotServing, (await older.AskAsync(Put(12))).Header.Status);
        await pool.AssertHoldsAsync(elsewhere, 3, PageBytes.Random(11));

        // And the other way: the owner never had a connection of the session, only what was forwarded for it.
        var another = Guid.NewGuid();
        await using var first = await GreetAsync(cluster.Nodes[0], another, 5, single: true);
        Assert.Equal(Status.Ok, (await AskUntilServedAsync(first, Put(13))).Header.Status);
        await using var late = await RawConnection.OpenAsync(second.Host, second.Ports.Data);
        Assert.Equal(Status.NotServing, (await late.AskAsync(RawConnection.Hello(another, 4))).Header.Status);
        await pool.AssertHoldsAsync(elsewhere, 3, PageBytes.Random(13));
    }

    /// <summary>Every operation, through the one node, and what it did, seen through all.</summary>
    private static async Task DoEverythingAsync(Pool pool, Pool seen, ObjectId id, ulong number)
    {
        await pool.StoreAsync(id, 1, PageBytes.Random(number));
        await seen.AssertHoldsAsync(id, 1, PageBytes.Random(number));
        var version = await pool.AssertHoldsAsync(id, 1, PageBytes.Random(number));
        var batch = new WriteBatch().Put(2, PageBytes.Random(number + 1)).Flush(1);
        Assert.Equal(BatchOutcome.Applied, (await pool.WriteBatchAsync(id, batch, version)).Outcome);
        Assert.Equal(BatchOutcome.ConditionFailed, (await pool.WriteBatchAsync(id, new WriteBatch().Put(1, PageBytes.Random(7)), version)).Outcome);
        await seen.AssertMissAsync(id, 1);
        var pages = new byte[2 * 4096];
        var got = await pool.GetBatchAsync(id, new uint[] { 1, 2 }, pages, GetMode.Keep);
        Assert.Equal((false, true), (got.Hits[0], got.Hits[1]));
        var listed = new List<uint>();
        await foreach (var part in pool.ListPagesAsync(id)) listed.AddRange(part.Indexes);
        Assert.Equal([2u], listed);
        Assert.True((await pool.FlushPageAsync(id, 2)).WasThere);
        Assert.False((await pool.FlushObjectAsync(id)).WasThere);
        await pool.StoreAsync(id, 9, PageBytes.Random(number));
    }

    /// <summary>What is wrong is told by the node that is asked, and the others' connections stand: what was forwarded before and comes after is answered.</summary>
    private static async Task RefusesWhatIsWrongAsync(ClusterOfNodes cluster, GridClient single)
    {
        var pool = await single.OpenPoolAsync("Persistent-Shared");
        await using var raw = await GreetAsync(cluster.Nodes[0], Guid.NewGuid(), 1, single: true);
        for (var i = 0ul; i < Objects; i++)
        {
            var head = new ObjectRequestHead(pool.Id, ObjectId.FromUInt64(i), 9, 8192);
            Assert.Equal(Status.BadArgument, (await raw.AskAsync(RawConnection.ObjectFrame(Opcode.Put, i + 1, head, new byte[8192]))).Header.Status);
            await using var broken = await GreetAsync(cluster.Nodes[0], Guid.NewGuid(), 1, single: true);
            Assert.Equal(Status.Malformed, (await broken.AskAsync(RawConnection.ObjectFrame(Opcode.Put, 1, head with { Count = 4096 }, new byte[4095]))).Header.Status);
            await pool.AssertHoldsAsync(ObjectId.FromUInt64(i), 9, PageBytes.Random(i));
        }
    }

    /// <summary>The node tells unasked, and at last that a node which has left owns nothing.</summary>
    private static async Task ToldThatAllLeftAsync(RawConnection told, NodeProcess left)
    {
        while (true)
        {
            var push = await told.ReadAsync() ?? throw new InvalidOperationException("the node closed the connection");
            Assert.Equal((Opcode.TopologyPush, 0ul), (push.Header.Opcode, push.Header.Correlation));
            var reader = new BodyReader(new ReadOnlySequence<byte>(push.Body));
            var topology = Topology.Read(ref reader);
            var at = topology.Nodes.ToList().FindIndex(node => left.ConnectionString().Contains(node.DataAddress, StringComparison.Ordinal));
            if (at < 0 || !topology.Owners.Contains(at)) return;
        }
    }

    private static async Task<RawAnswer> AskUntilServedAsync(RawConnection connection, byte[] frame)
    {
        var answer = await connection.AskAsync(frame);
        await Eventually.TrueAsync(async () => answer.Header.Status != Status.NotServing || (answer = await connection.AskAsync(frame)).Header.Status != Status.NotServing, "it is served", Soon);
        return answer;
    }

    private static async Task<RawConnection> GreetAsync(NodeProcess node, Guid session, ulong epoch, bool single)
    {
        var connection = await RawConnection.OpenAsync(node.Host, node.Ports.Data);
        var hello = new HelloRequest { Session = session, Epoch = epoch, SingleAddress = single, WantsTopology = !single, Agent = "raw test" };
        Assert.Equal(Status.Ok, (await connection.AskAsync(RawConnection.Hello(hello))).Header.Status);
        return connection;
    }
}
