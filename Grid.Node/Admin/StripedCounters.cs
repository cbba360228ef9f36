using System.Numerics;
using System.Runtime.CompilerServices;

namespace Grid.Node.Admin;

/// <summary>Counters that many threads add to without sharing a cache line: one copy of each per processor, summed when read.</summary>
internal sealed class StripedCounters
{
    private const int LineLongs = 16;
    private readonly long[] _cells;
    private readonly int _stripeLongs;
    private readonly int _mask;

    /// <summary>Makes counters that stand at zero.</summary>
    /// <param name="counters">How many.</param>
    public StripedCounters(int counters)
    {
        var stripes = (int)Math.Min(64, BitOperations.RoundUpToPowerOf2((uint)Environment.ProcessorCount));
        _mask = stripes - 1;
        _stripeLongs = (counters + LineLongs - 1) / LineLongs * LineLongs;
        _cells = new long[(_stripeLongs * stripes) + LineLongs];
    }

    /// <summary>Adds to a counter.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Add(int counter, long amount)
    {
        var cell = LineLongs + ((Thread.GetCurrentProcessorId() & _mask) * _stripeLongs) + counter;
        Interlocked.Add(ref _cells[cell], amount);
    }

    /// <summary>A counter's value.</summary>
    public long Sum(int counter)
    {
        var sum = 0L;
        for (var cell = LineLongs + counter; cell < _cells.Length; cell += _stripeLongs) sum += Volatile.Read(ref _cells[cell]);
        return sum;
    }
}
