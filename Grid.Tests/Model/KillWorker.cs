using System.Collections.Concurrent;
using System.Diagnostics;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;

namespace Grid.Tests.Model;

/// <summary>An object of a kill run: which pool, which id, which of its pages.</summary>
internal readonly record struct KillObject(string Pool, ObjectId Id, bool HasQuota)
{
    /// <summary>The pages used of it: dense and at the ends of the range.</summary>
    public static uint[] Indexes { get; } = [0, 1, 2, 70_000, uint.MaxValue];
}

/// <summary>Counts of a kill run.</summary>
internal sealed class KillCounts
{
    public long AcknowledgedPuts;
    public long Refused;
    public long Unknown;
    public long NotApplied;
    public long Calls;
}

/// <summary>One caller of a kill run: random operations of persistent pools, one after the other, each noted with what was answered.</summary>
internal sealed class KillWorker(GridClient client, IReadOnlyList<KillObject> objects, Random random, Func<ulong> nextNumber, KillCounts counts)
{
    private readonly Dictionary<KillObject, List<(ObjectCall Call, bool IsUnknown)>> _calls = objects.ToDictionary(item => item, _ => new List<(ObjectCall, bool)>());
    private readonly ConcurrentDictionary<string, Pool> _pools = [];

    /// <summary>Works until told to stop; the failure where something was answered that no caller may be answered.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        foreach (var name in objects.Select(item => item.Pool).Distinct()) _pools[name] = await client.OpenPoolAsync(name, CancellationToken.None);
        while (!stop.IsCancellationRequested)
        {
            var target = objects[random.Next(objects.Count)];
            Interlocked.Increment(ref counts.Calls);
            await CallAsync(target, _pools[target.Pool]);
        }
    }

    /// <summary>The calls on an object. Those of unknown outcome can have taken effect until the process had ended.</summary>
    public IEnumerable<ObjectCall> CallsOn(KillObject target, long processEnded) =>
        _calls[target].Select(item => item.IsUnknown ? item.Call with { End = Math.Max(processEnded, item.Call.Start) } : item.Call);

    private Task CallAsync(KillObject target, Pool pool)
    {
        var at = random.Next(KillObject.Indexes.Length);
        return random.Next(16) switch
        {
            < 5 => PutAsync(target, pool, at),
            < 7 => NoteAsync(target, $"flush {at}", [state => Empty(state, at)], async () =>
            {
                var was = (await pool.FlushPageAsync(target.Id, KillObject.Indexes[at])).WasThere;
                return ($"flush {at}: {was}", state => (state[at] != 0) == was && Empty(state, at));
            }),
            7 => NoteAsync(target, "flush object", [EmptyAll], async () =>
            {
                var was = (await pool.FlushObjectAsync(target.Id)).WasThere;
                return ($"flush object: {was}", state => state.ContainsAnyExcept(0ul) == was && EmptyAll(state));
            }),
            < 10 => GetAsync(target, pool, at, GetMode.Take),
            < 12 => GetAsync(target, pool, at, GetMode.Keep),
            12 => GetBatchAsync(target, pool, random.Next(2) == 0 ? GetMode.Keep : GetMode.Take),
            _ => WriteBatchAsync(target, pool),
        };
    }

    private Task PutAsync(KillObject target, Pool pool, int at)
    {
        var number = nextNumber();
        Effect stores = state => Set(state, at, number);
        return NoteAsync(target, $"put {number} at {at}", target.HasQuota ? [stores, state => Empty(state, at)] : [stores], async () =>
        {
            var result = await pool.PutAsync(target.Id, KillObject.Indexes[at], PageBytes.Mixed(number));
            Interlocked.Increment(ref result.Stored ? ref counts.AcknowledgedPuts : ref counts.Refused);
            return result.Stored ? ($"put {number} at {at}", stores) : ($"put {number} at {at}: refused", state => target.HasQuota && Empty(state, at));
        });
    }

    private Task GetAsync(KillObject target, Pool pool, int at, GetMode mode) => NoteAsync(target, $"{mode} {at}", [state => mode == GetMode.Take && Empty(state, at)], async () =>
    {
        var (hit, page, _) = await pool.ReadAsync(target.Id, KillObject.Indexes[at], mode);
        var number = hit ? NumberOf(page) : 0;
        return ($"{mode} {at}: {number}", state => state[at] == number && (mode == GetMode.Keep || Empty(state, at)));
    });

    private Task GetBatchAsync(KillObject target, Pool pool, GetMode mode)
    {
        var chosen = Choose();
        return NoteAsync(target, $"{mode} {string.Join(' ', chosen)}", [state => mode == GetMode.Take && EmptyMany(state, chosen)], async () =>
        {
            var buffer = new byte[chosen.Length * pool.PageSizeBytes];
            var result = await pool.GetBatchAsync(target.Id, Array.ConvertAll(chosen, at => KillObject.Indexes[at]), buffer, mode);
            var numbers = chosen.Select((_, i) => result.Hits[i] ? NumberOf(buffer.AsSpan(i * pool.PageSizeBytes, pool.PageSizeBytes)) : 0).ToArray();
            bool Agrees(Span<ulong> state)
            {
                for (var i = 0; i < chosen.Length; i++)
                    if (state[chosen[i]] != numbers[i]) return false;
                return mode == GetMode.Keep || EmptyMany(state, chosen);
            }

            return ($"{mode} {string.Join(' ', chosen)}: {string.Join(' ', numbers)}", Agrees);
        });
    }

    private Task WriteBatchAsync(KillObject target, Pool pool)
    {
        var chosen = Choose();
        var numbers = chosen.Select(_ => random.Next(4) == 0 ? 0 : nextNumber()).ToArray();
        bool Apply(Span<ulong> state)
        {
            for (var i = 0; i < chosen.Length; i++) state[chosen[i]] = numbers[i];
            return true;
        }

        var text = $"batch {string.Join(' ', chosen.Select((at, i) => $"{at}={numbers[i]}"))}";
        return NoteAsync(target, text, target.HasQuota ? [Apply, state => EmptyMany(state, chosen)] : [Apply], async () =>
        {
            var batch = new WriteBatch();
            for (var i = 0; i < chosen.Length; i++)
            {
                if (numbers[i] == 0) batch.Flush(KillObject.Indexes[chosen[i]]);
                else batch.Put(KillObject.Indexes[chosen[i]], PageBytes.Mixed(numbers[i]));
            }

            var result = await pool.WriteBatchAsync(target.Id, batch);
            var stored = result.Outcome == BatchOutcome.Applied;
            if (stored) Interlocked.Add(ref counts.AcknowledgedPuts, numbers.Count(number => number != 0));
            else Interlocked.Increment(ref counts.Refused);
            bool Agrees(Span<ulong> state)
            {
                for (var i = 0; i < chosen.Length; i++)
                    if (stored && (state[chosen[i]] != 0) != result.Existed[i]) return false;
                return stored ? Apply(state) : target.HasQuota && result.Outcome == BatchOutcome.Refused && EmptyMany(state, chosen);
            }

            return ($"{text}: {result.Outcome}", Agrees);
        });
    }

    /// <summary>Makes the call and notes what came of it; what was not applied is forgotten, so that it is a violation where it shows nevertheless.</summary>
    private async Task NoteAsync(KillObject target, string text, IReadOnlyList<Effect> ways, Func<Task<(string Text, Effect Effect)>> call)
    {
        var start = Stopwatch.GetTimestamp();
        try
        {
            var (answered, effect) = await call();
            _calls[target].Add((new ObjectCall(start, Stopwatch.GetTimestamp(), answered, [effect]), false));
        }
        catch (PageCorruptException damaged)
        {
            throw new ContractViolationException($"{text}: {damaged.Message}");
        }
        catch (Exception failure) when (failure is GridException { Outcome: CallOutcome.NotApplied } or ObjectDisposedException)
        {
            Interlocked.Increment(ref counts.NotApplied);
        }
        catch (GridException)
        {
            Interlocked.Increment(ref counts.Unknown);
            _calls[target].Add((new ObjectCall(start, start, text, ways, MayBeNothing: true), true));
        }
    }

    private int[] Choose()
    {
        var all = Enumerable.Range(0, KillObject.Indexes.Length).ToArray();
        random.Shuffle(all);
        return all[..random.Next(2, all.Length + 1)];
    }

    /// <summary>Which put made this page: every byte must be that put's.</summary>
    public static ulong NumberOf(ReadOnlySpan<byte> page)
    {
        var number = PageBytes.NumberOf(page);
        if (number == 0 || !page.SequenceEqual(PageBytes.Mixed(number))) throw new ContractViolationException($"nobody put this page: {PageBytes.Describe(page)}");
        return number;
    }

    private static bool Set(Span<ulong> state, int at, ulong number)
    {
        state[at] = number;
        return true;
    }

    private static bool Empty(Span<ulong> state, int at) => Set(state, at, 0);

    private static bool EmptyMany(Span<ulong> state, int[] chosen)
    {
        foreach (var at in chosen) state[at] = 0;
        return true;
    }

    private static bool EmptyAll(Span<ulong> state)
    {
        state.Clear();
        return true;
    }
}
