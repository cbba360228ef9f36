using System.Net.Sockets;

namespace Grid.Client;

/// <summary>
/// The sending half of a connection: one buffer is filled under the link's gate while the other one is on its way. Whoever takes the duty sends, and goes on sending what
/// others fill in meanwhile; so many small requests leave in one system call, and no thread hop lies between a call and its send.
/// </summary>
internal sealed class Sender : IThreadPoolWorkItem
{
    private const int InitialBytes = 64 << 10;

    /// <summary>Past this much unsent, callers wait: together with the window it bounds the client's memory. One frame alone may be longer.</summary>
    private const int FillLimitBytes = 512 << 10;

    /// <summary>Past this much, what was held back for the end of a batch of answers is sent at once.</summary>
    private const int CorkLimitBytes = 64 << 10;

    /// <summary>After so many sends for others, the work moves to a thread of the pool: no caller is kept for ever.</summary>
    private const int RoundsPerCaller = 32;

    private readonly Connection _connection;
    private readonly Socket _socket;
    private readonly SocketAsyncEventArgs _args = new(true);
    private byte[] _filling = GC.AllocateUninitializedArray<byte>(InitialBytes, pinned: true);
    private byte[] _leaving = GC.AllocateUninitializedArray<byte>(InitialBytes, pinned: true);
    private int _fillBytes;
    private int _leavingBytes;
    private int _leftBytes;
    private bool _onDuty;

    public Sender(Connection connection, Socket socket)
    {
        _connection = connection;
        _socket = socket;
        _args.Completed += (_, _) => OnCompleted();
    }

    /// <summary>Bytes encoded over the connection's life, sent or not. Under the gate.</summary>
    public long StreamOffset { get; private set; }

    /// <summary>Bytes that were handed to the socket: they may have left. Under the gate.</summary>
    public long HandedOverBytes => StreamOffset - Volatile.Read(ref _fillBytes);

    /// <summary>Whether bytes wait that nobody sends. A hint without the gate.</summary>
    public bool HasUnsent => Volatile.Read(ref _fillBytes) != 0 && !Volatile.Read(ref _onDuty);

    /// <summary>Whether a frame fits into what may be unsent. Under the gate.</summary>
    public bool HasRoomFor(int frameBytes) => _fillBytes == 0 || _fillBytes + frameBytes <= FillLimitBytes;

    /// <summary>Room for a frame; nothing is sent before <see cref="Commit"/>. Under the gate.</summary>
    public Span<byte> Reserve(int frameBytes)
    {
        if (_filling.Length - _fillBytes < frameBytes) Grow(_fillBytes + frameBytes);
        return _filling.AsSpan(_fillBytes, frameBytes);
    }

    /// <summary>The frame is written. Under the gate.</summary>
    public void Commit(int frameBytes)
    {
        StreamOffset += frameBytes;
        Volatile.Write(ref _fillBytes, _fillBytes + frameBytes);
    }

    /// <summary>Takes the duty to send, if there is something to send and nobody has it: then call <see cref="Send"/>, outside the gate. Under the gate.</summary>
    /// <param name="corked">Whether this thread is bound to send at the end of what it does, so that little can wait for more.</param>
    public bool TryTakeDuty(bool corked)
    {
        if (_onDuty || _fillBytes == 0 || (corked && _fillBytes < CorkLimitBytes)) return false;
        Volatile.Write(ref _onDuty, true);
        Swap();
        return true;
    }

    /// <summary>Nothing is sent any more. Under the gate.</summary>
    public void Stop()
    {
        if (_onDuty) return;
        Volatile.Write(ref _onDuty, true);
        _args.Dispose();
    }

    /// <summary>Sends until nothing is left, or the socket takes no more for now. By the holder of the duty.</summary>
    public void Send()
    {
        for (var round = 0; round < RoundsPerCaller; round++)
        {
            _args.SetBuffer(_leaving, _leftBytes, _leavingBytes - _leftBytes);
            try
            {
                if (_socket.SendAsync(_args)) return;
            }
            catch (ObjectDisposedException)
            {
                // The connection was closed; whoever closed it sees to its requests.
                _args.Dispose();
                return;
            }

            if (!HasMoreAfterSend()) return;
        }

        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute() => Send();

    private void OnCompleted()
    {
        if (HasMoreAfterSend()) Send();
    }

    /// <summary>Takes in a send's result. True: the duty goes on.</summary>
    private bool HasMoreAfterSend()
    {
        if (_args.SocketError != SocketError.Success)
        {
            _connection.Break(Failures.SocketFailed(_connection.Name, new SocketException((int)_args.SocketError)));
            _args.Dispose();
            return false;
        }

        _leftBytes += _args.BytesTransferred;
        if (_leftBytes < _leavingBytes) return true;
        lock (_connection.Gate)
        {
            _connection.Refill();
            if (_fillBytes != 0 && !_connection.IsBroken)
            {
                Swap();
                return true;
            }

            Volatile.Write(ref _onDuty, false);
            if (_connection.IsBroken) Stop();
            return false;
        }
    }

    private void Swap()
    {
        (_filling, _leaving) = (_leaving, _filling);
        _leavingBytes = _fillBytes;
        _leftBytes = 0;
        Volatile.Write(ref _fillBytes, 0);
    }

    private void Grow(int bytes)
    {
        var larger = GC.AllocateUninitializedArray<byte>((int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)bytes), pinned: true);
        _filling.AsSpan(0, _fillBytes).CopyTo(larger);
        _filling = larger;
    }
}
