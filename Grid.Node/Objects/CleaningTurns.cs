using Akka.Actor;

namespace Grid.Node.Objects;

/// <summary>It is an object's turn to be cleaned.</summary>
internal sealed class CleaningTurn
{
    public static readonly CleaningTurn Instance = new();

    private CleaningTurn()
    {
    }
}

/// <summary>Lets a few of a node's objects clean their journals at a time: each holds a batch of pages, and all compete with clients for the disk.</summary>
/// <param name="atOnce">How many.</param>
internal sealed class CleaningTurns(int atOnce)
{
    private readonly Queue<IActorRef> _waiting = new();
    private readonly object _gate = new();
    private int _free = atOnce;

    /// <summary>Asks for a turn; the object is told <see cref="CleaningTurn"/>, and gives it back with <see cref="Return"/> whatever has become of it.</summary>
    public void Ask(IActorRef cleaner)
    {
        lock (_gate)
        {
            if (_free == 0)
            {
                _waiting.Enqueue(cleaner);
                return;
            }

            _free--;
        }

        cleaner.Tell(CleaningTurn.Instance, ActorRefs.NoSender);
    }

    /// <summary>Gives a turn back.</summary>
    public void Return()
    {
        IActorRef? next;
        lock (_gate)
        {
            if (!_waiting.TryDequeue(out next)) _free++;
        }

        next?.Tell(CleaningTurn.Instance, ActorRefs.NoSender);
    }

    /// <summary>An object that stops waits no more. (Its turn may be on its way already: the object's own end gives that back.)</summary>
    /// <returns>Whether it waited.</returns>
    public bool Forget(IActorRef cleaner)
    {
        lock (_gate)
        {
            var count = _waiting.Count;
            for (var i = 0; i < count; i++)
            {
                var one = _waiting.Dequeue();
                if (!one.Equals(cleaner)) _waiting.Enqueue(one);
            }

            return _waiting.Count < count;
        }
    }
}
