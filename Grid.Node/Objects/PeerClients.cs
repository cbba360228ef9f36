using Grid.Client;

namespace Grid.Node.Objects;

/// <summary>How a node's own client shows itself to other nodes: it may forward, and it is sent away last when a node leaves.</summary>
internal static class PeerAgent
{
    public const string Name = "grid-node-peer";
}

/// <summary>
/// The clients with which this node asks other nodes over the data plane: one a node, made when the first request goes there. It reconnects by itself; a request that finds
/// no connection fails at once. The client of a node that has left the cluster is closed.
/// </summary>
internal sealed class PeerClients : IAsyncDisposable
{
    /// <summary>How long the client of a node that is gone is kept: it may owe answers, and the node may come back.</summary>
    public static readonly TimeSpan KeptFor = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan ConnectTimeout = TimeSpan.FromSeconds(1);
    private readonly Lock _gate = new();
    private readonly Dictionary<string, Peer> _peers = new(StringComparer.Ordinal);
    private bool _isClosed;

    /// <summary>Clients that are open or being opened.</summary>
    public int Count
    {
        get
        {
            lock (_gate) return _peers.Count;
        }
    }

    /// <summary>The client of a node.</summary>
    /// <param name="address">Where the node serves data, <c>host:port</c>.</param>
    /// <exception cref="GridException">It cannot be reached.</exception>
    public async Task<GridClient> GetAsync(string address)
    {
        Peer? peer;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            if (!_peers.TryGetValue(address, out peer)) _peers.Add(address, peer = new Peer(Task.Run(() => ConnectAsync(address))));
        }

        try
        {
            return await peer.Client.ConfigureAwait(false);
        }
        catch (Exception)
        {
            // The next one tries anew.
            lock (_gate)
            {
                if (_peers.TryGetValue(address, out var failed) && failed == peer) _peers.Remove(address);
            }

            throw;
        }
    }

    /// <summary>Closes the clients of nodes that have not been among these for <see cref="KeptFor"/>.</summary>
    /// <param name="addresses">The members' addresses.</param>
    /// <param name="nowMs">The time, in <see cref="Environment.TickCount64"/> milliseconds.</param>
    public void Keep(IReadOnlySet<string> addresses, long nowMs)
    {
        lock (_gate)
        {
            foreach (var (address, peer) in _peers)
            {
                peer.GoneSinceMs = addresses.Contains(address) ? null : peer.GoneSinceMs ?? nowMs;
                if (nowMs - peer.GoneSinceMs < KeptFor.TotalMilliseconds || peer.GoneSinceMs is null) continue;
                _peers.Remove(address);
                _ = CloseAsync(peer);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        Peer[] left;
        lock (_gate)
        {
            _isClosed = true;
            left = [.. _peers.Values];
            _peers.Clear();
        }

        foreach (var peer in left) await CloseAsync(peer).ConfigureAwait(false);
    }

    private static Task<GridClient> ConnectAsync(string address) => GridClient.ConnectAsync(new GridClientOptions
    {
        Addresses = [address],
        SingleAddress = true,
        NeverWaitsForConnection = true,
        Agent = PeerAgent.Name,
        ConnectTimeout = ConnectTimeout,
        Timeout = ConnectTimeout,
    }).AsTask();

    private static async Task CloseAsync(Peer peer)
    {
        try
        {
            await (await peer.Client.ConfigureAwait(false)).DisposeAsync().ConfigureAwait(false);
        }
        catch (GridException)
        {
            // It was never opened: there is nothing to close.
        }
    }

    private sealed class Peer(Task<GridClient> client)
    {
        public Task<GridClient> Client { get; } = client;

        /// <summary>Since when its node is no member.</summary>
        public long? GoneSinceMs { get; set; }
    }
}
