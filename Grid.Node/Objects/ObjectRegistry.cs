using System.Collections.Concurrent;
using Akka.Actor;
using Grid.Node.Cluster;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>An object whose actor lives on this node and is ready.</summary>
/// <param name="key">The object.</param>
/// <param name="actor">Its actor.</param>
internal sealed class ObjectEntry(ObjectKey key, IActorRef actor)
{
    private bool _isClosed;

    /// <summary>The object.</summary>
    public ObjectKey Key { get; } = key;

    /// <summary>Its actor.</summary>
    public IActorRef Actor { get; } = actor;

    /// <summary>When the actor last did something, in <see cref="Environment.TickCount64"/> milliseconds.</summary>
    public long LastUsedMs { get; set; } = Environment.TickCount64;

    /// <summary>The shard's life that it lives in.</summary>
    public ShardLife? Life { get; init; }

    /// <summary>Whether its pool is persistent: it may leave memory without losing anything.</summary>
    public bool IsPersistent { get; init; }

    /// <summary>Pages in its index: what the sweeper decides by.</summary>
    public int Pages { get; set; }

    /// <summary>Bytes of its index: what its leaving gives back.</summary>
    public long IndexBytes { get; set; }

    /// <summary>Set once the actor has stopped: what is told to it from now on is never taken.</summary>
    public bool IsClosed => Volatile.Read(ref _isClosed);

    /// <summary>The actor has stopped.</summary>
    public void Close()
    {
        Volatile.Write(ref _isClosed, true);
        Interlocked.MemoryBarrier();
    }
}

/// <summary>Which objects live on this node: the way from a gateway to an actor without a shard-region hop.</summary>
internal sealed class ObjectRegistry
{
    private readonly ConcurrentDictionary<ObjectKey, ObjectEntry> _entries = new(ObjectKeyComparer.Instance);

    /// <summary>Objects that are ready.</summary>
    public int Count => _entries.Count;

    /// <summary>Every ready object; a moving picture.</summary>
    public IEnumerable<KeyValuePair<ObjectKey, ObjectEntry>> Entries => _entries;

    /// <summary>Looks an object up.</summary>
    public bool TryGet(in ObjectKey key, out ObjectEntry entry) => _entries.TryGetValue(key, out entry!);

    /// <summary>An actor is ready: the first thing before it answers.</summary>
    public void Enter(ObjectEntry entry) => _entries[entry.Key] = entry;

    /// <summary>An actor stops: the first thing it does.</summary>
    public void Leave(ObjectEntry entry) => _entries.TryRemove(new KeyValuePair<ObjectKey, ObjectEntry>(entry.Key, entry));

    private sealed class ObjectKeyComparer : IEqualityComparer<ObjectKey>
    {
        public static readonly ObjectKeyComparer Instance = new();

        public bool Equals(ObjectKey x, ObjectKey y) => x == y;

        public int GetHashCode(ObjectKey key)
        {
            var hash = key.Pool.Value * 0x9E3779B97F4A7C15;
            hash = (hash ^ key.Object.Word0) * 0xBF58476D1CE4E5B9;
            hash = (hash ^ (hash >> 32) ^ key.Object.Word1) * 0x94D049BB133111EB;
            hash = (hash ^ (hash >> 29) ^ key.Object.Word2) * 0x9E3779B97F4A7C15;
            return (int)(hash >> 32);
        }
    }
}
