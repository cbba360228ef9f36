using System.Buffers;
using System.IO.Pipelines;
using Grid.Node.Objects;
using Grid.Protocol;
using Microsoft.AspNetCore.Connections;

namespace Grid.Node.Gateway;

/// <summary>
/// One client connection: reads frames, tells requests to object actors, runs those actors' mailboxes itself (see <see cref="InlineRun"/>) and writes the
/// answers. Stops reading while the client has used up its window. All this happens on the thread that serves the process's sockets, so after some work
/// it steps aside.
/// </summary>
internal sealed class GatewayConnection : IRequestSink
{
    /// <summary>After so many bytes or turns the connection goes on elsewhere: some milliseconds that other sockets wait at the most.</summary>
    private const long BytesPerStay = 1 << 20;
    private const int TurnsPerStay = 256;

    private readonly GatewayServices _services;
    private readonly ConnectionContext _context;
    private readonly ILogger _log;
    private readonly PipeReader _input;
    private readonly RequestPool _requests;
    private readonly ConnectionOutput _output;
    private readonly InlineRun _inline = new();
    private ClientSession? _session;
    private HelloRequest _hello = new();
    private bool _goAwaySent;
    private byte[]? _topology;
    private int _isTelling;
    private bool _tellsTopology;
    private bool _isReady;

    public GatewayConnection(GatewayServices services, ConnectionContext context, ILogger log)
    {
        _services = services;
        _context = context;
        _log = log;
        _input = context.Transport.Input;
        _requests = new RequestPool(this, services.Limits.WindowRequests, services.Limits.WindowBytes);
        _output = new ConnectionOutput(context.Transport.Output, services, _requests, OnNoticeWritten, OnDamaged);
    }

    /// <summary>Whether another node is at the other end: it is sent away last when this one leaves.</summary>
    public bool IsPeer => _hello.Agent == PeerAgent.Name;

    /// <inheritdoc/>
    public void Complete(ObjectRequest request) => _output.Push(request);

    /// <summary>Serves the connection until it ends.</summary>
    public async Task RunAsync()
    {
        try
        {
            if (await HelloExchange.RunAsync(_context, _services, TryEnter, _log).ConfigureAwait(false) is { } greeting) await ServeAsync(greeting).ConfigureAwait(false);
        }
        finally
        {
            _services.Connections.Leave(this);
        }
    }

    /// <summary>Who is at the other end is known: enters the table of connections, if the node lets it in.</summary>
    private bool TryEnter(HelloRequest hello)
    {
        _hello = hello;
        return _services.Connections.TryEnter(this);
    }

    private async Task ServeAsync(HelloExchange.Greeting greeting)
    {
        _session = greeting.Session;
        _tellsTopology = _hello.WantsTopology && greeting.Version >= ProtocolLimits.TopologyPushVersion;
        Volatile.Write(ref _isReady, true);
        Interlocked.MemoryBarrier();
        if (_services.Connections.MustGo(this)) GoAway();
        _services.Metrics.ConnectionOpened();
        try
        {
            await ReadAsync().ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is IOException or ConnectionResetException or ConnectionAbortedException or OperationCanceledException)
        {
            Log.Ended(_log, _context.RemoteEndPoint, failure.Message);
        }
        finally
        {
            _services.Connections.Leave(this);
            _services.Metrics.ConnectionClosed();
            await FinishAsync().ConfigureAwait(false);
            _services.Sessions.Leave(_session);
        }
    }

    /// <summary>Claims what an actor that has stopped leaves unanswered.</summary>
    public void Claim(ObjectEntry entry)
    {
        foreach (var request in _requests.All()) request.ClaimFrom(entry);
    }

    /// <summary>Asks the client to send no more on this connection.</summary>
    public void GoAway()
    {
        if (!Volatile.Read(ref _isReady) || Interlocked.Exchange(ref _goAwaySent, true)) return;
        Notify(Opcode.GoAway, null);
    }

    /// <summary>Tells the client who owns which shard now, if it wants to know; where it is slow to read, the newest of what there was to tell.</summary>
    public void TellTopology(byte[] body)
    {
        if (!_isReady || !_tellsTopology) return;
        Interlocked.Exchange(ref _topology, body);
        TellNewest();
    }

    /// <summary>Cuts the connection; what it still owes is named in the log.</summary>
    public void Cut(string reason)
    {
        var owed = _requests.All().Select(request => request.Describe()).Where(text => text.Length > 0).ToArray();
        if (owed.Length > 0) Log.Cut(_log, _context.RemoteEndPoint, reason, owed.Length, string.Join("; ", owed.Take(5)));
        Abort(reason);
    }

