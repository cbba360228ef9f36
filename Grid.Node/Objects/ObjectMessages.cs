using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>Sent through the shard region: brings an object's actor to life on whichever node owns its shard.</summary>
/// <param name="Key">The object.</param>
public sealed record Activate(ObjectKey Key);

/// <summary>The answer to <see cref="Activate"/>: the object is ready on a node.</summary>
/// <param name="Key">The object.</param>
/// <param name="DataAddress">Where clients reach that node, <c>host:port</c>.</param>
public sealed record Activated(ObjectKey Key, string DataAddress);

/// <summary>The answer to <see cref="Activate"/> where the object can't be served now.</summary>
/// <param name="Key">The object.</param>
/// <param name="Status">The status its requests are answered with.</param>
/// <param name="Text">Why.</param>
public sealed record ActivationFailed(ObjectKey Key, Status Status, string Text);

/// <summary>An object's own stop message, for hand-off and passivation: it answers what it holds and stops. (PoisonPill would overtake writes in flight.)</summary>
public sealed class StopObject
{
    /// <summary>The only one.</summary>
    public static readonly StopObject Instance = new();

    private StopObject()
    {
    }
}

/// <summary>The object's pool is destroyed: every page goes, then the actor.</summary>
internal sealed class PoolGone
{
    public static readonly PoolGone Instance = new();

    private PoolGone()
    {
    }
}

/// <summary>Asks an object to drop stale index entries, or to leave if it is idle; sent by the sweeper.</summary>
/// <param name="PassivateIfIdle">Whether it may passivate.</param>
internal sealed record Sweep(bool PassivateIfIdle)
{
    public static readonly Sweep Stale = new(false);
    public static readonly Sweep Idle = new(true);
}
