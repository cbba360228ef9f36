using System.Net;
using System.Net.Sockets;

namespace Grid.Tests.Frontends;

/// <summary>Stands between a client and its node on 127.0.0.1, and keeps what the client sends as long as it is told to.</summary>
internal sealed class HoldingLink : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<Task> _connections = [];
    private readonly int _nodePort;
    private readonly Task _accepting;
    private volatile TaskCompletionSource? _hold;
    private CancellationTokenSource _cut = new();
    private long _heldBytes;

    public HoldingLink(int nodePort)
    {
        _nodePort = nodePort;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    /// <summary>The client's way in: it must not learn of another.</summary>
    public string ConnectionString(string member) => $"grid://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}?single-address=true&member={member}&timeout=30s";

    /// <summary>Bytes that were sent and are kept.</summary>
    public long HeldBytes => Interlocked.Read(ref _heldBytes);

    public void Hold() => _hold = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Release()
    {
        var hold = _hold;
        _hold = null;
        hold?.SetResult();
    }

    /// <summary>Ends the connections, and what is kept is never passed on. New ones pass.</summary>
    public async Task CutAsync()
    {
        _hold = null;
        using var cut = Interlocked.Exchange(ref _cut, new CancellationTokenSource());
        await cut.CancelAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        _listener.Stop();
        await _accepting;
        await Task.WhenAll(_connections);
        _stopping.Dispose();
        _cut.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true) _connections.Add(RelayAsync(await _listener.AcceptTcpClientAsync(_stopping.Token)));
        }
        catch (OperationCanceledException)
        {
            // The test is over.
        }
    }

    private async Task RelayAsync(TcpClient client)
    {
        using var node = new TcpClient { NoDelay = true };
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token, _cut.Token);
        using (client)
        {
            client.NoDelay = true;
            try
            {
                await node.ConnectAsync(IPAddress.Loopback, _nodePort, ended.Token);
                var up = PumpAsync(client.GetStream(), node.GetStream(), isUp: true, ended.Token);
                var down = PumpAsync(node.GetStream(), client.GetStream(), isUp: false, ended.Token);
                await await Task.WhenAny(up, down);
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
            {
                // One side is gone: so is the other.
            }

            await ended.CancelAsync();
        }
    }

    private async Task PumpAsync(NetworkStream from, NetworkStream to, bool isUp, CancellationToken cancellation)
    {
        var buffer = new byte[64 << 10];
        while (await from.ReadAsync(buffer, cancellation) is > 0 and var count)
        {
            if (isUp && _hold is { } hold)
            {
                Interlocked.Add(ref _heldBytes, count);
                await hold.Task.WaitAsync(cancellation);
            }

            await to.WriteAsync(buffer.AsMemory(0, count), cancellation);
        }
    }
}
