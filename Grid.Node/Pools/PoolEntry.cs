using Grid.Node.Memory;
using Grid.Protocol;

namespace Grid.Node.Pools;

/// <summary>A pool on this node: one object a pool for as long as the pool lives here, so it may be kept instead of looked up again.</summary>
internal sealed class PoolEntry
{
    private volatile PoolInfo _info;
    private volatile bool _isDestroyed;

    /// <summary>Makes the entry of a pool that this node has just heard of.</summary>
    public PoolEntry(PoolInfo info, QuotaAccount quota)
    {
        _info = info;
        Quota = quota;
        Options = info.Options;
        Tenant = info.Tenant;
        Id = info.Id;
        Account = new PoolAccount(info.Id, info.Options.Compression, info.Options.PageSizeBytes, info.Options.Kind == PoolKind.Ephemeral);
    }

    /// <summary>The pool's number.</summary>
    public PoolId Id { get; }

    /// <summary>Who owns it.</summary>
    public string Tenant { get; }

    /// <summary>Its attributes: fixed at its creation.</summary>
    public PoolOptions Options { get; }

    /// <summary>The pool as this node knows it now; freezing and joining replace it.</summary>
    public PoolInfo Info => _info;

    /// <summary>Whether puts are refused.</summary>
    public bool Frozen => _info.Frozen;

    /// <summary>Whether the pool is gone: nothing in it may be served any more.</summary>
    public bool IsDestroyed => _isDestroyed;

    /// <summary>What happened in it on this node.</summary>
    public PoolCounters Counters { get; } = new();

    /// <summary>Its quota on this node.</summary>
    public QuotaAccount Quota { get; }

    /// <summary>What the pool holds in this node's page store.</summary>
    public PoolAccount Account { get; }

    /// <summary>The registry changed the pool.</summary>
    internal void Update(PoolInfo info) => _info = info;

    /// <summary>The registry destroyed the pool.</summary>
    internal void MarkDestroyed() => _isDestroyed = true;
}

/// <summary>Published on a node's event stream when a pool is destroyed, after it left the <see cref="PoolView"/>: its objects stop and free what they hold.</summary>
/// <param name="Pool">The pool.</param>
internal sealed record PoolDestroyed(PoolId Pool);
