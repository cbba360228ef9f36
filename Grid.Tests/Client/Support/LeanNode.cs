using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using Grid.Protocol;

namespace Grid.Tests.Client.Support;

/// <summary>
/// A node that allocates nothing while it answers, so that what a process with both ends allocates is the client's. It greets and creates pools as a
/// <see cref="ScriptedNode"/> does, then answers gets and puts of 4 KiB from one thread.
/// </summary>
internal sealed class LeanNode : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly Thread _thread;

    public LeanNode()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen();
        _thread = new Thread(Serve) { IsBackground = true };
        _thread.Start();
    }

    public string ConnectionString => $"grid://{_listener.LocalEndPoint}";

    public void Dispose()
    {
        _listener.Dispose();
        _thread.Join();
    }

    private void Serve()
    {
        try
        {
            using var socket = _listener.Accept();
            socket.NoDelay = true;
            var received = new byte[1 << 20];
            var answers = new byte[1 << 20];
            for (var held = 0; ;)
            {
                var read = socket.Receive(received, held, received.Length - held, SocketFlags.None);
                if (read == 0) return;
                held += read;
                var (used, made) = Answer(received.AsSpan(0, held), answers);
                received.AsSpan(used, held - used).CopyTo(received);
                held -= used;
                for (var sent = 0; sent < made;) sent += socket.Send(answers, sent, made - sent, SocketFlags.None);
            }
        }
        catch (SocketException)
        {
            // The client is gone, or nobody came.
        }
    }

    private static (int Used, int Made) Answer(ReadOnlySpan<byte> received, Span<byte> answers)
    {
        var (used, made) = (0, 0);
        while (received.Length - used >= ProtocolLimits.HeaderBytes)
        {
            var frame = received[used..];
            var frameBytes = sizeof(uint) + (int)BinaryPrimitives.ReadUInt32LittleEndian(frame);
            if (frame.Length < frameBytes || answers.Length - made < 8192) break;
            var opcode = (Opcode)frame[4];
            var correlation = BinaryPrimitives.ReadUInt64LittleEndian(frame[8..]);
            var body = answers[(made + ProtocolLimits.HeaderBytes)..];
            var bodyBytes = opcode switch
            {
                Opcode.Hello => Write(body, static (ref BodyWriter writer) => new HelloAnswer { WindowRequests = 1024, WindowBytes = 8 << 20, ShardCount = 128 }.Write(ref writer)),
                Opcode.PoolCreate => Write(body, static (ref BodyWriter writer) =>
                    PoolCodec.WriteInfo(ref writer, new PoolInfo(new PoolId(1), "pool", "default", new PoolOptions { Sharing = PoolSharing.Shared }, false, 1))),
                Opcode.Topology => Write(body, static (ref BodyWriter writer) => new Topology([], []).Write(ref writer)),
                Opcode.Get => ObjectVersion.SizeBytes + 4096,
                _ => ObjectVersion.SizeBytes,
            };
            FrameHeader.Answer(opcode, correlation, Status.Ok, bodyBytes).Write(answers[made..]);
            used += frameBytes;
            made += ProtocolLimits.HeaderBytes + bodyBytes;
        }

        return (used, made);
    }

    private static int Write(Span<byte> body, BodyMaker make)
    {
        var output = new System.Buffers.ArrayBufferWriter<byte>();
        var writer = new BodyWriter(output);
        make(ref writer);
        output.WrittenSpan.CopyTo(body);
        return output.WrittenCount;
    }

    private delegate void BodyMaker(ref BodyWriter writer);
}
