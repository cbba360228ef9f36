using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace Grid.Tests.Harness;

/// <summary>What a <see cref="PostgresProxy"/> does where a transaction that writes events is about to be committed.</summary>
public enum AtCommit
{
    /// <summary>Passes on what commits it.</summary>
    Pass,

    /// <summary>Keeps that until <see cref="PostgresProxy.Release"/>, as a node that is paused there.</summary>
    Hold,

    /// <summary>Cuts the connection instead: the server rolls back.</summary>
    CutBefore,

    /// <summary>Lets the server commit and cuts the connection before it can say so.</summary>
    CutAfter,
}

/// <summary>Stands between a node and PostgreSQL, on 127.0.0.1: passes bytes on, slowly where a test wants it, and knows where a transaction of events is committed.</summary>
public sealed class PostgresProxy : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<Task> _connections = [];
    private readonly int _serverPort;
    private long _sentBytes;
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

    /// <summary>What happens to commits of events from now on.</summary>
    public AtCommit AtCommit { get; set; }

    /// <summary>How much later than it came everything from the node is passed on.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>Of a connection's bytes so many more are passed on from now, the rest is kept until <see cref="Release"/>; null: all are.</summary>
    public long? HoldAfterBytes { get; set; }

    /// <summary>Bytes that nodes have sent.</summary>
    public long SentBytes => Interlocked.Read(ref _sentBytes);

    /// <summary>Completes when something is held, or was cut.</summary>
    public Task Met => _held.Task;

    /// <summary>Lets what is held go, and everything pass.</summary>
    public void Release()
    {
        (AtCommit, HoldAfterBytes) = (AtCommit.Pass, null);
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
            if (!isUpwards)
            {
                if (state.CutsNext) return;
                await to.WriteAsync(buffer.AsMemory(0, count), cancellation);
                continue;
            }

            if (Delay > TimeSpan.Zero) await Task.Delay(Delay, cancellation);
            Interlocked.Add(ref _sentBytes, count);
            if (!await PassUpAsync(buffer.AsMemory(0, count), to, state, cancellation)) return;
        }
    }

    /// <summary>Passes on what the node sent; false where the connection is to be cut.</summary>
    private async Task<bool> PassUpAsync(ReadOnlyMemory<byte> bytes, NetworkStream to, Relayed state, CancellationToken cancellation)
    {
        var passed = 0;
        while (state.Frontend.NextCommit(bytes.Span, out var at))
        {
            // Everything before has its effect already; the server waits for the byte that commits it.
            if (AtCommit == AtCommit.Pass) continue;
            await to.WriteAsync(bytes[passed..at], cancellation);
            passed = at;
            if (!await MeetAsync(state, cancellation)) return false;
        }

        if (HoldAfterBytes is { } most)
        {
            var now = (int)Math.Clamp(most - state.Counted, 0, bytes.Length - passed);
            state.Counted += bytes.Length - passed;
            if (now < bytes.Length - passed)
            {
                await to.WriteAsync(bytes.Slice(passed, now), cancellation);
                passed += now;
                var released = _released.Task;
                _held.TrySetResult();
                await released.WaitAsync(cancellation);
                // What is behind it passes, and counts for nothing.
                state.Counted = 0;
            }
        }
        else state.Counted = 0;

        await to.WriteAsync(bytes[passed..], cancellation);
        return true;
    }

    /// <summary>Whether what commits is to be passed on.</summary>
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

        public PostgresFrontend Frontend { get; } = new();

        /// <summary>Bytes since there is a <see cref="HoldAfterBytes"/>.</summary>
        public long Counted { get; set; }
    }
}
