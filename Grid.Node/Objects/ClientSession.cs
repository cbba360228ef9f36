using System.Collections.Concurrent;

namespace Grid.Node.Objects;

/// <summary>A client over all its connections: the newest epoch decides which of its requests may still be applied.</summary>
internal sealed class ClientSession(Guid id)
{
    private ulong _currentEpoch;
    internal int Connections;

    /// <summary>The session's identity, chosen by the client.</summary>
    public Guid Id { get; } = id;

    /// <summary>The newest epoch seen.</summary>
    public ulong CurrentEpoch => Volatile.Read(ref _currentEpoch);

    /// <summary>Enters an epoch; false where a newer one was seen.</summary>
    public bool TryEnter(ulong epoch)
    {
        while (true)
        {
            var current = CurrentEpoch;
            if (epoch < current) return false;
            if (epoch == current || Interlocked.CompareExchange(ref _currentEpoch, epoch, current) == current) return true;
        }
    }
}

/// <summary>The sessions with a connection to this node. A session is forgotten with its last connection: nothing of it can be queued any more.</summary>
internal sealed class SessionTable
{
    private readonly ConcurrentDictionary<Guid, ClientSession> _sessions = new();

    /// <summary>Enters a session's epoch for a new connection; null where a newer epoch is known.</summary>
    public ClientSession? Enter(Guid id, ulong epoch)
    {
        lock (_sessions)
        {
            var session = _sessions.GetOrAdd(id, static key => new ClientSession(key));
            if (!session.TryEnter(epoch)) return null;
            session.Connections++;
            return session;
        }
    }

    /// <summary>A connection of the session has ended and none of its requests is queued any more.</summary>
    public void Leave(ClientSession session)
    {
        lock (_sessions)
        {
            if (--session.Connections == 0) _sessions.TryRemove(session.Id, out _);
        }
    }
}
