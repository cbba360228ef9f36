namespace Grid.Client.Frontends;

/// <summary>How a <see cref="GridSwapBackend"/> uses its pool.</summary>
public sealed record GridSwapOptions
{
    /// <summary>
    /// Whose pages these are, where several use one pool; 0 by default. Exactly one backend may use an owner number of a pool at a time: one that initialises a device removes everything
    /// that earlier ones of its number left.
    /// </summary>
    public ulong Owner { get; init; }

    /// <summary>How many low bits of the page number choose the object: a device lies in 2 to the power of this many objects, and so on as many nodes. 0 to 12; 4 by default, as in the kernel.</summary>
    public int SwizzleBits { get; init; } = 4;

    /// <summary>How long a store or an invalidation may take; 2 s by default. A store that takes longer goes to the next backend.</summary>
    public TimeSpan StoreTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long a load may take; 30 s by default, longer than a failover: there is no other place to load from.</summary>
    public TimeSpan LoadTimeout { get; init; } = TimeSpan.FromSeconds(30);
}
