using System.Buffers;
using System.Net.Sockets;
using Grid.Protocol;

namespace Grid.Tests.Client.Support;

/// <summary>One connection of a <see cref="ScriptedNode"/>.</summary>
internal sealed class NodeConnection(ScriptedNode node, Socket socket)
{
    private readonly SemaphoreSlim _writing = new(1);
    private byte[] _buffer = new byte[64 << 10];
    private int _filled;

    public ScriptedNode Node => node;

    /// <summary>Requests read so far, the hello not counted.</summary>
    public int Requests { get; private set; }

    public void Cut()
    {
        // Reset rather than finish: unsent answers are lost, as in a crash.
        if (socket.SafeHandle.IsClosed) return;
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
    }

    public ValueTask SendGoAwayAsync() => SendAsync(FrameHeader.Answer(Opcode.GoAway, 0, Status.Ok, 0), default);

    public async ValueTask SendAsync(FrameHeader header, ReadOnlyMemory<byte> body)
    {
        var frame = new byte[ProtocolLimits.HeaderBytes + body.Length];
        header.Write(frame);
        body.CopyTo(frame.AsMemory(ProtocolLimits.HeaderBytes));
        await SendRawAsync(frame);
    }

    public async ValueTask SendRawAsync(ReadOnlyMemory<byte> bytes)
    {
        await _writing.WaitAsync();
        try
        {
            while (!bytes.IsEmpty) bytes = bytes[await socket.SendAsync(bytes)..];
        }
        finally
        {
            _writing.Release();
        }
    }

    public async Task ServeAsync(CancellationToken stopping)
    {
        while (true)
        {
            while (TryTake(out var header, out var body))
            {
                if (header.Opcode == Opcode.Hello)
                {
                    await GreetAsync(header, body);
                    continue;
                }

                Requests++;
                var request = new NodeRequest(this, header, body);
                if (node.Script is null || !await node.Script(request)) await node.Grid.ServeAsync(request);
            }

            if (_filled == _buffer.Length) Array.Resize(ref _buffer, _buffer.Length * 2);
            var read = await socket.ReceiveAsync(_buffer.AsMemory(_filled), stopping);
            if (read == 0) return;
            _filled += read;
        }
    }

    private bool TryTake(out FrameHeader header, out byte[] body)
    {
        body = [];
        var rest = new ReadOnlySequence<byte>(_buffer, 0, _filled);
        if (FrameReader.TryRead(ref rest, ProtocolLimits.MaxBodyBytes, out header, out var sequence) != FrameReadResult.Frame) return false;
        body = sequence.ToArray();
        var left = (int)rest.Length;
        _buffer.AsSpan(_filled - left, left).CopyTo(_buffer);
        _filled = left;
        return true;
    }

    private async Task GreetAsync(FrameHeader header, byte[] body)
    {
        node.Hellos.Enqueue(ReadHello(body));
        var output = new ArrayBufferWriter<byte>();
        if (node.RefuseHello is { } refusal)
        {
            ErrorFrames.Write(output, Opcode.Hello, header.Correlation, refusal.Status, refusal.Text);
            await SendRawAsync(output.WrittenMemory);
            return;
        }

        WriteHello(output);
        await SendAsync(FrameHeader.Answer(Opcode.Hello, header.Correlation, Status.Ok, output.WrittenCount), output.WrittenMemory);
    }

    private static HelloRequest ReadHello(byte[] body)
    {
        var reader = new BodyReader(new ReadOnlySequence<byte>(body));
        return HelloRequest.Read(ref reader);
    }

    private void WriteHello(IBufferWriter<byte> output)
    {
        var writer = new BodyWriter(output);
        node.Hello.Write(ref writer);
    }
}
