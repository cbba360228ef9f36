using System.Buffers;
using System.Net;
using System.Net.Sockets;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Harness;

/// <summary>An answer as it came over the wire.</summary>
internal readonly record struct RawAnswer(FrameHeader Header, byte[] Body)
{
    public string Text => ErrorFrames.ReadText(new ReadOnlySequence<byte>(Body));
}

/// <summary>A bare socket to a node: sends whatever bytes a test likes, reads frames.</summary>
internal sealed class RawConnection : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);
    private readonly Socket _socket;
    private readonly CancellationTokenSource _timeout = new();
    private byte[] _buffer = new byte[64 << 10];
    private int _start;
    private int _end;

    private bool _isClosed;

    private RawConnection(Socket socket) => _socket = socket;

    public static Task<RawConnection> OpenAsync(int port) => OpenAsync("127.0.0.1", port);

    public static async Task<RawConnection> OpenAsync(string host, int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse(host), port));
        return new RawConnection(socket);
    }

    /// <summary>Opens a connection and says hello.</summary>
    public static async Task<RawConnection> OpenGreetedAsync(int port, string agent = "raw test")
    {
        var connection = await OpenAsync(port);
        await connection.SendAsync(Hello(new HelloRequest { Session = Guid.NewGuid(), Epoch = 1, Agent = agent }));
        var answer = await connection.ReadAsync();
        Assert.Equal(Status.Ok, answer?.Header.Status);
        return connection;
    }

    public static byte[] Hello(ushort min = ProtocolLimits.MinVersion, ushort max = ProtocolLimits.MaxVersion) => Hello(Guid.NewGuid(), 1, min, max);

    public static byte[] Hello(Guid session, ulong epoch, ushort min = ProtocolLimits.MinVersion, ushort max = ProtocolLimits.MaxVersion) =>
        Hello(new HelloRequest { Session = session, Epoch = epoch, Agent = "raw test", MinVersion = min, MaxVersion = max });

    public static byte[] Hello(HelloRequest hello)
    {
        var body = new ArrayBufferWriter<byte>();
        var writer = new BodyWriter(body);
        hello.Write(ref writer);
        return Frame(Opcode.Hello, 1, body.WrittenSpan);
    }

    public static byte[] Frame(Opcode opcode, ulong correlation, ReadOnlySpan<byte> body, RequestFlags flags = RequestFlags.None)
    {
        var frame = new byte[ProtocolLimits.HeaderBytes + body.Length];
        FrameHeader.Request(opcode, correlation, body.Length, flags).Write(frame);
        body.CopyTo(frame.AsSpan(ProtocolLimits.HeaderBytes));
        return frame;
    }

    /// <summary>A frame about an object: its head, then whatever follows.</summary>
    public static byte[] ObjectFrame(
        Opcode opcode, ulong correlation, in ObjectRequestHead head, ReadOnlySpan<byte> rest = default, RequestFlags flags = RequestFlags.None)
    {
        var body = new byte[ObjectRequestHead.SizeBytes(flags) + rest.Length];
        var at = head.Write(body, flags);
        rest.CopyTo(body.AsSpan(at));
        return Frame(opcode, correlation, body, flags);
    }

    public async Task SendAsync(ReadOnlyMemory<byte> bytes)
    {
        _timeout.CancelAfter(Deadline);
        while (bytes.Length > 0) bytes = bytes[await _socket.SendAsync(bytes, _timeout.Token)..];
    }

    /// <summary>Sends all of it, or as much as the node takes before it closes the connection; whether that was all.</summary>
    public async Task<bool> TrySendAsync(ReadOnlyMemory<byte> bytes)
    {
        try
        {
            await SendAsync(bytes);
            return true;
        }
        catch (SocketException e) when (IsClosed(e))
        {
            return false;
        }
    }

    /// <summary>The next answer, or null once the node has closed the connection.</summary>
    public async Task<RawAnswer?> ReadAsync()
    {
        while (true)
        {
            if (TryTake(out var header, out var body)) return new RawAnswer(header, body.ToArray());
            if (!await ReceiveAsync()) return null;
        }
    }

    /// <summary>Reads answers until the node closes the connection, and shows their headers.</summary>
    public async Task ReadToEndAsync(Action<FrameHeader> see)
    {
        do
        {
            while (TryTake(out var header, out _)) see(header);
        }
        while (await ReceiveAsync());
    }

    /// <summary>Sends one frame and reads one answer.</summary>
    public async Task<RawAnswer> AskAsync(ReadOnlyMemory<byte> frame)
    {
        await SendAsync(frame);
        return await ReadAsync() ?? throw new InvalidOperationException("the node closed the connection without an answer");
    }

    public void CloseOutput()
    {
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
        }
        catch (SocketException e) when (IsClosed(e) || e.SocketErrorCode == SocketError.NotConnected)
        {
            // The node was faster.
        }
    }

    public ValueTask DisposeAsync()
    {
        if (_isClosed) return ValueTask.CompletedTask;
        _isClosed = true;
        // A reset on close, not TIME_WAIT: a fuzz run opens more connections than there are ports.
        _socket.LingerState = new LingerOption(true, 0);
        _socket.Dispose();
        _timeout.Dispose();
        return ValueTask.CompletedTask;
    }

    private static bool IsClosed(SocketException e) =>
        e.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown or SocketError.ConnectionAborted;

    private async ValueTask<bool> ReceiveAsync()
    {
        Compact();
        _timeout.CancelAfter(Deadline);
        try
        {
            var received = await _socket.ReceiveAsync(_buffer.AsMemory(_end), _timeout.Token);
            _end += received;
            return received > 0;
        }
        catch (SocketException e) when (IsClosed(e))
        {
            return false;
        }
    }

    /// <summary>Takes a whole frame off the received bytes; its body is valid until more is received.</summary>
    private bool TryTake(out FrameHeader header, out ReadOnlySequence<byte> body)
    {
        var received = new ReadOnlySequence<byte>(_buffer, _start, _end - _start);
        var before = received.Length;
        var result = FrameReader.TryRead(ref received, ProtocolLimits.MaxBodyBytes, out header, out body);
        if (result == FrameReadResult.BadLength) throw new InvalidOperationException($"the node sent a frame of length {header.BodyBytes}");
        _start += (int)(before - received.Length);
        return result == FrameReadResult.Frame;
    }

    private void Compact()
    {
        _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
        _end -= _start;
        _start = 0;
        if (_end == _buffer.Length) Array.Resize(ref _buffer, _buffer.Length * 2);
    }
}
