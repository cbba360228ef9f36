using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.IO.Pipelines;
using System.Net.Sockets;

namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>A connection to another server: many requests at a time, whose answers come in any order. It ends once and for all with the first thing that goes wrong.</summary>
internal sealed class OriginLink : IDisposable
{
    private const int MostRequests = 128;
    private readonly Socket _socket;
    private readonly NetworkStream _stream;
    private readonly ConcurrentDictionary<ulong, OriginRequest> _waiting = new();
    private readonly SemaphoreSlim _slots = new(MostRequests, MostRequests);
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly byte[] _head = new byte[NbdRequest.HeadBytes];
    private readonly Lock _gate = new();
    private IOException? _end;
    private ulong _cookie;
    private long _heardMs = Environment.TickCount64;

    private OriginLink(Socket socket, NetworkStream stream, OriginTerms terms)
    {
        (_socket, _stream, Terms) = (socket, stream, terms);
        _ = ReceiveAsync();
    }

    /// <summary>What the server said.</summary>
    public OriginTerms Terms { get; }

    /// <summary>Whether it is of no use any more.</summary>
    public bool IsLost => Volatile.Read(ref _end) is not null;

    /// <summary>Connects and agrees.</summary>
    /// <param name="host">The server.</param>
    /// <param name="port">Its port.</param>
    /// <param name="export">Its export.</param>
    /// <param name="keepAlive">Silence after which TCP probes it.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">The server cannot be had.</exception>
    public static async Task<OriginLink> OpenAsync(string host, int port, string export, TimeSpan keepAlive, CancellationToken cancellation)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, (int)Math.Ceiling(keepAlive.TotalSeconds));
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
            await socket.ConnectAsync(host, port, cancellation).ConfigureAwait(false);
            var stream = new NetworkStream(socket, ownsSocket: true);
            return new OriginLink(socket, stream, await new OriginHandshake(stream, export).RunAsync(cancellation).ConfigureAwait(false));
        }
        catch (SocketException e)
        {
            socket.Dispose();
            throw new IOException(e.Message, e);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Asks, and waits for the answer.</summary>
    /// <param name="request">What is asked. When this returns or throws, its buffers are the caller's again.</param>
    /// <param name="timeout">How long it is waited for.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="NbdException">The server could not do it.</exception>
    /// <exception cref="IOException">The connection is lost: it may have done it or not.</exception>
    /// <exception cref="TimeoutException">There was no answer in time.</exception>
    public async ValueTask AskAsync(OriginRequest request, TimeSpan timeout, CancellationToken cancellation)
    {
        var since = Environment.TickCount64;
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(timeout);
        try
        {
            await _slots.WaitAsync(patience.Token).ConfigureAwait(false);
            await SendAsync(request, patience.Token).ConfigureAwait(false);
            await request.Answered.WaitAsync(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            request.GiveUp();
            // Slow is one thing; one that has said nothing in all the time is not there.
            if (Volatile.Read(ref _heardMs) < since) Lose(new IOException($"it said nothing for {timeout.TotalSeconds:0.#} s"));
            throw new TimeoutException($"no answer within {timeout.TotalSeconds:0.#} s");
        }
        catch (OperationCanceledException)
        {
            request.GiveUp();
            throw;
        }
    }

    /// <summary>Ends it; who waits is told why.</summary>
    public void Lose(IOException why)
    {
        lock (_gate)
        {
            if (_end is not null) return;
            _end = why;
        }

        _socket.Dispose();
        foreach (var cookie in _waiting.Keys)
            if (Remove(cookie) is { } request) request.Lose(why);
    }

    public void Dispose() => Lose(new IOException("the connection was closed"));

    private OriginRequest? Remove(ulong cookie)
    {
        if (!_waiting.TryRemove(cookie, out var request)) return null;
        _slots.Release();
        return request;
    }

    private async ValueTask SendAsync(OriginRequest request, CancellationToken cancellation)
    {
        try
        {
            await _sending.WaitAsync(cancellation).ConfigureAwait(false);
        }
        catch
        {
            _slots.Release();
            throw;
        }

        try
        {
            var cookie = ++_cookie;
            // Whoever is in the dictionary is told of the end: from here on the slot is given back with the answer.
            lock (_gate)
            {
                if (_end is { } end)
                {
                    _slots.Release();
                    throw new IOException(end.Message, end);
                }

                _waiting[cookie] = request;
            }

            BinaryPrimitives.WriteUInt32BigEndian(_head, NbdMagic.Request);
            BinaryPrimitives.WriteUInt16BigEndian(_head.AsSpan(4), (ushort)request.Flags);
            BinaryPrimitives.WriteUInt16BigEndian(_head.AsSpan(6), (ushort)request.Command);
            BinaryPrimitives.WriteUInt64BigEndian(_head.AsSpan(8), cookie);
            BinaryPrimitives.WriteInt64BigEndian(_head.AsSpan(16), request.Offset);
            BinaryPrimitives.WriteUInt32BigEndian(_head.AsSpan(24), request.LengthBytes);
            await _stream.WriteAsync(_head, cancellation).ConfigureAwait(false);
            if (request.Data.Length > 0) await _stream.WriteAsync(request.Data, cancellation).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            Lose(new IOException($"the connection broke: {e.Message}", e));
            throw new IOException(e.Message, e);
        }
        catch (OperationCanceledException)
        {
            // Half a request may have gone out.
            Lose(new IOException("it did not take a request in time"));
            throw;
        }
        finally
        {
            _sending.Release();
        }
    }

    private async Task ReceiveAsync()
    {
        var input = PipeReader.Create(_stream, new StreamPipeReaderOptions(bufferSize: 64 << 10, leaveOpen: true));
        var replies = new OriginReplies(Terms, cookie => _waiting.GetValueOrDefault(cookie), cookie => Remove(cookie));
        try
        {
            while (true)
            {
                var read = await input.ReadAsync().ConfigureAwait(false);
                Volatile.Write(ref _heardMs, Environment.TickCount64);
                var buffer = read.Buffer;
                replies.Read(ref buffer);
                input.AdvanceTo(buffer.Start, buffer.End);
                if (!read.IsCompleted) continue;
                Lose(new IOException("it closed the connection"));
                return;
            }
        }
        catch (Exception e)
        {
            // Whatever it is: who waits must be told.
            Lose(e is NbdPeerException ? (IOException)e : new IOException($"the connection broke: {e.Message}", e));
        }
    }
}
