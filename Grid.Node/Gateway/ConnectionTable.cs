using System.Collections.Concurrent;
using Grid.Node.Objects;

namespace Grid.Node.Gateway;

/// <summary>The open connections of a node: claims what a stopped actor left, and ends them all on a graceful stop.</summary>
internal sealed class ConnectionTable : IOrphanClaimer
{
    private const string Stopping = "the node is stopping";
    private readonly ConcurrentDictionary<GatewayConnection, byte> _connections = new();
    private readonly ConcurrentDictionary<IOrphanClaimer, byte> _frontends = new();
    private volatile bool _isDraining;
    private volatile bool _isOver;

    /// <summary>Whether the node is leaving: new requests are not applied any more.</summary>
    public bool IsDraining => _isDraining;

    /// <summary>Open connections.</summary>
    public int Count => _connections.Count;

    /// <summary>
    /// Enters a connection before its hello is answered: once let in, a client sends at once, and what it has sent when the node ends may for all it knows be applied. Whoever entered it removes it.
    /// </summary>
    /// <returns>False where the node is leaving and lets nobody in any more; other nodes it does until they are asked to go, too.</returns>
    public bool TryEnter(GatewayConnection connection)
    {
        _connections[connection] = 0;
        // Either this sees that the node is leaving, or whoever makes it leave sees the connection.
        Interlocked.MemoryBarrier();
        if (!MustGo(connection)) return true;
        Leave(connection);
        return false;
    }

    /// <summary>Whether a connection is to end once everything sent on it is answered.</summary>
    public bool MustGo(GatewayConnection connection) => connection.IsPeer ? _isOver : _isDraining;

    /// <summary>Removes a connection.</summary>
    public void Leave(GatewayConnection connection) => _connections.TryRemove(connection, out _);

    /// <inheritdoc/>
    public void ClaimOrphans(ObjectEntry entry)
    {
        foreach (var (connection, _) in _connections) connection.Claim(entry);
        foreach (var (frontend, _) in _frontends) frontend.ClaimOrphans(entry);
    }

    /// <summary>Enters a part of this node that asks objects as connections do.</summary>
    public void EnterFrontend(IOrphanClaimer frontend) => _frontends[frontend] = 0;

    /// <summary>Removes it; nothing that it asked for is under way any more.</summary>
    public void LeaveFrontend(IOrphanClaimer frontend) => _frontends.TryRemove(frontend, out _);

    /// <summary>Tells the clients that want to know who owns which shard now.</summary>
    public void TellTopology(byte[] body)
    {
        foreach (var (connection, _) in _connections) connection.TellTopology(body);
    }

    /// <summary>
    /// Asks every client to send no more, answers what they have sent, and returns when all connections have ended or the time is over;
    /// what is left then is cut.
    /// </summary>
    public async Task DrainAsync(TimeSpan patience, CancellationToken hurry)
    {
        _isDraining = true;
        await GoneAsync(patience, hurry).ConfigureAwait(false);
    }

    /// <summary>As <see cref="DrainAsync"/>, for the other nodes as well: nothing is served any more, and nobody is let in.</summary>
    public async Task EndAsync(TimeSpan patience, CancellationToken hurry)
    {
        (_isDraining, _isOver) = (true, true);
        await GoneAsync(patience, hurry).ConfigureAwait(false);
    }

    private async Task GoneAsync(TimeSpan patience, CancellationToken hurry)
    {
        Interlocked.MemoryBarrier();
        foreach (var connection in _connections.Keys.Where(MustGo)) connection.GoAway();
        var deadline = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        while (_connections.Keys.Any(MustGo) && Environment.TickCount64 < deadline && !hurry.IsCancellationRequested)
            await Task.Delay(10, CancellationToken.None).ConfigureAwait(false);
        foreach (var connection in _connections.Keys.Where(MustGo)) connection.Cut(Stopping);
    }
}