    /// <summary>Cuts the connection.</summary>
    public void Abort(string reason) => _context.Abort(new ConnectionAbortedException(reason));

    private void TellNewest()
    {
        while (Volatile.Read(ref _topology) is not null && Interlocked.CompareExchange(ref _isTelling, 1, 0) == 0)
        {
            if (Interlocked.Exchange(ref _topology, null) is { } body)
            {
                Notify(Opcode.TopologyPush, body);
                return;
            }

            Volatile.Write(ref _isTelling, 0);
        }
    }

    /// <summary>Sends what the client did not ask for, outside the window.</summary>
    private void Notify(Opcode opcode, byte[]? body) => new ObjectRequest(this) { Opcode = opcode, IsNotice = true }.AnswerDirectly(Status.Ok, body);

    private void OnNoticeWritten(ObjectRequest notice)
    {
        if (notice.Opcode != Opcode.TopologyPush) return;
        Volatile.Write(ref _isTelling, 0);
        TellNewest();
    }

    private async Task ReadAsync()
    {
        var (bytesLeft, turnsLeft) = (BytesPerStay, TurnsPerStay);
        while (!_output.IsBroken)
        {
            var result = await _input.ReadAsync().ConfigureAwait(false);
            if (bytesLeft <= 0 || --turnsLeft <= 0)
            {
                (bytesLeft, turnsLeft) = (BytesPerStay, TurnsPerStay);
                await Task.Yield();
            }

            var buffer = result.Buffer;
            var before = buffer.Length;
            FrameOutcome outcome;
            do
            {
                var duty = _output.TryTakeDuty();
                outcome = Dispatch(ref buffer, out var bytes);
                if (duty) await _output.DrainAsync().ConfigureAwait(false);
                if (outcome == FrameOutcome.WindowFull) await _requests.WaitAsync(bytes).ConfigureAwait(false);
            }
            while (outcome == FrameOutcome.WindowFull && !_output.IsBroken);

            _services.Metrics.BytesIn(before - buffer.Length);
            bytesLeft -= before - buffer.Length;
            _input.AdvanceTo(buffer.Start, buffer.End);
            if (result.IsCompleted || result.IsCanceled || outcome == FrameOutcome.Malformed) return;
        }
    }

    /// <summary>Handles every whole frame in the buffer, then runs the mailboxes that it filled.</summary>
    private FrameOutcome Dispatch(ref ReadOnlySequence<byte> buffer, out int bytes)
    {
        _inline.Begin();
        try
        {
            while (true)
            {
                bytes = 0;
                var rest = buffer;
                var read = FrameReader.TryRead(ref rest, ProtocolLimits.MaxBodyBytes, out var header, out var body);
                if (read == FrameReadResult.NeedMore) return FrameOutcome.NeedMore;
                if (read == FrameReadResult.BadLength)
                    return Refused($"a frame claims {unchecked((uint)header.BodyBytes)} bytes, {ProtocolLimits.MaxBodyBytes} is the most");
                bytes = header.BodyBytes;
                var request = _requests.TryRent(bytes);
                if (request is null) return FrameOutcome.WindowFull;
                buffer = rest;
                if (!Handle(header, body, request)) return FrameOutcome.Malformed;
            }
        }
        finally
        {
            _inline.RunAll();
        }
    }

    private bool Handle(in FrameHeader header, in ReadOnlySequence<byte> body, ObjectRequest request)
    {
        request.Opcode = header.Opcode;
        request.Correlation = header.Correlation;
        request.Session = _session;
        request.Epoch = _hello.Epoch;
        request.StaysHere = _hello.SingleAddress && !IsPeer;
        if (header.IsAnswer || header.Status != 0)
        {
            request.FailDirectly(Status.Malformed, "an answer was sent where a request is expected");
            return !IsMalformed("an answer was sent");
        }

        if (!header.Opcode.IsObjectOperation()) return HandleControl(header, body, request);
        var owner = request.StaysHere ? _services.Forwarder.OwnerOf(header, body) : null;
        if (RequestParser.Parse(header, body, request, _services, _hello, owner is null ? _services.Objects.Store : null) is { } error)
        {
            request.FailDirectly(error.Status, error.Text);
            return error.Status != Status.Malformed || !IsMalformed(error.Text);
        }

        if (_services.Connections.IsDraining)
        {
            request.FailDirectly(Status.NotServing, "the node is stopping");
            return true;
        }

        if (owner is not null)
        {
            _services.Forwarder.Begin(owner, header, body, request, _hello);
            return true;
        }

        request.MarkQueued();
        if (_services.Objects.Registry.TryGet(request.Key, out var entry)) request.TellTo(entry);
        else _services.Activations.Tell(request, Akka.Actor.ActorRefs.NoSender);
        return true;
    }

