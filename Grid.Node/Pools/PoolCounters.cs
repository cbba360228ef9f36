using System.Runtime.InteropServices;

namespace Grid.Node.Pools;

/// <summary>
/// What happened in a pool on this node since it started. Every operation counts, so there is one cell a processor: threads do not fight over a cache line.
/// Reading sums the cells.
/// </summary>
internal sealed class PoolCounters
{
    private static readonly int CellMask = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(Environment.ProcessorCount, 1, 64)) - 1;
    private readonly Cell[] _cells = new Cell[CellMask + 1];

    /// <summary>Puts that were stored.</summary>
    public long Puts => Sum(static (in Cell cell) => Volatile.Read(in cell.Puts));

    /// <summary>Puts that were refused.</summary>
    public long Refusals => Sum(static (in Cell cell) => Volatile.Read(in cell.Refusals));

    /// <summary>Gets.</summary>
    public long Gets => Sum(static (in Cell cell) => Volatile.Read(in cell.Gets));

    /// <summary>Gets that found their page.</summary>
    public long Hits => Sum(static (in Cell cell) => Volatile.Read(in cell.Hits));

    /// <summary>Pages flushed.</summary>
    public long Flushes => Sum(static (in Cell cell) => Volatile.Read(in cell.Flushes));

    /// <summary>Gauge: objects with an actor in memory.</summary>
    public long Objects => Sum(static (in Cell cell) => Volatile.Read(in cell.Objects));

    /// <summary>Counts puts that were stored.</summary>
    public void AddPuts(int count = 1) => Interlocked.Add(ref Mine.Puts, count);

    /// <summary>Counts puts that were refused.</summary>
    public void AddRefusals(int count = 1) => Interlocked.Add(ref Mine.Refusals, count);

    /// <summary>Counts gets and how many of them hit.</summary>
    public void AddGets(int count, int hits)
    {
        ref var cell = ref Mine;
        Interlocked.Add(ref cell.Gets, count);
        if (hits > 0) Interlocked.Add(ref cell.Hits, hits);
    }

    /// <summary>Counts pages flushed.</summary>
    public void AddFlushes(int count = 1) => Interlocked.Add(ref Mine.Flushes, count);

    /// <summary>An object's actor came to life.</summary>
    public void ObjectStarted() => Interlocked.Increment(ref Mine.Objects);

    /// <summary>An object's actor stopped.</summary>
    public void ObjectStopped() => Interlocked.Decrement(ref Mine.Objects);

    private ref Cell Mine => ref _cells[Thread.GetCurrentProcessorId() & CellMask];

    private delegate long Field(in Cell cell);

    private long Sum(Field field)
    {
        var sum = 0L;
        foreach (ref readonly var cell in _cells.AsSpan()) sum += field(cell);
        return sum;
    }

    /// <summary>Two cache lines, for processors fetch them in pairs.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    private struct Cell
    {
        public long Puts;
        public long Refusals;
        public long Gets;
        public long Hits;
        public long Flushes;
        public long Objects;
    }
}
