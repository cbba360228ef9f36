using System.Diagnostics;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;

namespace Grid.Tests.Chaos.Bed;

/// <summary>The numbers of callers and pages of a run: each is used once.</summary>
internal sealed class Numbers
{
    private int _process = -1;
    private long _value;

    public int NextProcess() => Interlocked.Increment(ref _process);

    public ulong NextValue() => (ulong)Interlocked.Increment(ref _value);
}

/// <summary>A caller's way to the Grid: makes calls, one at a time, and writes down what was called and what came of it.</summary>
internal sealed class RecordingCaller(IReadOnlyDictionary<string, Pool> pools, HistoryWriter history, Numbers numbers, TimeSpan timeout)
{
    private readonly CallOptions _options = new() { Timeout = timeout };
    private int _process = numbers.NextProcess();

    /// <summary>Makes the call; whether it was answered. <see cref="HistoryEntry.Pool"/>, object, indexes and values say what it is.</summary>
    public async Task<bool> CallAsync(CallKind kind, string pool, ObjectId obj, uint[] indexes, ulong[] values)
    {
        var isBatch = kind is CallKind.WriteBatch or CallKind.GetBatch or CallKind.TakeBatch;
        var startNs = history.NowNs;
        var call = new HistoryEntry
        {
            Process = _process,
            Type = EntryType.Invoke,
            Op = kind,
            Pool = pool,
            Object = obj.ToString(),
            Index = isBatch || kind == CallKind.FlushObject ? null : indexes[0],
            Indexes = isBatch ? indexes : null,
            Value = kind == CallKind.Put ? values[0] : null,
            Values = kind == CallKind.WriteBatch ? values : null,
            DeadlineNs = startNs + (timeout.Ticks * TimeSpan.NanosecondsPerTick),
            TimeNs = startNs,
        };
        await history.AddAsync(call);
        var end = await EndAsync(call, pools[pool], obj);
        await history.AddAsync(end with { TimeNs = history.NowNs });
        if (end.Type == EntryType.Info) _process = numbers.NextProcess();
        return end.Type == EntryType.Ok;
    }

    private async Task<HistoryEntry> EndAsync(HistoryEntry call, Pool pool, ObjectId obj)
    {
        try
        {
            return (await AnswerAsync(call, pool, obj)) with { Type = EntryType.Ok };
        }
        catch (GridException failure)
        {
            return call with { Type = failure.Outcome == CallOutcome.NotApplied ? EntryType.Fail : EntryType.Info, Text = $"{failure.GetType().Name}: {failure.Message}" };
        }
    }

    private async Task<HistoryEntry> AnswerAsync(HistoryEntry call, Pool pool, ObjectId obj)
    {
        switch (call.Op)
        {
            case CallKind.Put:
                var put = await pool.PutAsync(obj, call.Index!.Value, PageBytes.Mixed(call.Value!.Value, pool.PageSizeBytes), _options);
                return call with { Result = put.Stored ? CallResult.Stored : CallResult.Refused };
            case CallKind.Get or CallKind.Take:
                var page = new byte[pool.PageSizeBytes];
                var got = await pool.GetAsync(obj, call.Index!.Value, page, call.Op == CallKind.Take ? GetMode.Take : GetMode.Keep, _options);
                return WithValues(call, [got.Hit], page) is { Values: [var value] } answered ? answered with { Value = value, Values = null } : throw new UnreachableException();
            case CallKind.Flush:
                return call with { There = [(await pool.FlushPageAsync(obj, call.Index!.Value, _options)).WasThere] };
            case CallKind.FlushObject:
                return call with { There = [(await pool.FlushObjectAsync(obj, _options)).WasThere] };
            case CallKind.WriteBatch:
                return await WriteBatchAsync(call, pool, obj);
            default:
                var pages = new byte[call.Indexes!.Length * pool.PageSizeBytes];
                var all = await pool.GetBatchAsync(obj, call.Indexes, pages, call.Op == CallKind.TakeBatch ? GetMode.Take : GetMode.Keep, null, _options);
                return WithValues(call, [.. call.Indexes.Select((_, i) => all.Hits[i])], pages);
        }
    }

    private async Task<HistoryEntry> WriteBatchAsync(HistoryEntry call, Pool pool, ObjectId obj)
    {
        var batch = new WriteBatch();
        foreach (var (index, value) in call.Indexes!.Zip(call.Values!))
        {
            if (value == 0) batch.Flush(index);
            else batch.Put(index, PageBytes.Mixed(value, pool.PageSizeBytes));
        }

        var written = await pool.WriteBatchAsync(obj, batch, null, _options);
        return written.Outcome == BatchOutcome.Refused
            ? call with { Result = CallResult.Refused }
            : call with { Result = CallResult.Stored, There = [.. call.Indexes!.Select((_, i) => written.Existed[i])] };
    }

    /// <summary>The numbers of the pages got; every byte of each must be that number's.</summary>
    private static HistoryEntry WithValues(HistoryEntry call, bool[] hits, byte[] pages)
    {
        var sizeBytes = pages.Length / hits.Length;
        var values = new ulong[hits.Length];
        string? wrong = null;
        for (var i = 0; i < hits.Length; i++)
        {
            if (!hits[i]) continue;
            var page = pages.AsSpan(i * sizeBytes, sizeBytes);
            values[i] = PageBytes.NumberOf(page);
            if (!page.SequenceEqual(PageBytes.Mixed(values[i], sizeBytes))) wrong = $"page {i}: {PageBytes.Describe(page)}";
        }

        return call with { Values = values, Text = wrong };
    }
}
