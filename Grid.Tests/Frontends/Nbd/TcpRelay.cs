using System.Net;
using System.Net.Sockets;
using Grid.Tests.Harness;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>One address of 127.0.0.1 that leads to several nodes, as a load balancer's does: each connection goes to the next of them that lives, and ends with it.</summary>
internal sealed class TcpRelay : IAsyncDisposable
{
    private static readonly TimeSpan EndPatience = TimeSpan.FromSeconds(10);
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<Task> _connections = [];
    private readonly IReadOnlyList<NodeProcess> _nodes;
    private readonly int _port;
    private readonly Task _accepting;
    private int _next;

    /// <summary>Leads to these nodes.</summary>
    /// <param name="nodes">The nodes.</param>
    /// <param name="port">The port that each listens on.</param>
    public TcpRelay(IReadOnlyList<NodeProcess> nodes, int port)
    {
        (_nodes, _port) = (nodes, port);
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>Connections so far.</summary>
    public int Count { get; private set; }

    /// <summary>Where the connection leads over which something came last: of several, the kernel of a machine with one processor uses one.</summary>
    public NodeProcess? Active { get; private set; }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_connections);
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                var client = await _listener.AcceptSocketAsync(_stopping.Token);
                _connections.RemoveAll(connection => connection.IsCompleted);
                _connections.Add(ServeAsync(client));
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using var near = client;
        if (await ConnectAsync() is not var (node, socket)) return;
        using var far = socket;
        near.NoDelay = far.NoDelay = true;
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        var directions = new[] { PassAsync(near, far, node, ended.Token), PassAsync(far, near, node, ended.Token) };
        await Task.WhenAny(directions);
        await ended.CancelAsync();
        await Task.WhenAll(directions);
        await EndAsync(near);
    }

    /// <summary>Says that nothing more comes and waits until the other end says so as well: a close with bytes unread would be a reset, which QEMU's own network does not pass on for sure.</summary>
    private async Task EndAsync(Socket socket)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token);
        patience.CancelAfter(EndPatience);
        try
        {
            socket.Shutdown(SocketShutdown.Send);
            var buffer = new byte[64 << 10];
            while (await socket.ReceiveAsync(buffer, patience.Token) > 0)
            {
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
        }
    }

    private async Task<(NodeProcess Node, Socket Socket)?> ConnectAsync()
    {
        for (var tries = 0; tries < _nodes.Count; tries++)
        {
            var node = _nodes[_next++ % _nodes.Count];
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(IPAddress.Parse(node.Host), _port, _stopping.Token);
                Count++;
                return (node, socket);
            }
            catch (Exception e) when (e is OperationCanceledException or SocketException)
            {
                socket.Dispose();
            }
        }

        return null;
    }

    private async Task PassAsync(Socket from, Socket to, NodeProcess node, CancellationToken ended)
    {
        var buffer = new byte[256 << 10];
        try
        {
            while (await from.ReceiveAsync(buffer, ended) is > 0 and var read)
            {
                Active = node;
                for (var sent = 0; sent < read;) sent += await to.SendAsync(buffer.AsMemory(sent, read - sent), ended);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or SocketException)
        {
        }
    }
}
