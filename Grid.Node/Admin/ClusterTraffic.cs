using Akka.Actor;
using Akka.Actor.Setup;

namespace Grid.Node.Admin;

/// <summary>Which part of a node sends a message to another node.</summary>
internal enum TrafficKind
{
    /// <summary>About objects: where they are, and that they come to life.</summary>
    Objects,

    /// <summary>Pings, claims and grants.</summary>
    Guard,

    /// <summary>Before a node is a member.</summary>
    Formation,

    /// <summary>About pools and quotas.</summary>
    Pools,
}

/// <summary>A message that holds pages, or leads to them. It stays in its node: pages go over the data plane only.</summary>
internal interface IBearsPages
{
    /// <summary>Bytes of the pages it holds.</summary>
    long PageBytes { get; }
}

/// <summary>
/// What the node's serializers gave to Akka.Remote, counted where they do it. They are asked only for what leaves the node. That pages never do is a promise: their counter must stay at zero.
/// </summary>
internal sealed class ClusterTraffic : Setup
{
    private readonly long[] _bytes = new long[Enum.GetValues<TrafficKind>().Length];
    private long _pageBytes;
    private long _refused;

    /// <summary>Bytes of pages that came as far as a serializer.</summary>
    public long PageBytes => Interlocked.Read(ref _pageBytes);

    /// <summary>Messages of the Grid that have no serializer and were not sent.</summary>
    public long Refused => Interlocked.Read(ref _refused);

    /// <summary>The counters of a node; of a system that is none, counters that nobody reads.</summary>
    public static ClusterTraffic Of(ExtendedActorSystem system)
    {
        var setup = system.Settings.Setup.Get<ClusterTraffic>();
        return setup.HasValue ? setup.Value : new ClusterTraffic();
    }

    /// <summary>Bytes of one kind so far.</summary>
    public long Bytes(TrafficKind kind) => Interlocked.Read(ref _bytes[(int)kind]);

    /// <summary>Counts a message and gives it back.</summary>
    public byte[] Count(TrafficKind kind, byte[] message)
    {
        Interlocked.Add(ref _bytes[(int)kind], message.Length);
        return message;
    }

    /// <summary>Counts pages that came to a serializer.</summary>
    public void CountPages(long bytes) => Interlocked.Add(ref _pageBytes, bytes);

    /// <summary>Counts a message that is not sent.</summary>
    public void CountRefused(object message)
    {
        Interlocked.Increment(ref _refused);
        if (message is IBearsPages pages) CountPages(pages.PageBytes);
    }
}
