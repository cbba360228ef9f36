using Akka.Actor;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>Objects whose pages a node keeps aside: whoever serves them next should bring them to life while they are kept.</summary>
/// <param name="Keys">The objects.</param>
public sealed record KeptObjects(IReadOnlyList<ObjectKey> Keys);

/// <summary>
/// Has objects that ended here come to life where they belong now, so that their pages move while they are kept, not only when a client happens to ask. A node that leaves asks
/// another one to do so: its own shard region forwards nothing any more.
/// </summary>
/// <param name="services">The objects' services.</param>
/// <param name="region">The shard region.</param>
/// <param name="peers">The other members that are up.</param>
internal sealed class HandOffCourier(ObjectServices services, Func<IActorRef> region, Func<IReadOnlyList<Address>> peers) : ActorBase, IWithTimers
{
    /// <summary>The actor's name, the same on every node.</summary>
    public const string Name = "grid-hand-off";

    private const int MostPerTick = 1000;
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);
    private int _next;

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Timers.StartPeriodicTimer("tick", Tick.Instance, Interval);

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case Tick:
                services.Aside.DropExpired();
                Announce(services.Aside.TakeUnannounced(MostPerTick));
                return true;
            case KeptObjects kept:
                Wake(kept.Keys);
                return true;
            case Activated or ActivationFailed:
                return true;
            default:
                return false;
        }
    }

    private void Announce(IReadOnlyList<ObjectKey> keys)
    {
        if (keys.Count == 0) return;
        if (!services.IsHandingOver)
        {
            Wake(keys);
            return;
        }

        var others = peers();
        if (others.Count == 0) return;
        var other = others[_next++ % others.Count];
        Context.ActorSelection(new RootActorPath(other) / "user" / Name).Tell(new KeptObjects(keys));
    }

    private void Wake(IReadOnlyList<ObjectKey> keys)
    {
        foreach (var key in keys) region().Tell(new Activate(key), Self);
    }

    private sealed class Tick
    {
        public static readonly Tick Instance = new();
    }
}
