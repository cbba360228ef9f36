using System.Buffers;
using System.Buffers.Binary;
using System.Net.Sockets;
using System.Numerics;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>
/// The receiving half of a connection: reads much at once, cuts it into frames, copies pages into the callers' buffers, and has the code run that waits for
/// the answers (<see cref="ReceiverThreads"/>: on which thread).
/// </summary>
internal sealed class Receiver
{
    private const int InitialBytes = 512 << 10;

    private readonly Connection _connection;
    private readonly Socket _socket;
    private readonly ReceiverThreads _threads;
    private readonly int[] _answered;
    private int _answeredCount;
    private byte[] _buffer = GC.AllocateUninitializedArray<byte>(InitialBytes, pinned: true);
    private int _start;
    private int _end;

    /// <param name="connection">Whose.</param>
    /// <param name="socket">Where from.</param>
    /// <param name="window">The most requests that can be answered at once.</param>
    /// <param name="received">What was received already.</param>
    public Receiver(Connection connection, Socket socket, int window, ReadOnlySpan<byte> received)
    {
        _connection = connection;
        _socket = socket;
        _threads = new ReceiverThreads(Lead);
        _answered = new int[window];
        received.CopyTo(_buffer);
        _end = received.Length;
    }

    /// <summary>Begins to receive.</summary>
    public void Start() => _threads.Start();

    /// <summary>A request was sent: somebody must be there to receive its answer.</summary>
    public void EnsureReceiving() => _threads.EnsureReceiving();

    /// <summary>What the ticker does.</summary>
    public void Tick() => _threads.Tick();

    /// <summary>Receives as the leader, until the connection ends or another thread leads.</summary>
    /// <returns>Whether this thread may lead again.</returns>
    private bool Lead(long turn)
    {
        // What came with the hello is handled by the first leader; later ones find nothing whole.
        while (true)
        {
            var failure = HandleFrames();
            var isSingle = _answeredCount == 1;
            GiveSlotsBack();
            if (failure is not null) return End(failure);
            MakeRoom();
            if (!_connection.Ready.IsEmpty && !RunCallers(turn, isSingle)) return true;
            if (Receive() is { } broken) return End(broken);
        }
    }

    /// <summary>
    /// Has the code run that waits for what was answered. A single answer's runs here: with one call in flight, or few, a hop to another thread would
    /// cost more than the call. Many are left to the thread pool, while this thread receives on.
    /// </summary>
    /// <returns>False where another thread leads by now.</returns>
    private bool RunCallers(long turn, bool isSingle)
    {
        if (!isSingle || !_threads.MayLend)
        {
            ThreadPool.UnsafeQueueUserWorkItem(_connection.Ready, preferLocal: false);
            return true;
        }

        _threads.Lend(turn);
        _connection.Ready.Drain();
        return _threads.TakeBack(turn);
    }

    private GridException? Receive()
    {
        try
        {
            var bytes = ReadySocket.Receive(_socket, _buffer.AsSpan(_end));
            if (bytes == 0) return Failures.Closed(_connection.Name);
            _end += bytes;
            _connection.NoteReceived();
            return null;
        }
        catch (SocketException broken)
        {
            return Failures.SocketFailed(_connection.Name, broken);
        }
        catch (ObjectDisposedException)
        {
            return Failures.Closed(_connection.Name);
        }
    }

    private bool End(GridException cause)
    {
        _connection.Break(cause);
        _threads.End();
        // Callers of what was answered before the end; on the pool, for they may take their time.
        ThreadPool.UnsafeQueueUserWorkItem(_connection.Ready, preferLocal: false);
        return false;
    }

    private GridException? HandleFrames()
    {
        var rest = new ReadOnlySequence<byte>(_buffer, _start, _end - _start);
        while (true)
        {
            switch (FrameReader.TryRead(ref rest, ProtocolLimits.MaxBodyBytes, out var header, out var body))
            {
                case FrameReadResult.NeedMore:
                    _start = _end - (int)rest.Length;
                    return null;
                case FrameReadResult.BadLength:
                    return Failures.Malformed(_connection.Name, $"a frame claims {unchecked((uint)header.BodyBytes)} bytes");
            }

            if (_answeredCount == _answered.Length) GiveSlotsBack();
            if (Handle(header, body) is { } failure) return failure;
        }
    }

