using Akka.Actor;
using Akka.Cluster;

namespace Grid.Node.Pools;

/// <summary>
/// The nodes whose views count, as the registry knows them: every member of the cluster, and removed ones until their lease has run out. What all
/// of them confirmed, every gateway that serves has seen.
/// </summary>
internal sealed class ViewRoster
{
    private readonly Dictionary<UniqueAddress, Seat> _seats = [];

    /// <summary>The nodes.</summary>
    public IReadOnlyCollection<UniqueAddress> Nodes => _seats.Keys;

    /// <summary>The views that have said hello.</summary>
    public IEnumerable<KeyValuePair<UniqueAddress, IActorRef>> Views =>
        from seat in _seats
        where seat.Value.View is not null
        select KeyValuePair.Create(seat.Key, seat.Value.View!);

    /// <summary>A node joined; false where it is known.</summary>
    public bool Add(UniqueAddress node) => _seats.TryAdd(node, new Seat());

    /// <summary>A node is gone for good; false where it was not known.</summary>
    public bool Remove(UniqueAddress node) => _seats.Remove(node);

    /// <summary>A view says which version it shows. False where its node does not belong: it is removed, or so new that the cluster has not told of it yet.</summary>
    public bool Confirm(UniqueAddress node, IActorRef view, ulong version)
    {
        if (!_seats.TryGetValue(node, out var seat)) return false;
        seat.View = view;
        // A view's version only grows; confirmations that overtook each other must not take one back.
        seat.Version = Math.Max(seat.Version, version);
        return true;
    }

    /// <summary>Whether every node shows this version or a later one.</summary>
    public bool IsConfirmed(ulong version) => _seats.Values.All(seat => seat.View is not null && seat.Version >= version);

    /// <summary>The nodes that do not show this version yet, for people.</summary>
    public string Behind(ulong version) =>
        string.Join(", ", _seats.Where(seat => seat.Value.View is null || seat.Value.Version < version).Select(seat => seat.Key.Address.ToString()));

    private sealed class Seat
    {
        public IActorRef? View { get; set; }

        public ulong Version { get; set; }
    }
}
