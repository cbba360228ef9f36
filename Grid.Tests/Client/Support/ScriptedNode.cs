using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Grid.Protocol;

namespace Grid.Tests.Client.Support;

/// <summary>A node made of a socket and a dictionary. It speaks the real protocol; a test's script sees every request first and may answer it otherwise, later, or never.</summary>
internal sealed class ScriptedNode : IAsyncDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<NodeConnection, Task> _serving = new();
    private readonly Task _accepting;

    private ScriptedNode(MemoryGrid grid, int port)
    {
        Grid = grid;
        _listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
        _listener.Listen();
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
        Hello = new HelloAnswer
        {
            WindowRequests = 1024,
            WindowBytes = 8 << 20,
            ShardCount = 128,
            GridId = grid.Id,
            NodeName = "scripted",
            NodeAddress = Address,
        };
        _accepting = AcceptAsync();
    }

    public MemoryGrid Grid { get; }

    public int Port { get; }

    public string Address => $"127.0.0.1:{Port}";

    public string ConnectionString => $"grid://{Address}";

    /// <summary>What the node answers to a hello.</summary>
    public HelloAnswer Hello { get; set; }

    /// <summary>An error to answer hellos with.</summary>
    public (Status Status, string Text)? RefuseHello { get; set; }

    /// <summary>Sees every request but hellos; true: it is dealt with, false: the dictionary answers it.</summary>
    public Func<NodeRequest, ValueTask<bool>>? Script { get; set; }

    /// <summary>The hellos so far.</summary>
    public ConcurrentQueue<HelloRequest> Hellos { get; } = new();

    /// <summary>Open connections.</summary>
    public IReadOnlyList<NodeConnection> Connections => [.. _serving.Keys];

    public static ScriptedNode Start(MemoryGrid? grid = null, int port = 0) => new(grid ?? new MemoryGrid(), port);

    /// <summary>Cuts every connection as a crash does.</summary>
    public void CutAll()
    {
        foreach (var connection in _serving.Keys) connection.Cut();
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Dispose();
        CutAll();
        await _accepting;
        await Task.WhenAll(_serving.Values);
        _stopping.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (!_stopping.IsCancellationRequested)
        {
            Socket socket;
            try
            {
                socket = await _listener.AcceptAsync(_stopping.Token);
            }
            catch (Exception end) when (end is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                return;
            }

            socket.NoDelay = true;
            var connection = new NodeConnection(this, socket);
            _serving[connection] = Task.CompletedTask;
            _serving[connection] = ServeAsync(connection);
        }
    }

    private async Task ServeAsync(NodeConnection connection)
    {
        await Task.Yield();
        try
        {
            await connection.ServeAsync(_stopping.Token);
        }
        catch (Exception end) when (end is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // A cut connection: what tests of this node are about.
        }

        connection.Cut();
        _serving.TryRemove(connection, out _);
    }
}
