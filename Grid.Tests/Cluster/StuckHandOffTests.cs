using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;
using ExitCodes = Grid.Node.Hosting.ExitCodes;

namespace Grid.Tests.Cluster;

/// <summary>A hand-off wants every node's word, and one does not give it.</summary>
[Collection(SeveralNodes.Name)]
public sealed class StuckHandOffTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    private const int Objects = 64;
    private const int Enough = 4;

    [Fact]
    public async Task A_node_that_stops_while_another_hangs_answers_what_it_has_begun()
    {
        // The one that hangs is not noticed before the other has stopped, which takes shorter than it would.
        await using var cluster = await ClusterOfNodes.StartAsync(server, 3, output, setup => setup
            .With("akka.cluster.failure-detector.acceptable-heartbeat-pause", "60s")
            .With("akka.cluster.sharding.handoff-timeout", "8s")
            .With("akka.coordinated-shutdown.phases.cluster-sharding-shutdown-region.timeout", "10s")
            .With("grid.stop.timeout", "16s"));
        var (stopping, hanging) = (cluster.Nodes[1], cluster.Nodes[2]);
        await using var client = await cluster.ConnectAsync(timeout: "60s");
        var pool = await client.CreatePoolAsync("p", Kinds.Options(PoolKind.Persistent, PoolSharing.Private));
        for (var i = 0ul; i < Objects; i++) await pool.StoreAsync(ObjectId.FromUInt64(i), 0, PageBytes.Random(i));
        ObjectId[] there = [];
        await Eventually.TrueAsync(async () => (there = await ObjectsOfAsync(client, pool, stopping)).Length >= Enough, "the second node has objects", TimeSpan.FromSeconds(60));

        using var stop = new CancellationTokenSource();
        var writers = there.Select(id => WriteAsync(pool, id, stop.Token)).ToArray();
        await hanging.PauseAsync();
        try
        {
            // It is cut at grid.stop.timeout: its leaving wants every node's word as well.
            Assert.Equal(ExitCodes.Failure, await stopping.TerminateAsync(TimeSpan.FromSeconds(30)));
        }
        finally
        {
            hanging.Continue();
            await stop.CancelAsync();
        }

        var ended = await Task.WhenAll(writers);
        output.WriteLine($"{there.Length} objects, {ended.Sum(end => end.Writes)} writes");
        Assert.True(ended.Sum(end => end.Writes) > 100, "hardly anything was written");
        Assert.All(ended, end => Assert.Null(end.Unknown));
    }

    private static async Task<ObjectId[]> ObjectsOfAsync(GridClient client, Pool pool, NodeProcess node)
    {
        var topology = await client.GetTopologyAsync();
        return [.. Enumerable.Range(0, Objects).Select(i => ObjectId.FromUInt64((ulong)i)).Where(id =>
            topology.Owners[ShardHash.ShardOf(new ObjectKey(pool.Id, id), topology.Owners.Count)] is >= 0 and var owner
            && node.ConnectionString().Contains(topology.Nodes[owner].DataAddress, StringComparison.Ordinal))];
    }

    /// <summary>One write after the other; ends with the first whose outcome is unknown.</summary>
    private static async Task<(int Writes, OutcomeUnknownException? Unknown)> WriteAsync(Pool pool, ObjectId id, CancellationToken stop)
    {
        await Task.Yield();
        var writes = 0;
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await pool.PutAsync(id, 1, PageBytes.Random((ulong)writes), cancellationToken: CancellationToken.None);
                writes++;
            }
            catch (OutcomeUnknownException unknown)
            {
                return (writes, unknown);
            }
            catch (GridException e) when (e.Outcome == CallOutcome.NotApplied)
            {
                // Nobody has the object for now.
            }
        }

        return (writes, null);
    }
}
