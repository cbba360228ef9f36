using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cluster;

/// <summary>The argument of docs/consistency.md, "How a cluster is formed", put to the test in simulated worlds.</summary>
public sealed class FormationSimulationTests(ITestOutputHelper output)
{
    private const int Steps = 4000;

    [Theory]
    [InlineData(2, 2, 100)]
    [InlineData(3, 2, 200)]
    [InlineData(3, 3, 100)]
    [InlineData(4, 3, 100)]
    [InlineData(5, 3, 100)]
    [InlineData(5, 5, 50)]
    public void No_cluster_is_established_beside_another_that_has_enough_live_members_and_afterwards_every_node_serves(int nodes, int needed, int worlds)
    {
        var first = Seeds.Next(output) % 1_000_000;
        var (established, beside) = (0, 0);
        for (var seed = first; seed < first + worlds; seed++)
        {
            var world = new FormationWorld(seed, nodes, needed);
            for (var step = 0; step < Steps; step++) Step(world, seed, trouble: true);
            world.Heal();
            var deadline = world.Now + TimeSpan.FromMinutes(3);
            while (!world.AllServe)
            {
                Step(world, seed, trouble: false);
                Assert.True(world.Now < deadline, $"seed {seed}: three minutes after everything was mended there are nodes that do not serve\n{world.Story}");
            }

            established += world.Established.Count;
            beside += world.Established.Count(circle => world.LiveIn(circle) > 0) - 1;
        }

        output.WriteLine($"{worlds} worlds, {nodes} nodes, {needed} needed: {established} clusters established; {beside} times two were left, the first of them with too few members to be protected");
        Assert.True(established >= worlds, "worlds without a cluster");
    }

    private static void Step(FormationWorld world, int seed, bool trouble)
    {
        world.Step(trouble);
        if (world.Breach is { } breach) Assert.Fail($"seed {seed}, {world.Now.TotalSeconds:0.00} s: {breach}\n{world.Story}");
    }
}
