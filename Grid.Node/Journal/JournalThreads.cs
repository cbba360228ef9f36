namespace Grid.Node.Journal;

/// <summary>
/// A few threads of their own for calls that block: SQLite's driver does everything on the caller's thread, and a slow disk must not hold the thread pool.
/// The queue is bounded. Threads start when there is work and end when there has been none for a while.
/// </summary>
/// <param name="name">Name of the threads.</param>
/// <param name="maxThreads">The most threads.</param>
/// <param name="maxQueued">The most that may wait.</param>
internal sealed class JournalThreads(string name, int maxThreads, int maxQueued) : IDisposable
{
    private static readonly TimeSpan IdleBeforeEnd = TimeSpan.FromSeconds(10);

    private readonly object _gate = new();
    private readonly Queue<Action> _queue = new();
    private int _threads;
    private int _idle;
    private bool _disposed;

    /// <summary>Runs on every thread when it ends.</summary>
    public Action? OnThreadEnd { get; init; }

    /// <summary>Queues work, which must not throw; false where the queue is full or closed.</summary>
    public bool TryRun(Action work)
    {
        lock (_gate)
        {
            if (_disposed || _queue.Count >= maxQueued) return false;
            _queue.Enqueue(work);
            if (_queue.Count > _idle && _threads < maxThreads)
            {
                _threads++;
                new Thread(Loop) { IsBackground = true, Name = name }.Start();
            }
            else
            {
                Monitor.Pulse(_gate);
            }

            return true;
        }
    }

    /// <summary>Takes no more work; what waits is still done.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
            Monitor.PulseAll(_gate);
        }
    }

    private void Loop()
    {
        while (TryTake(out var work)) work();
        OnThreadEnd?.Invoke();
    }

    private bool TryTake(out Action work)
    {
        lock (_gate)
        {
            while (!_queue.TryDequeue(out work!))
            {
                _idle++;
                var woken = !_disposed && Monitor.Wait(_gate, IdleBeforeEnd);
                _idle--;
                if (woken || _queue.Count > 0) continue;
                _threads--;
                return false;
            }

            return true;
        }
    }
}
