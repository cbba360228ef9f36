using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cluster;

/// <summary>The argument of docs/consistency.md, "One owner at a time", put to the test in simulated worlds.</summary>
public sealed class OneOwnerSimulationTests(ITestOutputHelper output)
{
    private const int Steps = 3000;

    [Theory]
    [InlineData(2, 40)]
    [InlineData(3, 120)]
    [InlineData(5, 60)]
    public void No_shard_ever_has_two_owners_and_afterwards_every_shard_is_served(int machines, int worlds)
    {
        var first = Seeds.Next(output) % 1_000_000;
        var served = 0;
        for (var seed = first; seed < first + worlds; seed++)
        {
            var world = new GuardWorld(seed, machines);
            for (var step = 0; step < Steps; step++)
            {
                world.Step(trouble: true);
                AssertOneOwner(world, seed, machines);
            }

            served += world.Served;
            world.Heal();
            AssertServes(world, seed, machines);
        }

        output.WriteLine($"{worlds} worlds of {machines}, shards opened {served} times");
        Assert.True(served > worlds * 5, $"only {served} times a shard was opened");
    }

    private static void AssertServes(GuardWorld world, int seed, int machines)
    {
        for (var shard = 0; shard < GuardWorld.Shards; shard++)
        {
            var deadline = world.NowMs + 60_000;
            while (!world.WantAndAsk(shard))
            {
                world.Step(trouble: false);
                AssertOneOwner(world, seed, machines);
                Assert.True(world.NowMs < deadline, $"seed {seed}, {machines} machines: a minute after everything was mended shard {shard} is not served\n{world.Story}");
            }
        }
    }

    private static void AssertOneOwner(GuardWorld world, int seed, int machines)
    {
        for (var shard = 0; shard < GuardWorld.Shards; shard++)
        {
            var owners = world.Owners(shard);
            if (owners.Count > 1) Assert.Fail($"seed {seed}, {machines} machines, {world.NowMs} ms: shard {shard} has owners {string.Join(" and ", owners)}\n{world.Story}");
        }
    }
}
