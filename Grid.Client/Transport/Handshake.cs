using System.Buffers;
using System.Net.Sockets;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>Opens connections: TCP, hello, and the node's answer to it.</summary>
internal static class Handshake
{
    private const ulong HelloCorrelation = 1;
    private const int ReadBytes = ProtocolLimits.HeaderBytes + ProtocolLimits.MaxHelloBodyBytes;

    /// <summary>More shards than any grid has: an answer that claims more is no grid's.</summary>
    private const uint MostShards = 1 << 20;

    /// <summary>An open connection.</summary>
    /// <param name="Socket">The socket.</param>
    /// <param name="Address">Where it leads.</param>
    /// <param name="Answer">What the node said.</param>
    /// <param name="Received">What it sent after its answer.</param>
    /// <param name="Epoch">The epoch in which the client greeted.</param>
    public sealed record Greeted(Socket Socket, NodeAddress Address, HelloAnswer Answer, ReadOnlyMemory<byte> Received, ulong Epoch);

    /// <summary>Connects and greets.</summary>
    /// <exception cref="GridUnavailableException">Nobody is there, nobody answers in time, or the node does not serve now.</exception>
    /// <exception cref="GridProtocolException">What answers is no grid node, or speaks no common version.</exception>
    /// <exception cref="NotAllowedException">The node refuses the tenant or credential.</exception>
    public static async Task<Greeted> ConnectAsync(
        NodeAddress address, HelloRequest hello, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        limit.CancelAfter(timeout);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(address.Host, address.Port, limit.Token).ConfigureAwait(false);
            ProbeWhenSilent(socket);
            await SendAsync(socket, Frame(hello), limit.Token).ConfigureAwait(false);
            return await ReadAnswerAsync(socket, address, hello.Epoch, limit.Token).ConfigureAwait(false);
        }
        catch (Exception failure)
        {
            socket.Dispose();
            if (failure is SocketException refused) throw new GridUnavailableException($"{address} cannot be reached: {refused.Message}.", refused);
            if (failure is OperationCanceledException && !cancellationToken.IsCancellationRequested)
                throw new GridUnavailableException($"{address} did not answer within {timeout.TotalSeconds:0.###} s.", failure);
            throw;
        }
    }

    private static void ProbeWhenSilent(Socket socket)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, 15);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, 5);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
    }

    private static ReadOnlyMemory<byte> Frame(HelloRequest hello)
    {
        var body = new ArrayBufferWriter<byte>();
        var writer = new BodyWriter(body);
        hello.Write(ref writer);
        var frame = new byte[ProtocolLimits.HeaderBytes + body.WrittenCount];
        FrameHeader.Request(Opcode.Hello, HelloCorrelation, body.WrittenCount).Write(frame);
        body.WrittenSpan.CopyTo(frame.AsSpan(ProtocolLimits.HeaderBytes));
        return frame;
    }

    private static async Task SendAsync(Socket socket, ReadOnlyMemory<byte> frame, CancellationToken cancellationToken)
    {
        while (!frame.IsEmpty) frame = frame[await socket.SendAsync(frame, cancellationToken).ConfigureAwait(false)..];
    }

    private static async Task<Greeted> ReadAnswerAsync(Socket socket, NodeAddress address, ulong epoch, CancellationToken cancellationToken)
    {
        var buffer = new byte[ReadBytes];
        var filled = 0;
        while (true)
        {
            var read = await socket.ReceiveAsync(buffer.AsMemory(filled), cancellationToken).ConfigureAwait(false);
            if (read == 0) throw new GridUnavailableException($"{address} closed the connection before it answered the hello.");
            filled += read;
            if (TryParse(buffer.AsMemory(0, filled), address, out var answer, out var rest)) return new Greeted(socket, address, answer, rest, epoch);
        }
    }

    private static bool TryParse(ReadOnlyMemory<byte> received, NodeAddress address, out HelloAnswer answer, out ReadOnlyMemory<byte> rest)
    {
        answer = null!;
        rest = default;
        var buffer = new ReadOnlySequence<byte>(received);
        var read = FrameReader.TryRead(ref buffer, ProtocolLimits.MaxHelloBodyBytes, out var header, out var body);
        if (read == FrameReadResult.NeedMore) return false;
        if (read == FrameReadResult.BadLength || !header.IsAnswer || header.Opcode != Opcode.Hello || header.Correlation != HelloCorrelation)
            throw new GridProtocolException($"What answers at {address} is no grid node.", CallOutcome.NotApplied);
        if (header.Status.IsError()) throw Refused(address, header.Status, ErrorFrames.ReadText(body));
        try
        {
            var reader = new BodyReader(body);
            answer = HelloAnswer.Read(ref reader);
        }
        catch (ProtocolException wrong)
        {
            throw new GridProtocolException($"The hello's answer of {address} makes no sense: {wrong.Message}.", CallOutcome.NotApplied, wrong);
        }

        Check(address, answer);
        rest = received[(int)(received.Length - buffer.Length)..];
        return true;
    }

    private static void Check(NodeAddress address, HelloAnswer answer)
    {
        if (answer.Version is < ProtocolLimits.MinVersion or > ProtocolLimits.MaxVersion)
            throw new GridProtocolException(
                $"{address} chose protocol version {answer.Version}, this client speaks {ProtocolLimits.MinVersion} to {ProtocolLimits.MaxVersion}.", CallOutcome.NotApplied);
        if (answer.WindowRequests == 0 || answer.WindowBytes == 0 || answer.ShardCount is 0 or > MostShards)
            throw new GridProtocolException(
                $"The hello's answer of {address} makes no sense: window {answer.WindowRequests} requests, {answer.WindowBytes} bytes, {answer.ShardCount} shards.", CallOutcome.NotApplied);
    }

    private static GridException Refused(NodeAddress address, Status status, string text) => status switch
    {
        Status.NotAllowed => new NotAllowedException($"{address} refused the hello: {text}"),
        Status.NotServing => new GridUnavailableException($"{address} does not serve now: {text}"),
        _ => new GridProtocolException($"{address} refused the hello ({status}): {text}", CallOutcome.NotApplied),
    };
}
