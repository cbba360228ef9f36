using Grid.Node.Objects;
using Grid.Protocol;

namespace Grid.Node.Gateway;

/// <summary>Counts answered operations for their pools.</summary>
internal static class PoolCounting
{
    /// <summary>Counts one answer.</summary>
    public static void Count(ObjectRequest request)
    {
        // What another node carried out is counted there.
        if (request.Pool is not { } pool || request.IsForwarded || request.Status.IsError()) return;
        var counters = pool.Counters;
        switch (request.Opcode)
        {
            case Opcode.Get:
                counters.AddGets(1, request.Status == Status.Ok ? 1 : 0);
                break;
            case Opcode.Put when request.Status == Status.Ok:
                counters.AddPuts();
                break;
            case Opcode.Put when request.Status == Status.Refused:
                counters.AddRefusals();
                break;
            case Opcode.FlushPage or Opcode.FlushObject when request.Status == Status.Ok:
                counters.AddFlushes();
                break;
            case Opcode.GetBatch when request.Status == Status.Ok:
                counters.AddGets(request.Count, SetBits(request));
                break;
            case Opcode.WriteBatch:
                CountWrites(request);
                break;
        }
    }

    private static void CountWrites(ObjectRequest request)
    {
        if (request.Status is not (Status.Ok or Status.Refused)) return;
        var puts = 0;
        var flushes = 0;
        for (var i = 0; i < request.Count; i++)
        {
            if (!request.Entries[i].IsFlush) puts++;
            else if (request.Bits.Get(i)) flushes++;
        }

        if (puts > 0 && request.Status == Status.Ok) request.Pool.Counters.AddPuts(puts);
        else if (puts > 0) request.Pool.Counters.AddRefusals(puts);
        if (flushes > 0) request.Pool.Counters.AddFlushes(flushes);
    }

    private static int SetBits(ObjectRequest request)
    {
        var hits = 0;
        for (var i = 0; i < request.Count; i++)
            if (request.Bits.Get(i)) hits++;
        return hits;
    }
}
