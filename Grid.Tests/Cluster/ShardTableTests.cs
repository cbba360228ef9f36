using Akka.Configuration;
using Grid.Node.Cluster;
using Grid.Node.Hosting;
using Xunit;

namespace Grid.Tests.Cluster;

public sealed class ShardTableTests
{
    [Fact]
    public void A_shard_without_objects_does_not_hold_up_a_node_that_leaves()
    {
        var table = new ShardTable(4);
        var (first, second) = (new ShardLife(1, 1, []), new ShardLife(2, 2, []));
        table.Set(1, first);
        table.Set(2, second);
        Assert.Equal(0, table.InhabitedCount);

        Assert.True(first.TryEnter());
        Assert.True(first.TryEnter());
        Assert.True(second.TryEnter());
        Assert.Equal(2, table.InhabitedCount);

        second.Leave();
        first.Leave();
        Assert.Equal(1, table.InhabitedCount);
        first.Leave();
        Assert.Equal(0, table.InhabitedCount);
    }

    /// <summary>What follows takes the region's phase and a quarter of the stop's time, and must not be cut.</summary>
    [Theory]
    [InlineData(40, 25, 3)]
    [InlineData(60, 25, 15)]
    [InlineData(80, 25, 20)]
    [InlineData(30, 25, 0)]
    public void Shards_are_given_away_in_the_time_that_the_rest_of_the_stop_leaves(int stop, int region, int expected)
    {
        var config = ConfigurationFactory.ParseString($"akka.coordinated-shutdown.phases.cluster-sharding-shutdown-region.timeout = {region}s");
        Assert.Equal(TimeSpan.FromSeconds(expected), AkkaConfig.ShardsPatience(new StopSettings(TimeSpan.FromSeconds(stop)), config));
    }
}
