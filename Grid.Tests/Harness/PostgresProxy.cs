using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace Grid.Tests.Harness;

/// <summary>What a <see cref="PostgresProxy"/> does with a COMMIT.</summary>
public enum AtCommit
{
    /// <summary>Passes it on.</summary>
    Pass,

    /// <summary>Keeps it until <see cref="PostgresProxy.Release"/>, as a node that is paused there.</summary>
    Hold,

    /// <summary>Cuts the connection instead: the server rolls back.</summary>
    CutBefore,

    /// <summary>Lets the server commit and cuts the connection before it can say so.</summary>
    CutAfter,
}

/// <summary>Stands between a node and PostgreSQL, on 127.0.0.1: passes bytes on, slowly where a test wants it, and knows a COMMIT when it passes.</summary>
public sealed class PostgresProxy : IAsyncDisposable
{
    private static readonly byte[] Commit = "COMMIT\0"u8.ToArray();
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<Task> _connections = [];
    private readonly int _serverPort;
    private readonly Task _accepting;
    private TaskCompletionSource _held = NewSource();
    private TaskCompletionSource _released = NewSource();

    public PostgresProxy(int serverPort)
    {
        _serverPort = serverPort;
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>What happens to COMMITs from now on.</summary>
    public AtCommit AtCommit { get; set; }

    /// <summary>How much later than it came everything from the node is passed on.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>Completes when a COMMIT is held, or was cut.</summary>
    public Task Met => _held.Task;

    /// <summary>Lets what is held go, and COMMITs pass.</summary>
    public void Release()
    {
        AtCommit = AtCommit.Pass;
        (var released, _released, _held) = (_released, NewSource(), NewSource());
        released.SetResult();
    }

    /// <summary>The connection string, leading through here.</summary>
    public string Lead(string connectionString) => new NpgsqlConnectionStringBuilder(connectionString) { Port = Port }.ConnectionString;

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
            while (true) _connections.Add(RelayAsync(await _listener.AcceptTcpClientAsync(_stopping.Token)));
        }
        catch (OperationCanceledException)
        {
            // The test is over.
        }
    }

    private async Task RelayAsync(TcpClient client)
    {
        using (client)
        using (var server = new TcpClient { NoDelay = true })
        using (var ended = CancellationTokenSource.CreateLinkedTokenSource(_stopping.Token))
        {
            client.NoDelay = true;
            try
            {
                await server.ConnectAsync(IPAddress.Loopback, _serverPort, ended.Token);
                var state = new Relayed();
                var upwards = PumpAsync(client.GetStream(), server.GetStream(), state, isUpwards: true, ended.Token);
                var downwards = PumpAsync(server.GetStream(), client.GetStream(), state, isUpwards: false, ended.Token);
                await await Task.WhenAny(upwards, downwards);
            }
            catch (Exception e) when (e is IOException or SocketException or OperationCanceledException)
            {
                // One side is gone: so is the other.
            }

            await ended.CancelAsync();
        }
    }

    private async Task PumpAsync(NetworkStream from, NetworkStream to, Relayed state, bool isUpwards, CancellationToken cancellation)
    {
        var buffer = new byte[64 << 10];
        while (await from.ReadAsync(buffer, cancellation) is > 0 and var count)
        {
            if (!isUpwards && state.CutsNext) return;
            if (isUpwards && Delay > TimeSpan.Zero) await Task.Delay(Delay, cancellation);
            if (isUpwards && AtCommit != AtCommit.Pass && buffer.AsSpan(0, count).IndexOf(Commit) >= 0 && !await MeetAsync(state, cancellation)) return;
            await to.WriteAsync(buffer.AsMemory(0, count), cancellation);
        }
    }

    /// <summary>Whether the COMMIT is to be passed on.</summary>
    private async Task<bool> MeetAsync(Relayed state, CancellationToken cancellation)
    {
        var (what, released) = (AtCommit, _released.Task);
        _held.TrySetResult();
        if (what == AtCommit.Hold) await released.WaitAsync(cancellation);
        state.CutsNext = what == AtCommit.CutAfter;
        return what != AtCommit.CutBefore;
    }

    private static TaskCompletionSource NewSource() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private sealed class Relayed
    {
        /// <summary>Whether what the server says next is kept from the node, with the connection.</summary>
        public volatile bool CutsNext;
    }
}
