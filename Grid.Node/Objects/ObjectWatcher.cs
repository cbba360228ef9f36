using Akka.Actor;

namespace Grid.Node.Objects;

/// <summary>Asks the watcher to watch an object's actor.</summary>
/// <param name="Entry">The object's entry.</param>
internal sealed record WatchObject(ObjectEntry Entry);

/// <summary>
/// Watches this node's object actors. Once one has terminated nothing told to it will ever be taken, and nothing it took will be answered:
/// the gateways claim both. (Dead letters alone do not suffice: an enqueue that races with the mailbox's close vanishes.)
/// </summary>
internal sealed class ObjectWatcher(IOrphanClaimer claimer) : ActorBase
{
    private readonly Dictionary<IActorRef, ObjectEntry> _watched = [];

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case WatchObject watch:
                _watched[watch.Entry.Actor] = watch.Entry;
                Context.Watch(watch.Entry.Actor);
                return true;
            case Terminated ended when _watched.Remove(ended.ActorRef, out var entry):
                // Closed first, then claimed: who tells it later sees that it is closed and claims by itself.
                entry.Close();
                claimer.ClaimOrphans(entry);
                return true;
            default:
                return false;
        }
    }
}

/// <summary>Claims what a stopped actor left unanswered; the gateway's connections.</summary>
internal interface IOrphanClaimer
{
    /// <summary>Claims and answers every request that was told to the entry's actor.</summary>
    void ClaimOrphans(ObjectEntry entry);
}
