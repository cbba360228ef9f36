namespace Grid.Client.Frontends;

/// <summary>A lock for each key that is in use: calls about one key run one after another, those about others do not wait for them. One call may keep all others out.</summary>
internal sealed class KeyedLocks<TKey>
    where TKey : notnull
{
    private readonly Lock _lock = new();
    private readonly Dictionary<TKey, Entry> _entries = [];

    // Held by who keeps all others out, from when it begins to wait for those that are inside.
    private readonly SemaphoreSlim _entrance = new(1, 1);
    private TaskCompletionSource? _emptied;

    /// <summary>Enters a key's lock; it is left by disposing the hold.</summary>
    public async ValueTask<Hold> EnterAsync(TKey key, CancellationToken cancellationToken)
    {
        Entry? entry;
        await _entrance.WaitAsync(cancellationToken).ConfigureAwait(false);
        lock (_lock)
        {
            if (!_entries.TryGetValue(key, out entry)) _entries.Add(key, entry = new Entry());
            entry.Users++;
        }

        _entrance.Release();
        try
        {
            await entry.Semaphore.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            Leave(key, entry);
            throw;
        }

        return new Hold(this, key, entry);
    }

    /// <summary>Keeps new callers out and waits until those inside have left.</summary>
    public async ValueTask EnterAllAsync(CancellationToken cancellationToken)
    {
        await _entrance.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            Task emptied;
            lock (_lock)
            {
                if (_entries.Count == 0) return;
                _emptied = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                emptied = _emptied.Task;
            }

            await emptied.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            _entrance.Release();
            throw;
        }
    }

    /// <summary>Lets them in again.</summary>
    public void ExitAll() => _entrance.Release();

    private void Leave(TKey key, Entry entry)
    {
        lock (_lock)
        {
            if (--entry.Users > 0) return;
            _entries.Remove(key);
            if (_entries.Count > 0) return;
            _emptied?.TrySetResult();
            _emptied = null;
        }
    }

    /// <summary>A lock that is held until this is disposed.</summary>
    public readonly struct Hold(KeyedLocks<TKey> locks, TKey key, Entry entry) : IDisposable
    {
        public void Dispose()
        {
            entry.Semaphore.Release();
            locks.Leave(key, entry);
        }
    }

    /// <summary>A key in use.</summary>
    public sealed class Entry
    {
        public SemaphoreSlim Semaphore { get; } = new(1, 1);

        public int Users { get; set; }
    }
}
