namespace Grid.Node.Journal;

/// <summary>
/// Writes the events of all objects of a node: what comes while one transaction is under way makes up the next, so that many objects share a commit.
/// Runs on threads of its own, each with a connection: a slow disk holds nobody else's. The queue is bounded.
/// </summary>
internal sealed class GroupCommit : IDisposable
{
    /// <summary>The most rows in a transaction.</summary>
    public const int MaxRows = 256;

    /// <summary>No further row joins a transaction that has so many bytes.</summary>
    public const long MaxBytes = 4L << 20;

    /// <summary>Writes that may wait. An object has one under way, so this is how many objects may write at the same time.</summary>
    public const int MaxQueued = 8192;

    private readonly object _gate = new();
    private readonly Queue<JournalWrite> _queue = new();
    private readonly Func<JournalAppender> _open;
    private bool _disposed;

    /// <summary>Starts its threads; they connect when there is something to write.</summary>
    /// <param name="connections">How many transactions may be under way.</param>
    /// <param name="open">Opens a connection.</param>
    public GroupCommit(int connections, Func<JournalAppender> open)
    {
        _open = open;
        for (var i = 0; i < connections; i++) new Thread(Loop) { IsBackground = true, Name = "grid-journal-write" }.Start();
    }

    /// <summary>Queues a write.</summary>
    /// <param name="write">The write.</param>
    public void Add(JournalWrite write)
    {
        lock (_gate)
        {
            if (!_disposed && _queue.Count < MaxQueued)
            {
                _queue.Enqueue(write);
                Monitor.Pulse(_gate);
                return;
            }
        }

        write.Complete(new WriteNotSentException(_disposed ? "the journal is closed" : $"{MaxQueued} writes wait for the journal already"));
    }

    /// <summary>Takes no more; what waits is still written.</summary>
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
        JournalAppender? appender = null;
        var writes = new List<JournalWrite>();
        while (TryTake(writes))
        {
            var failure = TryAppend(writes, ref appender);
            foreach (var write in writes) write.Complete(failure);
            writes.Clear();
        }

        appender?.Dispose();
    }

    private Exception? TryAppend(List<JournalWrite> writes, ref JournalAppender? appender)
    {
        try
        {
            appender ??= _open();
        }
        catch (Exception failure)
        {
            return WriteNotSentException.NoConnection(failure);
        }

        try
        {
            appender.Append(writes);
            return null;
        }
        catch (Exception failure)
        {
            // Whatever state the connection is in, the next transaction begins with a new one.
            appender.Dispose();
            appender = null;
            return failure;
        }
    }

    private bool TryTake(List<JournalWrite> writes)
    {
        lock (_gate)
        {
            while (_queue.Count == 0)
            {
                if (_disposed) return false;
                Monitor.Wait(_gate);
            }

            var (rows, bytes) = (0, 0L);
            while (rows < MaxRows && bytes < MaxBytes && _queue.TryDequeue(out var write))
            {
                writes.Add(write);
                rows += write.Rows.Count;
                bytes += write.Bytes;
            }

            return true;
        }
    }
}