    private bool HandleControl(in FrameHeader header, in ReadOnlySequence<byte> body, ObjectRequest request)
    {
        if (header.Flags != 0)
        {
            request.FailDirectly(Status.Malformed, $"flags {header.Flags:x} mean nothing here");
            return !IsMalformed("unknown flags");
        }

        switch (header.Opcode)
        {
            case Opcode.Ping when body.Length == 0:
                request.AnswerDirectly(Status.Ok);
                return true;
            case Opcode.Echo when _services.Limits.Echo:
                request.AnswerDirectly(Status.Ok);
                return true;
            case Opcode.Topology or (>= Opcode.PoolCreate and <= Opcode.PullPages):
                try
                {
                    if (header.Opcode == Opcode.PullPages) HandOut(body, request);
                    else if (header.Opcode is Opcode.ListObjects or Opcode.VerifyObject) PoolListings.Start(header.Opcode, body, request, _services, _hello);
                    else ControlOperations.Start(header.Opcode, body, request, _services, _hello);
                    return true;
                }
                catch (ProtocolException wrong)
                {
                    request.FailDirectly(Status.Malformed, wrong.Message);
                    return !IsMalformed(wrong.Message);
                }

            case Opcode.Hello or Opcode.Ping:
                request.FailDirectly(Status.Malformed, "unexpected hello, or a ping with a body");
                return !IsMalformed("unexpected hello or ping");
            default:
                request.FailDirectly(Status.UnknownOperation, $"operation {(byte)header.Opcode} is unknown to this node");
                return true;
        }
    }

    /// <summary>Another node fetches what this one kept of an object for the shard's next life, whose number it has to know.</summary>
    private void HandOut(in ReadOnlySequence<byte> body, ObjectRequest request)
    {
        var reader = new BodyReader(body);
        var pull = PullRequest.Read(ref reader);
        reader.End();
        request.MarkQueued();
        if (request.TryTake())
            request.AnswerBody(Status.Ok, default, (ref BodyWriter writer) => _services.Objects.Aside.Pull(pull.Key, pull.Incarnation, ref writer));
    }

    private void OnDamaged(Exception damage)
    {
        Log.Damaged(_log, _context.RemoteEndPoint, damage);
        Abort("a page in memory is damaged");
    }

    private FrameOutcome Refused(string reason)
    {
        _ = IsMalformed(reason);
        return FrameOutcome.Malformed;
    }

    private bool IsMalformed(string reason)
    {
        _services.Metrics.ConnectionRefused();
        Log.Malformed(_log, _context.RemoteEndPoint, reason);
        return true;
    }

    /// <summary>Ends the connection's requests: what is queued is claimed, what was taken runs to its end and is let go of by the output.</summary>
    private async ValueTask FinishAsync()
    {
        foreach (var request in _requests.All()) request.TryClaimQueued("the connection ended");
        if (_output.TryTakeDuty()) await _output.DrainAsync().ConfigureAwait(false);
        // Answers to what a well-behaved client is still owed: bounded by the journal's own timeouts, cut by the node's stop.
        var deadline = Environment.TickCount64 + 30_000;
        while (_requests.Rented > 0 && !_output.IsBroken && Environment.TickCount64 < deadline && !_context.ConnectionClosed.IsCancellationRequested)
            await Task.Delay(5).ConfigureAwait(false);
    }

    private enum FrameOutcome
    {
        NeedMore,
        WindowFull,
        Malformed,
    }

    private static partial class Log
    {
        public static void Malformed(ILogger log, System.Net.EndPoint? client, string reason) =>
            log.LogWarning("Connection of {Client} closed: {Reason}", client, reason);

        public static void Damaged(ILogger log, System.Net.EndPoint? client, Exception damage) =>
            log.LogError(damage, "Connection of {Client} closed: a page in memory is damaged", client);

        public static void Cut(ILogger log, System.Net.EndPoint? client, string reason, int owed, string requests) =>
            log.LogWarning("Connection of {Client} cut ({Reason}) with {Owed} requests unanswered: {Requests}", client, reason, owed, requests);

        public static void Ended(ILogger log, System.Net.EndPoint? client, string reason) =>
            log.LogDebug("Connection of {Client} ended: {Reason}", client, reason);
    }
}
