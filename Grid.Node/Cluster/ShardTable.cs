using Grid.Protocol;

namespace Grid.Node.Cluster;

/// <summary>Which shards this node serves, and until when: written by the guard, read by every object with every operation.</summary>
internal sealed class ShardTable
{
    private readonly ShardLife?[] _lives;
    private readonly ILogger? _log;
    private long _deadlineMs = long.MinValue;

    /// <summary>Makes the table of a node that serves nothing yet.</summary>
    /// <param name="shardCount">Shards there are.</param>
    /// <param name="log">Told, at level debug, when what this node serves changes; docs/consistency.md has the lines.</param>
    public ShardTable(int shardCount, ILogger? log = null)
    {
        _lives = new ShardLife?[shardCount];
        _log = log?.IsEnabled(LogLevel.Debug) == true ? log : null;
        _log?.LogDebug("at {Ms} ms: begins", Environment.TickCount64);
    }

    public int Count => _lives.Length;

    /// <summary>The lease's end, in <see cref="Environment.TickCount64"/> milliseconds.</summary>
    public long DeadlineMs
    {
        get => Volatile.Read(ref _deadlineMs);
        set
        {
            // Written by the guard alone.
            if (value != _deadlineMs) _log?.LogDebug("at {Ms} ms: serves until {Deadline} ms", Environment.TickCount64, value);
            Volatile.Write(ref _deadlineMs, value);
        }
    }

    /// <summary>Whether the lease runs.</summary>
    public bool IsServing => Environment.TickCount64 < DeadlineMs;

    /// <summary>Open shards that objects live in. One stays open without objects until somebody claims it.</summary>
    public int InhabitedCount
    {
        get
        {
            var inhabited = 0;
            for (var shard = 0; shard < _lives.Length; shard++)
                if (Find(shard) is { Objects: > 0 }) inhabited++;
            return inhabited;
        }
    }

    /// <summary>The shard's life while it is open; else null.</summary>
    public ShardLife? Find(int shard) => Volatile.Read(ref _lives[shard]);

    /// <summary>Nothing is served any more.</summary>
    public void CloseAll()
    {
        DeadlineMs = long.MinValue;
        for (var shard = 0; shard < _lives.Length; shard++)
        {
            Find(shard)?.Close();
            Set(shard, null);
        }
    }

    /// <summary>Opens a shard, or (null) takes a closed one away.</summary>
    public void Set(int shard, ShardLife? life)
    {
        if (life is not null) _log?.LogDebug("at {Ms} ms: shard {Shard} opens", Environment.TickCount64, shard);
        Volatile.Write(ref _lives[shard], life);
    }

    /// <summary>The last object of a shard that was taken away has ended.</summary>
    public void Ended(int shard) => _log?.LogDebug("at {Ms} ms: shard {Shard} has ended", Environment.TickCount64, shard);
}

/// <summary>One life of a shard on one node: from the claim that all granted until it is closed. Counts the objects that live in it.</summary>
/// <param name="shard">The shard.</param>
/// <param name="incarnation">The life's number.</param>
/// <param name="warm">Data addresses of nodes that keep pages for this life.</param>
internal sealed class ShardLife(int shard, ulong incarnation, IReadOnlyList<string> warm)
{
    private const int Closed = int.MinValue;
    private readonly HashSet<ObjectKey> _pulled = [];
    private readonly long _openedMs = Environment.TickCount64;
    private bool _isOver;
    private int _state;

    /// <summary>Data addresses of nodes that keep pages for this life.</summary>
    public IReadOnlyList<string> Warm { get; } = warm;

    /// <summary>What was kept has been fetched, or those who kept it are gone: from now on nobody asks for it.</summary>
    public void EndPulling() => Volatile.Write(ref _isOver, true);

    /// <summary>Whether an object may be brought what is kept of it: the first time that it lives here. Later it has been served here, and what is kept is old.</summary>
    /// <param name="key">The object.</param>
    /// <param name="within">How long pages are kept.</param>
    public bool MayPull(in ObjectKey key, TimeSpan within)
    {
        if (Warm.Count == 0 || Volatile.Read(ref _isOver)) return false;
        lock (_pulled)
        {
            if (Environment.TickCount64 - _openedMs <= within.TotalMilliseconds) return _pulled.Add(key);
            EndPulling();
            _pulled.Clear();
            return false;
        }
    }

    public int Shard { get; } = shard;

    public ulong Incarnation { get; } = incarnation;

    /// <summary>Whether no object of it may take an operation any more.</summary>
    public bool IsClosed => Volatile.Read(ref _state) < 0;

    /// <summary>Objects in it.</summary>
    public int Objects => Volatile.Read(ref _state) & int.MaxValue;

    /// <summary>An object begins to live in it; false where it is closed.</summary>
    public bool TryEnter()
    {
        while (true)
        {
            var state = Volatile.Read(ref _state);
            if (state < 0) return false;
            if (Interlocked.CompareExchange(ref _state, state + 1, state) == state) return true;
        }
    }

    /// <summary>An object has ended.</summary>
    /// <returns>Whether that was the last one of a closed life.</returns>
    public bool Leave() => Interlocked.Decrement(ref _state) == Closed;

    /// <summary>No object begins in it any more, and none takes operations.</summary>
    /// <returns>Whether it holds no object.</returns>
    public bool Close() => Interlocked.Or(ref _state, Closed) is 0 or Closed;
}
