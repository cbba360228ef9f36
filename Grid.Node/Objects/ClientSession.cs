using System.Collections.Concurrent;

namespace Grid.Node.Objects;

/// <summary>A client over all its connections: the newest epoch decides which of its requests may still be applied.</summary>
internal sealed class ClientSession(Guid id)
{
    private ulong _currentEpoch;
    internal int Connections;
    internal long ForwardedMs;

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

/// <summary>
/// The sessions with a connection to this node, and those that other nodes have forwarded for lately. A session is forgotten with its last connection (nothing of it can be queued any
/// more) and when nothing was forwarded for so long that no node can still hold an older request.
/// </summary>
internal sealed class SessionTable
{
    /// <summary>How long a session is remembered after something was forwarded for it: longer than a node holds what it forwards (<see cref="Gateway.Forwarder"/>).</summary>
    public static readonly TimeSpan ForwardedKept = TimeSpan.FromSeconds(60);

    private readonly ConcurrentDictionary<Guid, ClientSession> _sessions = new();
    private long _sweptMs;

    /// <summary>Enters the epoch in which a forwarded request was made; null where a newer epoch is known.</summary>
    /// <param name="id">The session.</param>
    /// <param name="epoch">The epoch.</param>
    /// <param name="nowMs">The time, in <see cref="Environment.TickCount64"/> milliseconds.</param>
    public ClientSession? EnterForwarded(Guid id, ulong epoch, long nowMs)
    {
        lock (_sessions)
        {
            Sweep(nowMs);
            var session = _sessions.GetOrAdd(id, static key => new ClientSession(key));
            session.ForwardedMs = nowMs;
            return session.TryEnter(epoch) ? session : null;
        }
    }

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
            if (--session.Connections == 0 && !IsForwardedFor(session, Environment.TickCount64)) _sessions.TryRemove(session.Id, out _);
        }
    }

    private static bool IsForwardedFor(ClientSession session, long nowMs) => session.ForwardedMs != 0 && nowMs - session.ForwardedMs < ForwardedKept.TotalMilliseconds;

    private void Sweep(long nowMs)
    {
        if (nowMs - _sweptMs < ForwardedKept.TotalMilliseconds / 4) return;
        _sweptMs = nowMs;
        foreach (var (id, session) in _sessions)
            if (session.Connections == 0 && !IsForwardedFor(session, nowMs)) _sessions.TryRemove(id, out _);
    }
}
