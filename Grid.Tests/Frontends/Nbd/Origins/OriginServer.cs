using System.Buffers;
using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Grid.Node.Frontends.Nbd;
using static Grid.Tests.Frontends.Nbd.NbdBytes;

namespace Grid.Tests.Frontends.Nbd.Origins;

/// <summary>An NBD server that is told how to behave: its export <c>image</c> is an array, of which it counts what is read and what is asked. Its handshake is the node's own, its replies are made by hand.</summary>
internal sealed class OriginServer : IAsyncDisposable
{
    public const string Export = "image";
    private const int PageBytes = 4096;
    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<Socket, Task> _connections = new();
    private readonly ConcurrentDictionary<NbdCommand, int> _asked = new();
    private readonly int[] _reads;
    private Socket _listener;
    private Task _accepting;

    public OriginServer(int bytes)
    {
        Content = new byte[bytes];
        _reads = new int[(bytes + PageBytes - 1) / PageBytes];
        (_listener, _accepting) = Listen(0);
        Port = ((IPEndPoint)_listener.LocalEndPoint!).Port;
    }

    public byte[] Content { get; private set; }

    public int Port { get; }

    public string Uri => $"nbd://127.0.0.1:{Port}/{Export}";

    public bool IsReadOnly { get; set; }

    /// <summary>Whether structured replies are agreed on, in two chunks and holes.</summary>
    public bool IsStructured { get; set; } = true;

    /// <summary>Asked before each request is carried out; an error is its answer.</summary>
    public Func<NbdRequest, Task<NbdError>> Before { get; set; } = _ => Task.FromResult(NbdError.None);

    /// <summary>Changes what is sent.</summary>
    public Func<byte[], byte[]> Mangle { get; set; } = bytes => bytes;

    public int[] Reads
    {
        get
        {
            lock (_gate) return [.. _reads];
        }
    }

    public int Asked(NbdCommand command) => _asked.GetValueOrDefault(command);

    /// <summary>Has less from now on.</summary>
    public void Shrink(int bytes) => Content = Content[..bytes];

    /// <summary>Cuts every connection.</summary>
    public void Cut()
    {
        foreach (var socket in _connections.Keys) socket.Close(0);
    }

    /// <summary>Is not there any more.</summary>
    public async Task StopAsync()
    {
        _listener.Dispose();
        await _accepting;
        Cut();
        await Task.WhenAll(_connections.Values);
    }

    /// <summary>Is there again, where it was.</summary>
    public void Start() => (_listener, _accepting) = Listen(Port);

    public async ValueTask DisposeAsync() => await StopAsync();

    private (Socket Listener, Task Accepting) Listen(int port)
    {
        var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
        listener.Listen();
        return (listener, AcceptAsync(listener));
    }

