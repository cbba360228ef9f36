namespace Grid.Client;

/// <summary>Calls a method every 15 ms while there is something to watch over, and for a second after; deadlines, retries and rescue of blocked threads hang on it.</summary>
internal sealed class Ticker : IDisposable
{
    private const int PeriodMs = 15;
    private const int IdleTicksBeforeRest = 64;

    private readonly Func<bool> _tick;
    private readonly Timer _timer;
    private readonly Lock _gate = new();
    private volatile bool _isRunning;
    private bool _isDisposed;
    private int _isTicking;
    private int _idleTicks;

    /// <param name="tick">Gives whether there is anything to come back for. Never called by two threads at once.</param>
    public Ticker(Func<bool> tick)
    {
        _tick = tick;
        using (ExecutionContext.SuppressFlow()) _timer = new Timer(static state => ((Ticker)state!).OnTimer(), this, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>
    /// Makes sure that it ticks. Called after something was put under a gate that the tick takes as well: either the tick that would have been the last
    /// sees it, or this sees that the ticker rests.
    /// </summary>
    public void Wake()
    {
        if (!_isRunning) Run();
    }

    public void Dispose()
    {
        lock (_gate)
        {
            _isDisposed = true;
            _isRunning = false;
            _timer.Dispose();
        }
    }

    private void Run()
    {
        lock (_gate)
        {
            if (_isDisposed || _isRunning) return;
            _idleTicks = 0;
            _isRunning = true;
            _timer.Change(PeriodMs, PeriodMs);
        }
    }

    private void OnTimer()
    {
        if (Interlocked.Exchange(ref _isTicking, 1) != 0) return;
        try
        {
            if (_tick())
            {
                _idleTicks = 0;
                return;
            }

            if (++_idleTicks < IdleTicksBeforeRest) return;
            lock (_gate)
            {
                if (_isDisposed) return;
                _isRunning = false;
                _timer.Change(Timeout.Infinite, Timeout.Infinite);
            }

            Interlocked.MemoryBarrier();
            if (_tick()) Run();
        }
        finally
        {
            Volatile.Write(ref _isTicking, 0);
        }
    }
}
