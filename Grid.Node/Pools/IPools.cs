using Grid.Protocol;

namespace Grid.Node.Pools;

/// <summary>What came of a request about a pool.</summary>
/// <param name="Status">The status to answer with.</param>
/// <param name="Text">What went wrong; empty where nothing did.</param>
/// <param name="Pool">The pool, where the status is <see cref="Status.Ok"/> and the request was not to destroy it.</param>
internal sealed record PoolAnswer(Status Status, string Text, PoolInfo? Pool);

/// <summary>What came of asking for a pool's counters.</summary>
/// <param name="Status">The status to answer with.</param>
/// <param name="Text">What went wrong; empty where nothing did.</param>
/// <param name="Stat">The counters, where the status is <see cref="Status.Ok"/>.</param>
internal sealed record PoolStatAnswer(Status Status, string Text, PoolStat? Stat);

/// <summary>
/// The pools, for gateways. Nothing here throws for what a caller may run into: every answer has a status. What changes something is answered
/// when it is durable and every node knows it.
/// </summary>
internal interface IPools
{
    /// <summary>Creates a pool, or joins the shared pool of that name and those options.</summary>
    Task<PoolAnswer> CreateAsync(string tenant, string member, string name, PoolOptions options, CancellationToken cancellation);

    /// <summary>Finds a pool; joins it where it is shared.</summary>
    Task<PoolAnswer> OpenAsync(string tenant, string member, string name, CancellationToken cancellation);

    /// <summary>A tenant's pools, by name.</summary>
    Task<IReadOnlyList<PoolInfo>> ListAsync(string tenant, CancellationToken cancellation);

    /// <summary>Refuses puts into a pool from now on.</summary>
    Task<PoolAnswer> FreezeAsync(string tenant, string name, CancellationToken cancellation);

    /// <summary>Accepts puts into a pool again.</summary>
    Task<PoolAnswer> ThawAsync(string tenant, string name, CancellationToken cancellation);

    /// <summary>Destroys a private pool, leaves a shared one. <see cref="Status.InProgress"/>: done, but some node has not confirmed it in time.</summary>
    Task<PoolAnswer> DestroyAsync(string tenant, string member, string name, CancellationToken cancellation);

    /// <summary>A pool's counters, summed over the nodes.</summary>
    Task<PoolStatAnswer> StatAsync(string tenant, string name, CancellationToken cancellation);
}
