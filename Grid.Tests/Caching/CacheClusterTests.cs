using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Caching;

/// <summary>Caches on three nodes, of which one is killed and another stopped while programs store, read and remove values of all sizes: what docs/caching.md says of that.</summary>
[Collection(SeveralNodes.Name)]
public sealed class CacheClusterTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    private static readonly TimeSpan AnswersAgain = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Values_are_whole_and_as_new_as_what_was_acknowledged_whatever_becomes_of_nodes()
    {
        var seed = Seeds.Next(output);
        await using var cluster = await ClusterOfNodes.StartAsync(server, 3, output, setup => setup.With("grid.stop.timeout", "30s"));
        await using var ephemeral = CacheLoad.Start(cluster.ConnectionString(timeout: "10s"), PoolKind.Ephemeral, seed);
        await using var persistent = CacheLoad.Start(cluster.ConnectionString(timeout: "10s"), PoolKind.Persistent, seed);
        CacheLoad[] loads = [ephemeral, persistent];

        // Which of them a fault hits follows from the seed too.
        var killed = new Random(seed).Next(3);
        await GoOnAsync(loads, "all nodes");
        await cluster.Nodes[killed].Kill9Async();
        await GoOnAsync(loads, "one killed");
        await cluster.Nodes[killed].RestartAsync();
        await cluster.AllSeeAsync(3);
        Assert.Equal(0, await cluster.Nodes[(killed + 1) % 3].TerminateAsync());
        await GoOnAsync(loads, "one stopped");

        foreach (var load in loads)
        {
            await load.StopAsync();
            output.WriteLine(load.ToString());
        }

        foreach (var load in loads) load.AssertKept();
    }

    /// <summary>Returns once every part of the caches answers, and their callers have been answered so often again.</summary>
    private async Task GoOnAsync(CacheLoad[] loads, string run)
    {
        await Task.WhenAll(loads.Select(async load =>
        {
            var answered = await load.AnswersAsync(run, AnswersAgain);
            output.WriteLine($"{run}: all of the {load.Kind} cache answered after {answered.TotalSeconds:0.0} s");
            var before = load.Calls;
            await Eventually.TrueAsync(() => load.Calls > before + 100, $"calls of the {load.Kind} cache are answered ({run})", AnswersAgain);
        }));
    }
}
