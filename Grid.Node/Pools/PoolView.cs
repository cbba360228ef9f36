using System.Collections.Frozen;
using System.Diagnostics.CodeAnalysis;
using Grid.Protocol;

namespace Grid.Node.Pools;

/// <summary>
/// The pools as this node knows them. Gateways read it without a lock for every request; the node's view actor alone publishes. A pool, a freeze or a
/// destruction that a client was told of is in the view of every node that serves.
/// </summary>
internal sealed class PoolView
{
    private volatile Snapshot _snapshot = Snapshot.Empty;

    /// <summary>Whether the registry's state has arrived. Before that a node must not answer "no such pool": it does not know.</summary>
    public bool IsReady => _snapshot.Version > 0;

    /// <summary>The version of the registry's state that this view shows; 0 before the first.</summary>
    public ulong Version => _snapshot.Version;

    /// <summary>All pools.</summary>
    public IEnumerable<PoolEntry> Entries => _snapshot.ById.Values;

    /// <summary>How many pools there are.</summary>
    public int Count => _snapshot.ById.Count;

    /// <summary>Finds a pool by its number.</summary>
    public bool TryGet(PoolId id, [NotNullWhen(true)] out PoolEntry? entry) => _snapshot.ById.TryGetValue(id.Value, out entry);

    /// <summary>Finds a tenant's pool by its name.</summary>
    public bool TryGet(string tenant, string name, [NotNullWhen(true)] out PoolEntry? entry) => _snapshot.ByName.TryGetValue((tenant, name), out entry);

    /// <summary>A tenant's pools, by name.</summary>
    public IReadOnlyList<PoolInfo> List(string tenant) =>
        [.. _snapshot.ById.Values.Where(entry => entry.Tenant == tenant).Select(entry => entry.Info).OrderBy(info => info.Name, StringComparer.Ordinal)];

    /// <summary>Replaces what readers see.</summary>
    internal void Publish(ulong version, IReadOnlyCollection<PoolEntry> entries) => _snapshot = new Snapshot(
        version,
        entries.ToFrozenDictionary(entry => entry.Id.Value),
        entries.ToFrozenDictionary(entry => (entry.Tenant, entry.Info.Name)));

    private sealed record Snapshot(
        ulong Version, FrozenDictionary<ulong, PoolEntry> ById, FrozenDictionary<(string Tenant, string Name), PoolEntry> ByName)
    {
        public static readonly Snapshot Empty =
            new(0, FrozenDictionary<ulong, PoolEntry>.Empty, FrozenDictionary<(string, string), PoolEntry>.Empty);
    }
}
