using Grid.Protocol;

namespace Grid.Node.Pools;

/// <summary>What the pool registry's journal consists of: everything that ever happened to pools, one event a change.</summary>
internal abstract record PoolEvent
{
    /// <summary>A new incarnation of the registry took over; it answers nothing before this is durable, so an older one can't write any more.</summary>
    /// <param name="Node">Where it runs; for people only.</param>
    public sealed record Fenced(string Node) : PoolEvent;

    /// <summary>A pool was created.</summary>
    /// <param name="Pool">Its number, which no pool had before.</param>
    /// <param name="Tenant">Who owns it.</param>
    /// <param name="Name">Its name.</param>
    /// <param name="Options">Its attributes.</param>
    /// <param name="Member">Its creator, and first member if it is shared.</param>
    public sealed record Created(PoolId Pool, string Tenant, string Name, PoolOptions Options, string Member) : PoolEvent;

    /// <summary>A member joined a shared pool.</summary>
    public sealed record Joined(PoolId Pool, string Member) : PoolEvent;

    /// <summary>A member left a shared pool that has others.</summary>
    public sealed record Left(PoolId Pool, string Member) : PoolEvent;

    /// <summary>Puts are refused from now on.</summary>
    public sealed record Frozen(PoolId Pool) : PoolEvent;

    /// <summary>Puts are accepted again.</summary>
    public sealed record Thawed(PoolId Pool) : PoolEvent;

    /// <summary>The pool is gone; what a persistent one left in the journal is to be swept.</summary>
    public sealed record Destroyed(PoolId Pool) : PoolEvent;

    /// <summary>Nothing of a destroyed pool is in the journal any more.</summary>
    public sealed record Swept(PoolId Pool) : PoolEvent;
}
