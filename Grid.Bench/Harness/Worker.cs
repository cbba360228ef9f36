namespace Grid.Bench.Harness;

/// <summary>One of the loops that keep a request in flight; what it owns is made before the clock starts.</summary>
/// <param name="number">Its number.</param>
/// <param name="payload">What is stored.</param>
internal sealed class Worker(int number, Payload payload)
{
    private ulong _random = ((ulong)number + 1) * 0x9E3779B97F4A7C15;
    private long _done;
    private volatile bool _stop;

    /// <summary>Its number.</summary>
    public int Number { get; } = number;

    /// <summary>What is stored.</summary>
    public Payload Payload { get; } = payload;

    /// <summary>Room for a group of pages.</summary>
    public byte[] Buffer { get; } = new byte[Payload.PagesPerGroup * Payload.PageBytes];

    /// <summary>Requests answered so far.</summary>
    public long Done => Volatile.Read(ref _done);

    /// <summary>When to end by itself.</summary>
    public long Limit { get; init; } = long.MaxValue;

    /// <summary>Whether it goes on.</summary>
    public bool Goes => !_stop && _done < Limit;

    /// <summary>Counts an answer.</summary>
    public void Count() => Volatile.Write(ref _done, _done + 1);

    /// <summary>Ends it after the request in flight.</summary>
    public void Stop() => _stop = true;

    /// <summary>The next key, evenly over all.</summary>
    public int NextKey() => (int)(Next() % Payload.Keys);

    /// <summary>The next group, evenly over all.</summary>
    public int NextGroup() => (int)(Next() % Payload.Groups);

    private ulong Next()
    {
        _random ^= _random << 13;
        _random ^= _random >> 7;
        _random ^= _random << 17;
        return _random >> 11;
    }
}
