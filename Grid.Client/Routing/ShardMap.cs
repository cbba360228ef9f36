using Grid.Protocol;

namespace Grid.Client;

/// <summary>Which link leads to a shard's owner, as far as that is known; no entry: the home link. A hint: an owner that is none any more answers "moved".</summary>
internal sealed class ShardMap(int shardCount)
{
    private readonly NodeLink?[] _owners = new NodeLink?[shardCount];
    private int _known;

    public int ShardCount => _owners.Length;

    /// <summary>The link to an object's owner; null: the home link.</summary>
    public NodeLink? Find(in ObjectKey key) => Volatile.Read(ref _known) == 0 ? null : Volatile.Read(ref _owners[ShardHash.ShardOf(key, _owners.Length)]);

    public void Set(in ObjectKey key, NodeLink? owner) => Set(ShardHash.ShardOf(key, _owners.Length), owner);

    public void Set(int shard, NodeLink? owner)
    {
        if (owner is { IsHome: true }) owner = null;
        var before = Interlocked.Exchange(ref _owners[shard], owner);
        Interlocked.Add(ref _known, (owner is null ? 0 : 1) - (before is null ? 0 : 1));
    }

    /// <summary>Forgets a link that leads nowhere any more.</summary>
    public void Remove(NodeLink owner)
    {
        for (var shard = 0; shard < _owners.Length; shard++)
            if (Interlocked.CompareExchange(ref _owners[shard], null, owner) == owner) Interlocked.Decrement(ref _known);
    }
}
