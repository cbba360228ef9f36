using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cluster;

/// <summary>Nodes and clients of the previous protocol version beside those of this one: what both know works between all of them, and nodes are upgraded one after the other under load.</summary>
[Collection(SeveralNodes.Name)]
public sealed class MixedVersionTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    private const ushort Previous = ProtocolLimits.MaxVersion - 1;

    [Fact]
    public async Task Nodes_are_upgraded_one_after_the_other_while_old_and_new_clients_work()
    {
        await using var cluster = await ClusterOfNodes.StartAsync(server, 2, output, setup => setup.With("grid.gateway.newest-protocol", $"{Previous}"));
        await using var oldClients = await StartLoadAsync(cluster, Previous, "old");
        await using var newClients = await StartLoadAsync(cluster, ProtocolLimits.MaxVersion, "new");
        for (var upgraded = 1; upgraded <= 2; upgraded++)
        {
            var node = cluster.Nodes[upgraded - 1];
            Assert.Equal(0, await node.TerminateAsync());
            await node.RestartAsync(cluster.SetupOf(upgraded));
            await cluster.AllSeeAsync(2);
            if (upgraded == 1) await CheckMixedAsync(cluster);
        }

        foreach (var load in (ClusterLoad[])[oldClients, newClients])
        {
            await load.StopAsync();
            output.WriteLine($"{load.Operations} operations, longest call {load.Longest.TotalMilliseconds:0} ms, {load.Unknown} unknown");
            load.AssertNoFailures();
            load.AssertNothingUnknown();
            Assert.True(load.Operations > 1000, $"{load.Operations} operations are no load");
        }

        await using var single = await GridClient.ConnectAsync(cluster.Nodes[0].ConnectionString() + "&single-address=true");
        Assert.Equal(ProtocolLimits.MaxVersion, single.Server.Version);
        var pool = await single.CreatePoolAsync("single", Kinds.Options(PoolKind.Ephemeral, PoolSharing.Shared));
        for (var i = 0ul; i < 30; i++) await pool.StoreAsync(ObjectId.FromUInt64(i), 0, PageBytes.Random(i));
    }

    /// <summary>Each client speaks with each node what both know; what the old node cannot do is said so.</summary>
    private static async Task CheckMixedAsync(ClusterOfNodes cluster)
    {
        foreach (var (node, newest) in ((int, ushort)[])[(0, ProtocolLimits.MaxVersion), (1, Previous)])
        {
            foreach (var offered in (ushort[])[Previous, ProtocolLimits.MaxVersion])
            {
                await using var client = await GridClient.ConnectAsync(GridClientOptions.Parse(cluster.Nodes[node].ConnectionString()) with { NewestVersion = offered });
                Assert.Equal(Math.Min(newest, offered), client.Server.Version);
            }
        }

        await using var single = await GridClient.ConnectAsync(cluster.Nodes[0].ConnectionString(timeout: "2s") + "&single-address=true");
        var pool = await single.CreatePoolAsync("mixed", Kinds.Options(PoolKind.Ephemeral, PoolSharing.Shared));
        var refused = new List<GridException>();
        for (var i = 0ul; i < 12; i++)
        {
            try
            {
                await pool.StoreAsync(ObjectId.FromUInt64(i), 0, PageBytes.Random(i));
            }
            catch (GridException failure)
            {
                refused.Add(failure);
            }
        }

        Assert.InRange(refused.Count, 1, 11);
        Assert.All(refused, failure => Assert.Equal(CallOutcome.NotApplied, failure.Outcome));
        Assert.All(refused, failure => Assert.Contains($"protocol version {Previous}", failure.Message, StringComparison.Ordinal));
    }

    private static Task<ClusterLoad> StartLoadAsync(ClusterOfNodes cluster, ushort newest, string pools) =>
        ClusterLoad.StartAsync(() => GridClient.ConnectAsync(GridClientOptions.Parse(cluster.ConnectionString()) with { NewestVersion = newest }), clients: 1, workersPerClient: 4, pools);
}
