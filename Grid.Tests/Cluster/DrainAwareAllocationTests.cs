using System.Collections.Immutable;
using Akka.Actor;
using Akka.Cluster.Sharding;
using Akka.TestKit.Xunit2;
using Grid.Node.Objects;
using Xunit;

namespace Grid.Tests.Cluster;

public sealed class DrainAwareAllocationTests : TestKit
{
    private readonly HashSet<Address> _draining = [];
    private HashSet<Address>? _answering = [];

    [Fact]
    public async Task A_node_about_to_leave_gets_no_shard_and_the_last_one_keeps_getting_them()
    {
        var (leaving, staying) = (Sys.ActorOf(Props.Empty, "leaving"), new Elsewhere("staying"));
        var strategy = new DrainAwareAllocation(new FirstOfAll(), () => _draining, () => _answering);
        var shards = ImmutableDictionary<IActorRef, IImmutableList<string>>.Empty.Add(leaving, ImmutableList<string>.Empty).Add(staying, ImmutableList.Create("1"));
        Assert.Equal(leaving, await strategy.AllocateShard(leaving, "2", shards));

        _draining.Add(leaving.Path.Address);
        Assert.Equal(staying, await strategy.AllocateShard(leaving, "2", shards));

        _draining.Add(staying.Path.Address);
        Assert.Equal(leaving, await strategy.AllocateShard(leaving, "2", shards));
    }

    [Fact]
    public async Task A_node_about_to_leave_loses_its_shards_a_few_at_a_time()
    {
        var (leaving, staying) = (Sys.ActorOf(Props.Empty, "going"), new Elsewhere("there"));
        var strategy = new DrainAwareAllocation(new FirstOfAll(), () => _draining, () => _answering);
        var shards = ImmutableDictionary<IActorRef, IImmutableList<string>>.Empty
            .Add(leaving, Enumerable.Range(0, 20).Select(shard => $"{shard}").ToImmutableList()).Add(staying, ImmutableList.Create("20"));
        _answering = [leaving.Path.Address, staying.Path.Address];
        Assert.Empty(await strategy.Rebalance(shards, ImmutableHashSet<string>.Empty));

        _draining.Add(leaving.Path.Address);
        var first = await strategy.Rebalance(shards, ImmutableHashSet<string>.Empty);
        Assert.Equal(8, first.Count);
        Assert.DoesNotContain("20", first);
        var second = await strategy.Rebalance(shards, first.Skip(3).ToImmutableHashSet());
        Assert.Equal(3, second.Count);
        Assert.Empty(second.Intersect(first.Skip(3)));

        // A hand-off would wait for the one that cannot be reached.
        var all = _answering;
        _answering = null;
        Assert.Empty(await strategy.Rebalance(shards, ImmutableHashSet<string>.Empty));
        _answering = all;

        // Nobody is left to take them.
        _draining.Add(staying.Path.Address);
        Assert.Empty(await strategy.Rebalance(shards, ImmutableHashSet<string>.Empty));
    }

    [Fact]
    public async Task No_hand_off_is_begun_while_a_region_is_known_that_will_not_answer()
    {
        var (here, there, gone) = (Sys.ActorOf(Props.Empty, "here"), new Elsewhere("region"), new Elsewhere("region-of-an-earlier-run"));
        var strategy = new DrainAwareAllocation(new FirstOfAll { Moves = ["1"] }, () => _draining, () => _answering);
        var none = ImmutableHashSet<string>.Empty;
        var shards = ImmutableDictionary<IActorRef, IImmutableList<string>>.Empty.Add(here, ImmutableList.Create("1", "2")).Add(there, ImmutableList<string>.Empty);
        _answering = [here.Path.Address];
        Assert.Empty(await strategy.Rebalance(shards, none));
        _answering = null;
        Assert.Empty(await strategy.Rebalance(shards, none));
        _answering = [here.Path.Address, there.Path.Address];
        Assert.Equal(["1"], await strategy.Rebalance(shards, none));
        // The node is back at its address, and its earlier region is not forgotten yet.
        Assert.Empty(await strategy.Rebalance(shards.Add(gone, ImmutableList<string>.Empty), none));
    }

    /// <summary>A region on another node.</summary>
    private sealed class Elsewhere(string name) : MinimalActorRef
    {
        public override ActorPath Path { get; } = new RootActorPath(new Address("akka.tcp", "grid", "db-2", 7072)) / "system" / name;

        public override IActorRefProvider Provider => throw new NotSupportedException();
    }

    /// <summary>Chooses the region with the fewest shards.</summary>
    private sealed class FirstOfAll : IShardAllocationStrategy
    {
        public string[] Moves { get; init; } = [];

        public Task<IActorRef> AllocateShard(IActorRef requester, string shardId, IImmutableDictionary<IActorRef, IImmutableList<string>> currentShardAllocations) =>
            Task.FromResult(currentShardAllocations.MinBy(region => region.Value.Count).Key);

        public Task<IImmutableSet<string>> Rebalance(
            IImmutableDictionary<IActorRef, IImmutableList<string>> currentShardAllocations, IImmutableSet<string> rebalanceInProgress) =>
            Task.FromResult<IImmutableSet<string>>([.. Moves]);
    }
}
