using Akka.Cluster;
using Grid.Protocol;

namespace Grid.Node.Pools;

/// <summary>How the pool registry and the views of it work. Durations have the defaults that suit a lease of 2 s.</summary>
internal sealed record PoolsSettings
{
    /// <summary>Counts a persistent pool's pages in the journal; asked when somebody first needs quota from a new registry.</summary>
    public required Func<PoolId, CancellationToken, Task<long>> CountPages { get; init; }

    /// <summary>Deletes what a destroyed persistent pool left in the journal. It may be asked again for the same pool.</summary>
    public required Func<PoolId, CancellationToken, Task> DeletePool { get; init; }

    /// <summary>Whether a node has said that it serves nothing any more: nobody waits for what it knows, nor for its lease.</summary>
    public Func<UniqueAddress, bool> HasParted { get; init; } = _ => false;

    /// <summary>The cluster role of the nodes that serve pools; null: every node.</summary>
    public string? Role { get; init; }

    /// <summary>The journal plugin of the registry's events; empty: the default one.</summary>
    public string JournalPluginId { get; init; } = "";

    /// <summary>The most living pools.</summary>
    public int MaxPools { get; init; } = 10_000;

    /// <summary>How long a change waits for every node's confirmation before it is answered without.</summary>
    public TimeSpan ConfirmTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a removed node counts as one that may still serve: its lease and the clocks' drift.</summary>
    public TimeSpan RemovedGrace { get; init; } = TimeSpan.FromSeconds(2.5);

    /// <summary>How often a view asks the registry whether it missed something.</summary>
    public TimeSpan ResubscribeEvery { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How soon the registry is started again after it failed (a database that is away, say); doubles up to <see cref="MaxBackoff"/>.</summary>
    public TimeSpan MinBackoff { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>The longest pause before the registry is started again.</summary>
    public TimeSpan MaxBackoff { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long after its destruction a pool's journal is swept: writes in flight end in that time.</summary>
    public TimeSpan SweepDelay { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The pause after a sweep that failed; doubles up to a minute.</summary>
    public TimeSpan SweepBackoff { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>How long a write may be under way between taking quota and being in the journal: what a node that is gone took longer ago is counted there.</summary>
    public TimeSpan QuotaSettle { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How long the registry waits for other nodes to hand back unused quota before it says that nothing is left.</summary>
    public TimeSpan RecallTimeout { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long whoever needs quota waits for an exact count of the pool's pages, where the first estimate leaves none; then it hears that nothing is left.</summary>
    public TimeSpan CountPatience { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>The pause between two counts while somebody waits for an exact one.</summary>
    public TimeSpan RecountPause { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>How long an object waits for an answer about quota.</summary>
    public TimeSpan BorrowTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long a request for counters waits for every node.</summary>
    public TimeSpan StatTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
