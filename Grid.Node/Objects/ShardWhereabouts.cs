using Grid.Node.Cluster;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>
/// Where shards are served that this node does not serve, as far as it knows: what owners said when they were asked, else what the nodes tell each other with their pings. A hint:
/// whoever is not the owner says so.
/// </summary>
/// <param name="shards">The shards that this node serves.</param>
internal sealed class ShardWhereabouts(ShardTable shards)
{
    private readonly string?[] _found = new string?[shards.Count];
    private Topology _topology = new([], []);

    /// <summary>Nodes and owners as the nodes told each other last.</summary>
    public Topology Topology => Volatile.Read(ref _topology);

    /// <summary>The data address of the node that serves an object's shard; null: this node does, or nobody is known to.</summary>
    public string? Elsewhere(in ObjectKey key)
    {
        var shard = ShardOf(key);
        if (shards.Find(shard) is not null) return null;
        if (Volatile.Read(ref _found[shard]) is { } found) return found;
        var topology = Topology;
        return shard < topology.Owners.Count && topology.Owners[shard] is >= 0 and var owner ? topology.Nodes[owner].DataAddress : null;
    }

    /// <summary>An owner was found.</summary>
    public void Learn(in ObjectKey key, string address) => Volatile.Write(ref _found[ShardOf(key)], address);

    /// <summary>Who was asked was not the owner, or is not there.</summary>
    public void Forget(in ObjectKey key) => Volatile.Write(ref _found[ShardOf(key)], null);

    /// <summary>Takes over what the nodes told each other; what was found before is older.</summary>
    public void Take(Topology topology)
    {
        Volatile.Write(ref _topology, topology);
        Array.Clear(_found);
    }

    private int ShardOf(in ObjectKey key) => ShardHash.ShardOf(key, shards.Count);
}