    private async Task AcceptAsync(Socket listener)
    {
        while (true)
        {
            try
            {
                var socket = await listener.AcceptAsync();
                socket.NoDelay = true;
                _connections[socket] = Task.CompletedTask;
                _connections[socket] = Task.Run(() => ServeAsync(socket));
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        var stream = new NetworkStream(socket, ownsSocket: true);
        await using var owned = stream;
        using var sending = new SemaphoreSlim(1, 1);
        try
        {
            var negotiation = new Negotiation(false);
            var greeting = new ArrayBufferWriter<byte>();
            OptionReplies.Greeting(greeting);
            await stream.WriteAsync(Mangle(greeting.WrittenSpan.ToArray()));
            RequestReader? requests = null;
            byte[]? data = null;
            var pending = Array.Empty<byte>();
            var received = new byte[256 << 10];
            while (await stream.ReadAsync(received) is var count and > 0)
            {
                var input = new ReadOnlySequence<byte>([.. pending, .. received.AsSpan(0, count)]);
                if (requests is null && await NegotiateAsync(negotiation, stream, Take(ref input)) is { } rest)
                {
                    input = new ReadOnlySequence<byte>(rest);
                    if (negotiation.Terms is { } terms) requests = new RequestReader(terms);
                }

                while (requests is not null && requests.TryRead(ref input) is var found && found != RequestRead.NeedMore)
                {
                    if (found == RequestRead.Broken || (found == RequestRead.Request && requests.Request.Command == NbdCommand.Disconnect)) return;
                    if (found == RequestRead.NeedBuffer) requests.Take(data = new byte[requests.Request.LengthBytes]);
                    else _ = AnswerAsync(requests.Request, requests.Error, data, negotiation.Terms!.Structured, stream, sending);
                }

                pending = input.ToArray();
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            // Cut, by either side.
        }
        finally
        {
            _connections.TryRemove(socket, out _);
        }
    }

    private static byte[] Take(ref ReadOnlySequence<byte> input) => input.ToArray();

    private async Task<byte[]> NegotiateAsync(Negotiation negotiation, NetworkStream stream, byte[] bytes)
    {
        var input = new ReadOnlySequence<byte>(bytes);
        ExportFacts[] exports = [new(Export, (ulong)Content.Length, IsReadOnly, PageBytes, "")];
        var output = new ArrayBufferWriter<byte>();
        while (negotiation.TryRead(ref input, out var option) == NegotiationRead.Option)
        {
            if (option.Option == NbdOption.StructuredReply && !IsStructured) OptionReplies.Error(output, option.Option, NbdOptionReply.Unsupported, "not today");
            else if (negotiation.Answer(option, exports, output) == NegotiationStep.Transmission) break;
        }

        await stream.WriteAsync(Mangle(output.WrittenSpan.ToArray()));
        return input.ToArray();
    }

    private async Task AnswerAsync(NbdRequest request, NbdError refused, byte[]? data, bool structured, NetworkStream stream, SemaphoreSlim sending)
    {
        try
        {
            _asked.AddOrUpdate(request.Command, 1, (_, count) => count + 1);
            var error = refused == NbdError.None ? await Before(request) : refused;
            var answer = Mangle(error == NbdError.None ? CarryOut(request, data, structured) : Simple(request, error, structured));
            await sending.WaitAsync();
            try
            {
                await stream.WriteAsync(answer);
            }
            finally
            {
                sending.Release();
            }
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException)
        {
            // The client is gone.
        }
    }

    private byte[] CarryOut(NbdRequest request, byte[]? data, bool structured)
    {
        lock (_gate)
        {
            var range = request.Command == NbdCommand.Flush ? default : Content.AsSpan((int)request.Offset, (int)request.LengthBytes);
            switch (request.Command)
            {
                case NbdCommand.Read:
                    for (var page = (long)request.Offset / PageBytes; page * PageBytes < (long)request.Offset + request.LengthBytes; page++) _reads[page]++;
                    return structured ? Chunks(request, range) : [.. Simple(request, NbdError.None, false), .. range];
                case NbdCommand.Write:
                    data!.CopyTo(range);
                    break;
                case NbdCommand.Trim or NbdCommand.WriteZeroes:
                    range.Clear();
                    break;
                case NbdCommand.BlockStatus:
                    return Chunk(request, ChunkType.BlockStatus, true, [.. Big(Negotiation.ContextId), .. Big(request.LengthBytes), .. Big(0u)]);
            }
        }

        return structured ? Chunk(request, ChunkType.None, true, []) : Simple(request, NbdError.None, false);
    }

    /// <summary>Two chunks in the wrong order, of which a half that is zero is a hole, and an empty one at the end.</summary>
    private static byte[] Chunks(NbdRequest request, ReadOnlySpan<byte> range)
    {
        var half = range.Length / 2;
        return [.. Part(request, range, half, range.Length - half), .. Part(request, range, 0, half), .. Chunk(request, ChunkType.None, true, [])];
    }

    private static byte[] Part(NbdRequest request, ReadOnlySpan<byte> range, int at, int bytes)
    {
        if (bytes == 0) return [];
        var part = range.Slice(at, bytes);
        return part.ContainsAnyExcept((byte)0)
            ? Chunk(request, ChunkType.OffsetData, false, [.. Big(request.Offset + (ulong)at), .. part])
            : Chunk(request, ChunkType.OffsetHole, false, [.. Big(request.Offset + (ulong)at), .. Big((uint)bytes)]);
    }

    private static byte[] Simple(NbdRequest request, NbdError error, bool structured) => structured
        ? Chunk(request, ChunkType.Error, true, [.. Big((uint)error), .. Big((ushort)5), .. "wrong"u8])
        : [.. Big(NbdMagic.SimpleReply), .. Big((uint)error), .. Big(request.Cookie)];

    private static byte[] Chunk(NbdRequest request, ChunkType type, bool isLast, byte[] payload) =>
        [.. Big(NbdMagic.StructuredReply), .. Big((ushort)(isLast ? 1 : 0)), .. Big((ushort)type), .. Big(request.Cookie), .. Big((uint)payload.Length), .. payload];
}
