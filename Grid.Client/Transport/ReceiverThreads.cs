namespace Grid.Client;

/// <summary>
/// Which thread receives on a connection. One leads: it waits in the socket itself, so that an answer wakes it and nobody else. It may lend itself to the code that waits for an
/// answer, which saves a hop between threads; whoever needs the connection meanwhile calls another thread to lead in its place.
/// </summary>
/// <param name="lead">Receives as the leader of a turn until <see cref="TakeBack"/> says no or the connection ends; gives whether the thread may be kept.</param>
internal sealed class ReceiverThreads(Func<long, bool> lead)
{
    /// <summary>A thread that waits so long without being called ends.</summary>
    private static readonly TimeSpan IdleBeforeEnd = TimeSpan.FromSeconds(10);

    /// <summary>After so many callers that held their thread for longer than a tick, callers run on the thread pool: these ones block or compute.</summary>
    private const int PatienceWithCallers = 3;

    private readonly object _gate = new();
    private long _lentTurn;
    private long _turns;
    private long _lends;
    private long _seenLends;
    private int _leaderId;
    private int _rescues;
    private int _idle;
    private int _calls;
    private bool _isOver;

    /// <summary>Whether a leader may run callers' code itself.</summary>
    public bool MayLend => _rescues < PatienceWithCallers;

    /// <summary>Starts the first leader.</summary>
    public void Start() => new Thread(Run) { IsBackground = true, Name = "grid-receive" }.UnsafeStart(Interlocked.Increment(ref _turns));

    /// <summary>The leader of a turn goes to run callers' code. What it leaves behind must be fit for another leader.</summary>
    public void Lend(long turn)
    {
        _leaderId = Environment.CurrentManagedThreadId;
        _lends++;
        Volatile.Write(ref _lentTurn, turn);
    }

    /// <summary>The leader is back; false where another leads by now.</summary>
    public bool TakeBack(long turn) => Interlocked.CompareExchange(ref _lentTurn, 0, turn) == turn;

    /// <summary>Called after a request was sent: its answer must not wait for somebody else's code.</summary>
    public void EnsureReceiving()
    {
        var turn = Volatile.Read(ref _lentTurn);
        if (turn != 0 && _leaderId != Environment.CurrentManagedThreadId) Replace(turn);
    }

    /// <summary>Called every tick: a leader that has been away for a whole one is replaced.</summary>
    public void Tick()
    {
        var turn = Volatile.Read(ref _lentTurn);
        var lends = Volatile.Read(ref _lends);
        if (turn != 0 && lends == _seenLends && Replace(turn)) _rescues++;
        _seenLends = lends;
    }

    /// <summary>Nobody receives any more.</summary>
    public void End()
    {
        lock (_gate)
        {
            _isOver = true;
            Monitor.PulseAll(_gate);
        }
    }

    private bool Replace(long turn)
    {
        if (!TakeBack(turn)) return false;
        lock (_gate)
        {
            if (_isOver) return true;
            if (_idle > _calls)
            {
                _calls++;
                Monitor.Pulse(_gate);
                return true;
            }
        }

        Start();
        return true;
    }

    private void Run(object? turn)
    {
        var current = (long)turn!;
        while (lead(current) && WaitForCall()) current = Interlocked.Increment(ref _turns);
    }

    /// <summary>Waits to be called again; false where this thread is not needed.</summary>
    private bool WaitForCall()
    {
        lock (_gate)
        {
            // One that waits is enough. A call belongs to whoever takes it: one that was called and has not woken yet does not count as waiting.
            if (_isOver || _idle > _calls) return false;
            _idle++;
            while (_calls == 0 && !_isOver && (Monitor.Wait(_gate, IdleBeforeEnd) || _calls > 0))
            {
            }

            _idle--;
            if (_isOver || _calls == 0) return false;
            _calls--;
            return true;
        }
    }
}
