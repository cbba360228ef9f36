using System.Collections.Concurrent;
using Grid.Node.Objects;

namespace Grid.Node.Gateway;

/// <summary>The open connections of a node: claims what a stopped actor left, and ends them all on a graceful stop.</summary>
internal sealed class ConnectionTable : IOrphanClaimer
{
    private const string Stopping = "the node is stopping";
    private readonly ConcurrentDictionary<GatewayConnection, byte> _connections = new();
    private bool _isOver;

    /// <summary>Whether the node is leaving: new requests are not applied any more.</summary>
    public bool IsDraining { get; private set; }

    /// <summary>Open connections.</summary>
    public int Count => _connections.Count;

    /// <summary>Enters a connection.</summary>
    public void Enter(GatewayConnection connection)
    {
        _connections[connection] = 0;
        if (IsDraining) connection.GoAway();
        if (Volatile.Read(ref _isOver)) connection.Abort(Stopping);
    }

    /// <summary>Removes a connection.</summary>
    public void Leave(GatewayConnection connection) => _connections.TryRemove(connection, out _);

    /// <inheritdoc/>
    public void ClaimOrphans(ObjectEntry entry)
    {
        foreach (var (connection, _) in _connections) connection.Claim(entry);
    }

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
        IsDraining = true;
        foreach (var (connection, _) in _connections) connection.GoAway();
        var deadline = Environment.TickCount64 + (long)patience.TotalMilliseconds;
        while (_connections.Keys.Any(connection => !connection.IsPeer) && Environment.TickCount64 < deadline && !hurry.IsCancellationRequested)
            await Task.Delay(10, CancellationToken.None).ConfigureAwait(false);
        foreach (var connection in _connections.Keys)
            if (!connection.IsPeer) connection.Cut(Stopping);
    }

    /// <summary>Cuts every connection that is left or comes yet.</summary>
    public void End()
    {
        Volatile.Write(ref _isOver, true);
        Interlocked.MemoryBarrier();
        foreach (var connection in _connections.Keys) connection.Abort(Stopping);
    }
}
