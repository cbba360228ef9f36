using System.Collections.Immutable;
using Akka.Actor;
using Akka.Cluster.Sharding;

namespace Grid.Node.Objects;

/// <summary>
/// Gives no shard to a node that is about to leave, and takes from it what it has. Akka itself does so only once the node is Leaving, which it becomes after it has handed everything off; a shard that is allocated to it
/// in between is waited for until the hand-off times out.
/// <para>
/// And begins no hand-off that could not end: every region that the coordinator knows has to give its word, and the region of a node that has just gone stays known for a while. A shard whose hand-off waits for such a one is
/// stuck until handoff-timeout, also if its own node wants to leave meanwhile.
/// </para>
/// </summary>
/// <param name="inner">Who decides among the others.</param>
/// <param name="draining">The nodes that are about to leave.</param>
/// <param name="answering">The nodes that stay and answer; null while a member cannot be reached.</param>
internal sealed class DrainAwareAllocation(IShardAllocationStrategy inner, Func<IReadOnlySet<Address>> draining, Func<IReadOnlySet<Address>?> answering) : IActorSystemDependentAllocationStrategy
{
    /// <summary>Shards of leaving nodes that move at the same time.</summary>
    private const int AtOnce = 8;

    /// <inheritdoc/>
    public void Start(ActorSystem system)
    {
        if (inner is IActorSystemDependentAllocationStrategy dependent) dependent.Start(system);
    }

    /// <inheritdoc/>
    public Task<IActorRef> AllocateShard(IActorRef requester, string shardId, IImmutableDictionary<IActorRef, IImmutableList<string>> currentShardAllocations) =>
        inner.AllocateShard(requester, shardId, Staying(currentShardAllocations));

    /// <inheritdoc/>
    /// <remarks>What leaving nodes have comes first, a few shards at a time: a shard is away only while it moves itself, not until all of a node's have moved.</remarks>
    public Task<IImmutableSet<string>> Rebalance(
        IImmutableDictionary<IActorRef, IImmutableList<string>> currentShardAllocations, IImmutableSet<string> rebalanceInProgress)
    {
        if (!AllAnswer(currentShardAllocations.Keys)) return Task.FromResult<IImmutableSet<string>>(ImmutableHashSet<string>.Empty);
        var staying = Staying(currentShardAllocations);
        var toMove = currentShardAllocations.Where(region => !staying.ContainsKey(region.Key)).SelectMany(region => region.Value).Except(rebalanceInProgress).ToArray();
        if (toMove.Length == 0) return inner.Rebalance(staying, rebalanceInProgress);
        return Task.FromResult<IImmutableSet<string>>(toMove.Take(Math.Max(0, AtOnce - rebalanceInProgress.Count)).ToImmutableHashSet());
    }

    /// <summary>Two regions at one address: one of them is an earlier run's.</summary>
    private bool AllAnswer(IEnumerable<IActorRef> regions)
    {
        if (answering() is not { } nodes) return false;
        var seen = new HashSet<Address>();
        return regions.All(region => nodes.Contains(region.Path.Address) && seen.Add(region.Path.Address));
    }

    private IImmutableDictionary<IActorRef, IImmutableList<string>> Staying(IImmutableDictionary<IActorRef, IImmutableList<string>> all)
    {
        var leaving = draining();
        if (leaving.Count == 0) return all;
        var staying = all.Where(region => !leaving.Contains(region.Key.Path.Address)).ToImmutableDictionary();
        return staying.Count > 0 ? staying : all;
    }
}
