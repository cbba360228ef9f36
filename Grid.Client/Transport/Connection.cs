using System.Net.Sockets;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>One connection to a node after its hello: sends requests, matches answers, and says what is lost when it ends.</summary>
internal sealed class Connection
{
    /// <summary>With requests unanswered and nothing received for this long, the node is asked for a sign of life.</summary>
    private const long AskAfterMs = 3_000;

    /// <summary>With requests unanswered and nothing received for this long, the connection is given up: the node hangs, or its host is gone.</summary>
    private const long GiveUpAfterMs = 9_000;

    private readonly Socket _socket;
    private readonly Sender _sender;
    private readonly Receiver _receiver;
    private readonly long _windowBytes;
    private readonly List<Operation> _expired = [];
    private long _lastReceivedMs = Deadlines.NowMs;
    private long _busySinceMs;
    private long _askedMs;

    public Connection(NodeLink link, Handshake.Greeted greeted, GridClientOptions options)
    {
        Link = link;
        Name = greeted.Address.ToString();
        Hello = greeted.Answer;
        Epoch = greeted.Epoch;
        _socket = greeted.Socket;
        _windowBytes = Math.Min(options.WindowBytes, Hello.WindowBytes);
        var window = (int)Math.Min((uint)options.WindowRequests, Hello.WindowRequests);
        Slots = new SlotTable(window);
        Ready = new ReadyQueue(this);
        _sender = new Sender(this, _socket);
        _receiver = new Receiver(this, _socket, window, greeted.Received.Span);
    }

    public NodeLink Link { get; }

    /// <summary>The node's address, for messages.</summary>
    public string Name { get; }

    public HelloAnswer Hello { get; }

    /// <summary>The client's epoch in which it was opened.</summary>
    public ulong Epoch { get; }

    public SlotTable Slots { get; }

    public ReadyQueue Ready { get; }

    public Lock Gate => Link.Gate;

    /// <summary>Set once, under the gate.</summary>
    public bool IsBroken { get; private set; }

    /// <summary>Whether the node asked to send nothing more. Under the gate.</summary>
    public bool IsLeaving { get; set; }

    /// <summary>Begins to receive.</summary>
    public void Start() => _receiver.Start();

    /// <summary>A request was sent: its answer must not wait for somebody else's code. Outside the gate.</summary>
    public void EnsureReceiving() => _receiver.EnsureReceiving();

    /// <summary>Whether the window has a place for the request. Under the gate.</summary>
    public bool HasRoomFor(Operation operation)
    {
        if (Slots.IsFull) return false;
        var bodyBytes = RequestEncoder.BodyBytes(operation);
        return (Slots.InUse == 0 || Slots.BodyBytes + bodyBytes <= _windowBytes) && _sender.HasRoomFor(ProtocolLimits.HeaderBytes + bodyBytes);
    }

    /// <summary>Encodes the request, to be sent with the next flush. Under the gate, if there is room.</summary>
    public void Add(Operation operation)
    {
        var bodyBytes = RequestEncoder.BodyBytes(operation);
        var frame = _sender.Reserve(ProtocolLimits.HeaderBytes + bodyBytes);
        var correlation = Slots.NextCorrelation();
        RequestEncoder.Write(operation, correlation, frame);
        operation.SentOn = this;
        operation.Correlation = correlation;
        var offset = _sender.StreamOffset;
        if (Slots.InUse == 0) Volatile.Write(ref _busySinceMs, Deadlines.NowMs);
        _sender.Commit(frame.Length);
        Slots.Publish(operation, bodyBytes, offset);
    }

    /// <summary>Takes the duty to send what was added, unless another thread has it or this one will send later anyway. Under the gate.</summary>
    public bool TryTakeSendDuty()
    {
        var corked = ReadyQueue.IsCorkedHere;
        if (_sender.TryTakeDuty(corked)) return true;
        if (corked && _sender.HasUnsent) ReadyQueue.Hold(this);
        return false;
    }

    /// <summary>Sends; by the holder of the duty, outside the gate.</summary>
    public void Send() => _sender.Send();

    /// <summary>Sends what was held back.</summary>
    public void Flush()
    {
        if (!_sender.HasUnsent) return;
        bool duty;
        lock (Gate) duty = _sender.TryTakeDuty(corked: false);
        if (duty) _sender.Send();
    }

    /// <summary>Lets callers that wait for room add their requests. Under the gate.</summary>
    public void Refill() => Link.Refill(this);

    /// <summary>Gives slots back whose answers are in.</summary>
    public void Release(ReadOnlySpan<int> answered)
    {
        bool isDone;
        lock (Gate)
        {
            Slots.Release(answered);
            Refill();
            isDone = IsLeaving && Slots.InUse == 0;
        }

        if (isDone) Break(Failures.Left(Name));
    }

    public void NoteReceived() => Volatile.Write(ref _lastReceivedMs, Deadlines.NowMs);

    /// <summary>Ends the connection; its requests are answered or repeated by their link. Does nothing the second time.</summary>
    public void Break(GridException cause)
    {
        long handedOverBytes;
        lock (Gate)
        {
            if (IsBroken) return;
            IsBroken = true;
            Link.Detach(this);
            handedOverBytes = _sender.HandedOverBytes;
            _sender.Stop();
        }

        _socket.Dispose();
        Link.OnBroken(cause);
        var lost = new List<(Operation Operation, long StreamOffset)>();
        Slots.AbandonAll(lost);
        foreach (var (operation, offset) in lost) Link.OnLost(operation, offset < handedOverBytes, cause);
    }

    /// <summary>What the ticker does: see to calls that are late or that nobody ends, bytes that nobody sends, and a node that says nothing. Outside the gate.</summary>
    /// <returns>Whether there is anything to come back for.</returns>
    public bool Tick(long nowMs)
    {
        Slots.AbandonExpired(_expired, nowMs);
        foreach (var operation in _expired) operation.Fail(Failures.NotAnsweredInTime(operation));
        _expired.Clear();
        _receiver.Tick();
        if (!Ready.IsEmpty) ThreadPool.UnsafeQueueUserWorkItem(Ready, preferLocal: false);
        Flush();
        if (Slots.InUse == 0 && Ready.IsEmpty) return false;
        WatchSilence(nowMs);
        return true;
    }

    private void WatchSilence(long nowMs)
    {
        var heardMs = Math.Max(Volatile.Read(ref _lastReceivedMs), Volatile.Read(ref _busySinceMs));
        if (nowMs - heardMs >= GiveUpAfterMs)
        {
            Break(Failures.Silent(Name, nowMs - heardMs));
        }
        else if (nowMs - heardMs >= AskAfterMs && _askedMs <= heardMs)
        {
            _askedMs = nowMs;
            Link.Ping(this);
        }
    }
}
