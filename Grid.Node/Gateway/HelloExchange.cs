using System.Buffers;
using Grid.Node.Objects;
using Grid.Protocol;
using Microsoft.AspNetCore.Connections;

namespace Grid.Node.Gateway;

/// <summary>The first frames of a connection: the client's hello and this node's answer.</summary>
internal static class HelloExchange
{
    /// <summary>A client that was let in.</summary>
    /// <param name="Hello">What it said.</param>
    /// <param name="Session">Its session, entered: whoever gets this leaves it.</param>
    /// <param name="Version">The protocol version that is spoken with it.</param>
    public sealed record Greeting(HelloRequest Hello, ClientSession Session, ushort Version);

    /// <summary>Reads the hello and answers it; null where the connection is to be closed (the reason is answered and logged).</summary>
    /// <param name="context">The connection.</param>
    /// <param name="services">What the gateway uses.</param>
    /// <param name="tryEnter">Asked last: whether this node lets the client in.</param>
    /// <param name="log">Where refusals are logged.</param>
    public static async Task<Greeting?> RunAsync(ConnectionContext context, GatewayServices services, Func<HelloRequest, bool> tryEnter, ILogger log)
    {
        Greeting? greeting = null;
        var isAnswered = false;
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(context.ConnectionClosed);
        timeout.CancelAfter(services.Limits.HelloTimeout);
        try
        {
            while (true)
            {
                var result = await context.Transport.Input.ReadAsync(timeout.Token).ConfigureAwait(false);
                var buffer = result.Buffer;
                var read = TryReadHello(ref buffer, services, tryEnter, out greeting, out var answer, out var reason);
                context.Transport.Input.AdvanceTo(buffer.Start, read ? buffer.Start : buffer.End);
                if (read)
                {
                    if (answer is not null)
                    {
                        var output = context.Transport.Output;
                        output.Write(answer);
                        await output.FlushAsync(timeout.Token).ConfigureAwait(false);
                    }

                    isAnswered = true;
                    if (greeting is not null) return greeting;
                    services.Metrics.ConnectionRefused();
                    // Clients that look for a new home knock at a node that stops, too.
                    log.Log(services.Connections.IsDraining ? LogLevel.Debug : LogLevel.Warning, "Connection of {Client} closed: {Reason}", context.RemoteEndPoint, reason);
                    return null;
                }

                if (!result.IsCompleted) continue;
                log.LogDebug("Connection of {Client} ended before its hello", context.RemoteEndPoint);
                return null;
            }
        }
        catch (Exception failure) when (failure is OperationCanceledException or IOException or ConnectionResetException)
        {
            log.LogDebug("Connection of {Client} gave no hello: {Reason}", context.RemoteEndPoint, failure.Message);
            return null;
        }
        finally
        {
            if (greeting is not null && !isAnswered) services.Sessions.Leave(greeting.Session);
        }
    }

    private static bool TryReadHello(
        ref ReadOnlySequence<byte> buffer, GatewayServices services, Func<HelloRequest, bool> tryEnter, out Greeting? greeting, out byte[]? answer, out string reason)
    {
        greeting = null;
        answer = null;
        reason = "";
        var read = FrameReader.TryRead(ref buffer, ProtocolLimits.MaxHelloBodyBytes, out var header, out var body);
        if (read == FrameReadResult.NeedMore) return false;
        if (read == FrameReadResult.BadLength)
        {
            reason = "its first frame has a length that no hello can have";
            return true;
        }

        if (header.RawOpcode != (byte)Opcode.Hello || header.Flags != 0 || header.Status != 0)
        {
            reason = "its first frame is no hello";
            answer = Error(header, Status.Malformed, "the first frame must be a hello");
            return true;
        }

        try
        {
            var reader = new BodyReader(body);
            var request = HelloRequest.Read(ref reader);
            reader.End();
            var newest = services.Limits.NewestProtocol;
            if (request.MaxVersion < ProtocolLimits.MinVersion || request.MinVersion > newest)
            {
                reason = $"it speaks protocol versions {request.MinVersion} to {request.MaxVersion}, this node {ProtocolLimits.MinVersion} to {newest}";
                answer = Error(header, Status.UnsupportedVersion, reason);
                return true;
            }

            if (request.Tenant != "default" || request.Credential.Length != 0)
            {
                reason = "its tenant or credential is unknown";
                answer = Error(header, Status.NotAllowed, "there is one tenant, 'default', without a credential");
                return true;
            }

            if (!tryEnter(request))
            {
                reason = "the node is stopping";
                answer = Error(header, Status.NotServing, $"{reason}: ask another one");
                return true;
            }

            // Before the answer: a client that was let in sends at once, and what it has sent it must take for possibly applied.
            if (services.Sessions.Enter(request.Session, request.Epoch) is not { } session)
            {
                reason = "its session has reconnected meanwhile";
                answer = Error(header, Status.NotServing, $"the session has a connection of a higher epoch than {request.Epoch} to this node: greet again with a new epoch");
                return true;
            }

            greeting = new Greeting(request, session, Math.Min(request.MaxVersion, newest));
            answer = Accept(header, greeting.Version, services);
        }
        catch (ProtocolException wrong)
        {
            reason = wrong.Message;
            answer = Error(header, Status.Malformed, wrong.Message);
        }

        return true;
    }

    private static byte[] Accept(in FrameHeader header, ushort version, GatewayServices services)
    {
        var body = new ArrayBufferWriter<byte>(256);
        var writer = new BodyWriter(body);
        (services.Hello() with
        {
            Version = version,
            WindowRequests = (uint)services.Limits.WindowRequests,
            WindowBytes = (uint)services.Limits.WindowBytes,
        }).Write(ref writer);
        var frame = new byte[ProtocolLimits.HeaderBytes + body.WrittenCount];
        FrameHeader.Answer(Opcode.Hello, header.Correlation, Status.Ok, body.WrittenCount).Write(frame);
        body.WrittenSpan.CopyTo(frame.AsSpan(ProtocolLimits.HeaderBytes));
        return frame;
    }

    private static byte[] Error(in FrameHeader header, Status status, string text)
    {
        var output = new ArrayBufferWriter<byte>();
        ErrorFrames.Write(output, header.Opcode, header.Correlation, status, text);
        return output.WrittenSpan.ToArray();
    }
}