    private GridException? Handle(in FrameHeader header, in ReadOnlySequence<byte> body)
    {
        if (!header.IsAnswer) return Failures.Malformed(_connection.Name, $"it sent a request (operation {header.RawOpcode})");
        if (header.Correlation == 0) return HandleUnasked(header, body);
        var match = _connection.Slots.Claim(header.Correlation, out var slot, out var operation);
        if (match == SlotMatch.None) return Failures.Malformed(_connection.Name, $"it answered {header.Correlation:x}, which was not asked");
        _answered[_answeredCount++] = slot;
        if (match == SlotMatch.Abandoned) return null;
        if (operation!.Opcode != header.Opcode)
            return FailMalformed(operation, $"it answered {operation.Opcode} with {header.Opcode}");
        if (header.Status.IsError())
        {
            var text = ErrorFrames.ReadText(body);
            if (operation.IsRelayed)
            {
                operation.Status = header.Status;
                operation.Text = text;
                _connection.Ready.Add(operation);
            }
            else
            {
                _connection.Link.OnError(operation, header.Status, text);
            }

            return header.Status == Status.Malformed ? Failures.Malformed(_connection.Name, $"it says that a request was malformed: {text}") : null;
        }

        if (!AnswerDecoder.TryRead(operation, header, body.FirstSpan))
            return FailMalformed(operation, $"its answer to {operation.Opcode} (status {header.Status}, {header.BodyBytes} bytes) cannot be one");
        _connection.Ready.Add(operation);
        return null;
    }

    private GridException? HandleUnasked(in FrameHeader header, in ReadOnlySequence<byte> body)
    {
        if (header.Status.IsError()) return Failures.Malformed(_connection.Name, $"it says: {ErrorFrames.ReadText(body)}");
        if (header.Opcode == Opcode.TopologyPush) return HandleTopology(body);
        if (header.Opcode != Opcode.GoAway) return Failures.Malformed(_connection.Name, $"it sent operation {header.RawOpcode}, which was not asked");
        _connection.Link.OnGoAway(_connection);
        return null;
    }

    private GridException? HandleTopology(in ReadOnlySequence<byte> body)
    {
        try
        {
            var reader = new BodyReader(body);
            _connection.Link.OnTopology(Topology.Read(ref reader));
            return null;
        }
        catch (ProtocolException wrong)
        {
            return Failures.Malformed(_connection.Name, $"its topology makes no sense: {wrong.Message}");
        }
    }

    private GridException FailMalformed(Operation operation, string what)
    {
        var failure = Failures.Malformed(_connection.Name, what);
        operation.Fail(operation.HasNoEffect ? failure : new GridProtocolException(failure.Message, CallOutcome.Unknown));
        return failure;
    }

    private void GiveSlotsBack()
    {
        if (_answeredCount == 0) return;
        _connection.Release(_answered.AsSpan(0, _answeredCount));
        _answeredCount = 0;
    }

    /// <summary>Room for the rest of a frame that is cut off, and for a good deal more.</summary>
    private void MakeRoom()
    {
        var held = _end - _start;
        if (held == 0)
        {
            _start = 0;
            _end = 0;
            return;
        }

        var frameBytes = held < sizeof(uint)
            ? ProtocolLimits.HeaderBytes
            : sizeof(uint) + (long)BinaryPrimitives.ReadUInt32LittleEndian(_buffer.AsSpan(_start));
        if (frameBytes <= _buffer.Length - _start && _buffer.Length - _end >= _buffer.Length / 4) return;
        var target = frameBytes <= _buffer.Length
            ? _buffer
            : GC.AllocateUninitializedArray<byte>((int)BitOperations.RoundUpToPowerOf2((uint)frameBytes), pinned: true);
        _buffer.AsSpan(_start, held).CopyTo(target);
        _buffer = target;
        _start = 0;
        _end = held;
    }
}
