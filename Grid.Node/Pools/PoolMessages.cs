using Akka.Actor;
using Akka.Cluster;
using Grid.Protocol;

namespace Grid.Node.Pools;

// What the registry, the view actors and the facades say to each other. An incarnation of the registry is named by the version of the fence it
// began with: a later incarnation has a larger number, and what an earlier one still says is ignored.

/// <summary>View → registry: what a node's view shows now. A confirmation, and where it asks, a subscription.</summary>
/// <param name="Node">The node.</param>
/// <param name="Version">The version its view shows; 0 for none.</param>
/// <param name="Asks">Whether the registry is to answer with a <see cref="PoolsUpdate"/> even if it has nothing new.</param>
internal sealed record ViewHello(UniqueAddress Node, ulong Version, bool Asks);

/// <summary>Registry → view: the pools, or what changed in them. Long ones come in parts, in order.</summary>
/// <param name="Incarnation">Who says so.</param>
/// <param name="From">The version this is a change to; 0: these are all pools.</param>
/// <param name="Version">The version it leads to.</param>
/// <param name="Part">Number of this part, from 0.</param>
/// <param name="Parts">How many parts there are.</param>
/// <param name="Pools">New and changed pools.</param>
/// <param name="Removed">Destroyed pools.</param>
internal sealed record PoolsUpdate(
    ulong Incarnation, ulong From, ulong Version, int Part, int Parts, IReadOnlyList<PoolInfo> Pools, IReadOnlyList<PoolId> Removed);

/// <summary>View → registry: a node needs permission to add pages to a pool.</summary>
/// <param name="Node">The node.</param>
/// <param name="Incarnation">The registry's incarnation that the sums count from.</param>
/// <param name="Pool">The pool.</param>
/// <param name="Pages">The least that helps.</param>
/// <param name="Carried">What the node had when that incarnation came.</param>
/// <param name="Returned">What it gave back to that incarnation so far.</param>
internal sealed record QuotaAsk(UniqueAddress Node, ulong Incarnation, PoolId Pool, long Pages, long Carried, long Returned);

/// <summary>What came of a <see cref="QuotaAsk"/>.</summary>
internal enum QuotaOutcome : byte
{
    /// <summary>There is enough now.</summary>
    Granted = 0,

    /// <summary>Nothing, or too little, is left in the whole cluster.</summary>
    Exhausted = 1,

    /// <summary>The registry can't tell: it could not count the pool's pages.</summary>
    Unavailable = 2,

    /// <summary>Said without being asked: there is space again.</summary>
    Space = 3,
}

/// <summary>Registry → view. Sums instead of amounts, so that a lost or repeated message does no harm.</summary>
/// <param name="Incarnation">Who says so.</param>
/// <param name="Pool">The pool.</param>
/// <param name="GrantedTotal">What this incarnation granted to the node so far.</param>
/// <param name="Outcome">What came of it.</param>
/// <param name="Text">Why, where it is unavailable.</param>
internal sealed record QuotaAnswer(ulong Incarnation, PoolId Pool, long GrantedTotal, QuotaOutcome Outcome, string Text);

/// <summary>Registry → view: report, and hand back what is not in use.</summary>
/// <param name="Incarnation">Who says so.</param>
/// <param name="Pool">The pool.</param>
/// <param name="Round">Names the round of questions that the report belongs to.</param>
/// <param name="Withdraw">Whether to hand back.</param>
/// <param name="GrantedTotal">What this incarnation granted to the node so far: a grant that was lost arrives with this.</param>
internal sealed record QuotaRecall(ulong Incarnation, PoolId Pool, long Round, bool Withdraw, long GrantedTotal);

/// <summary>View → registry: where a node stands with a pool's quota.</summary>
/// <param name="Node">The node.</param>
/// <param name="Incarnation">The registry's incarnation that the sums count from.</param>
/// <param name="Pool">The pool.</param>
/// <param name="Round">The round it answers; 0: it says so by itself.</param>
/// <param name="Taken">Pages taken since the node started.</param>
/// <param name="Settled">Those of them that are in the journal, or were, or will never be.</param>
/// <param name="Given">Pages given back since the node started.</param>
/// <param name="Leaving">Pages that writes under way remove.</param>
/// <param name="Carried">What the node had when that incarnation came.</param>
/// <param name="Returned">What it gave back to that incarnation so far.</param>
internal sealed record QuotaReport(
    UniqueAddress Node, ulong Incarnation, PoolId Pool, long Round, long Taken, long Settled, long Given, long Leaving, long Carried, long Returned);

/// <summary>Facade → view: this node's counters of a pool.</summary>
/// <param name="Pool">The pool.</param>
internal sealed record StatAsk(PoolId Pool);

/// <summary>View → facade: this node's counters of a pool; all zero where it does not know it.</summary>
/// <param name="Pool">The pool.</param>
/// <param name="Counters">In the order of <see cref="PoolStat"/>'s members, logical bytes left out.</param>
internal sealed record StatPart(PoolId Pool, IReadOnlyList<long> Counters);

/// <summary>The registry's own stop message, on hand-over: a write in flight is answered first (PoisonPill would overtake it).</summary>
internal sealed class StopRegistry
{
    /// <summary>The only one.</summary>
    public static readonly StopRegistry Instance = new();

    private StopRegistry()
    {
    }
}
