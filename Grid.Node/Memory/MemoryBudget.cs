namespace Grid.Node.Memory;

/// <summary>The one limit and what counts against it: slabs, metadata and what others reserved.</summary>
internal sealed class MemoryBudget(long limitBytes)
{
    private long _usedBytes;

    public long LimitBytes => limitBytes;

    public long UsedBytes => Volatile.Read(ref _usedBytes);

    public bool IsOver => UsedBytes > limitBytes;

    /// <summary>Counts so many bytes if they fit.</summary>
    public bool TryCharge(long bytes)
    {
        var used = UsedBytes;
        while (used + bytes <= limitBytes)
        {
            var seen = Interlocked.CompareExchange(ref _usedBytes, used + bytes, used);
            if (seen == used) return true;
            used = seen;
        }
        return false;
    }

    /// <summary>Counts so many bytes, fit they or not; negative ones are given back.</summary>
    public void Charge(long bytes) => Interlocked.Add(ref _usedBytes, bytes);
}
