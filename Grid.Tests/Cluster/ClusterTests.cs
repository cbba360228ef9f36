using System.Diagnostics;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cluster;

/// <summary>Three real nodes on one PostgreSQL: objects on all of them, nodes killed, stopped, paused and restarted under load.</summary>
[Collection(SeveralNodes.Name)]
public sealed class ClusterTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    private static readonly TimeSpan ServedAgain = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Objects_spread_over_all_nodes_and_every_node_leads_to_them()
    {
        await using var cluster = await ClusterOfNodes.StartAsync(server, 3, output);
        await using var client = await cluster.ConnectAsync();
        var pool = await client.CreatePoolAsync("p", new PoolOptions { Kind = PoolKind.Ephemeral, Sharing = PoolSharing.Shared });
        for (var i = 0ul; i < 200; i++) await pool.StoreAsync(ObjectId.FromUInt64(i), 0, PageBytes.Random(i));
        foreach (var node in cluster.Nodes)
        {
            await using var other = await node.ConnectAsync();
            var same = await other.OpenPoolAsync("p");
            for (var i = 0ul; i < 200; i++) await same.AssertHoldsAsync(ObjectId.FromUInt64(i), 0, PageBytes.Random(i));
            Assert.InRange(await node.MetricAsync("grid_objects") ?? 0, 20, 140);
        }

        // Pages went over the data plane only: what the nodes told each other is small.
        foreach (var node in cluster.Nodes)
        {
            Assert.Equal(0, await node.MetricAsync("grid_cluster_page_bytes_total"));
            Assert.Equal(0, await node.MetricAsync("grid_cluster_refused_total"));
            Assert.InRange(await node.MetricAsync("grid_cluster_message_bytes_total") ?? 0, 1, 200_000);
        }
    }

    [Fact]
    public async Task A_killed_node_s_objects_are_served_by_the_others_and_it_comes_back()
    {
        await using var cluster = await ClusterOfNodes.StartAsync(server, 3, output);
        await using var load = await ClusterLoad.StartAsync(cluster, clients: 2, workersPerClient: 4);
        await using var client = await cluster.ConnectAsync(timeout: "60s");
        var pool = await client.CreatePoolAsync("kept", new PoolOptions { Kind = PoolKind.Persistent });
        for (var i = 0ul; i < 100; i++) await pool.StoreAsync(ObjectId.FromUInt64(i), 0, PageBytes.Random(i));
        for (var victim = 0; victim < 2; victim++)
        {
            var clock = Stopwatch.StartNew();
            await cluster.Nodes[victim].Kill9Async();
            await Task.WhenAll(Enumerable.Range(0, 100).Select(async i => await pool.AssertHoldsAsync(ObjectId.FromUInt64((ulong)i), 0, PageBytes.Random((ulong)i))));
            output.WriteLine($"node {victim + 1} killed: everything answered after {clock.Elapsed.TotalSeconds:0.0} s");
            Assert.True(clock.Elapsed < ServedAgain, $"served again only after {clock.Elapsed}");
            await cluster.Nodes[victim].RestartAsync();
            await cluster.AllSeeAsync(3);
            output.WriteLine($"back as a member after {clock.Elapsed.TotalSeconds:0.0} s");
        }

        await load.StopAsync();
        output.WriteLine($"{load.Operations} operations, {load.Unknown} unknown");
        load.AssertNoFailures();
    }

    [Fact]
    public async Task A_rolling_restart_under_load_fails_no_operation()
    {
        await using var cluster = await ClusterOfNodes.StartAsync(server, 3, output);
        await using var load = await ClusterLoad.StartAsync(cluster, clients: 2, workersPerClient: 4);
        foreach (var node in cluster.Nodes.Reverse())
        {
            load.ResetLongest();
            var clock = Stopwatch.StartNew();
            Assert.Equal(0, await node.TerminateAsync());
            output.WriteLine($"stopped after {clock.Elapsed.TotalSeconds:0.0} s, longest call {load.Longest.TotalMilliseconds:0} ms");
            load.ResetLongest();
            await node.RestartAsync();
            await cluster.AllSeeAsync(3);
            output.WriteLine($"back after {clock.Elapsed.TotalSeconds:0.0} s, longest call {load.Longest.TotalMilliseconds:0} ms");
        }

        await load.StopAsync();
        output.WriteLine($"{load.Operations} operations, {load.Unknown} unknown, ephemeral hit rate {load.HitRate:0.000}");
        load.AssertNoFailures();
        load.AssertNothingUnknown();
    }

    /// <summary>Longer than the serving lease, shorter than it takes to be missed: nobody has taken anything over.</summary>
    [Fact]
    public async Task A_node_that_stood_still_for_a_moment_goes_on_and_leaves_no_outcome_unknown()
    {
        await using var cluster = await ClusterOfNodes.StartAsync(server, 3, output);
        await using var load = await ClusterLoad.StartAsync(cluster, clients: 2, workersPerClient: 6);
        await Eventually.TrueAsync(() => load.Operations > 2000, "calls are answered", ServedAgain);
        foreach (var node in cluster.Nodes)
        {
            await node.PauseAsync();
            await Task.Delay(2300);
            node.Continue();
            var before = load.Operations;
            await Eventually.TrueAsync(() => load.Operations > before + 2000, "calls are answered", ServedAgain);
        }

        await load.StopAsync();
        output.WriteLine($"{load.Operations} operations, longest call {load.Longest.TotalMilliseconds:0} ms");
        load.AssertNoFailures();
        load.AssertNothingUnknown();
    }

    [Fact]
    public async Task A_node_that_was_paused_while_others_took_over_answers_nothing_old()
    {
        await using var cluster = await ClusterOfNodes.StartAsync(server, 3, output);
        await using var client = await cluster.ConnectAsync(timeout: "60s");
        foreach (var kind in (PoolKind[])[PoolKind.Ephemeral, PoolKind.Persistent])
        {
            var pool = await client.CreatePoolAsync($"paused-{kind}", new PoolOptions { Kind = kind, Sharing = PoolSharing.Shared });
            for (var i = 0ul; i < 60; i++) await pool.StoreAsync(ObjectId.FromUInt64(i), 0, PageBytes.Random(1000 + i));
        }

        var paused = cluster.Nodes[2];
        await using var direct = await GridClient.ConnectAsync(paused.ConnectionString(timeout: "5s") + "&single-address=true");
        Pool[] direct2 = [await direct.OpenPoolAsync("paused-Ephemeral"), await direct.OpenPoolAsync("paused-Persistent")];
        await paused.PauseAsync();
        foreach (var kind in (PoolKind[])[PoolKind.Ephemeral, PoolKind.Persistent])
        {
            var pool = await client.OpenPoolAsync($"paused-{kind}");
            // What was sent to the paused node has an unknown outcome when its connection ends: put again.
            await Task.WhenAll(Enumerable.Range(0, 60).Select(async i =>
                Assert.True((await pool.PutAsync(ObjectId.FromUInt64((ulong)i), 0, PageBytes.Random(2000 + (ulong)i), new CallOptions { AtLeastOnce = true })).Stored)));
        }

        // Requests that wait for it when it wakes, believing that it still owns what it owned.
        var gets = (from pool in direct2 from i in Enumerable.Range(0, 60) select ReadAsync(pool, (ulong)i)).ToArray();
        paused.Continue();
        var old = 0;
        foreach (var got in await Task.WhenAll(gets))
            if (got is { } number && number is >= 1000 and < 2000) old++;
        Assert.Equal(0, old);
    }

    /// <summary>The number of the page that is there; null: a miss or no answer, which is no lie.</summary>
    private static async Task<ulong?> ReadAsync(Pool pool, ulong id)
    {
        try
        {
            var (hit, page, _) = await pool.ReadAsync(ObjectId.FromUInt64(id), 0);
            return hit ? PageBytes.NumberOf(page) : null;
        }
        catch (GridException)
        {
            return null;
        }
    }
}
