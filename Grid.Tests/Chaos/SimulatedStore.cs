namespace Grid.Tests.Chaos;

/// <summary>A mistake that a simulated store makes on purpose.</summary>
public enum StoreBreak
{
    None,

    /// <summary>Forgets a page that it acknowledged.</summary>
    LosesPages,

    /// <summary>A refused put leaves the page that was there.</summary>
    RefusalKeepsOldPage,

    /// <summary>A page that was overwritten or removed comes back, as with an owner that was paused, or pages handed off twice.</summary>
    PageComesBack,

    /// <summary>A put of unknown outcome takes effect a second time, as if the client had sent it again.</summary>
    AppliesUnknownTwice,

    /// <summary>A batch takes effect in two halves.</summary>
    BatchInHalves,

    /// <summary>A get is answered what another handle holds.</summary>
    CrossesPages,

    /// <summary>A flush is answered and forgotten.</summary>
    ForgetsFlushes,

    /// <summary>What is said not to have been applied is applied.</summary>
    AppliesFailed,

    /// <summary>A take hands the page out and leaves it.</summary>
    TakeKeeps,
}

/// <summary>
/// A correct store of one pool in a few lines, with callers that run interleaved at random: calls take effect at one instant between their two lines; some fail, some end unknown and take effect
/// later, or never; pages of an ephemeral pool vanish. What it writes is a history that a checker must pass, unless it is told to make a mistake.
/// </summary>
internal sealed class SimulatedStore(int seed, RecordedPool pool, StoreBreak mistake = StoreBreak.None)
{
    private const int Processes = 8;
    private const int Objects = 2;
    private static readonly uint[] Indexes = [0, 1, 70_000, uint.MaxValue];
    private readonly Random _random = new(seed);
    private readonly List<HistoryEntry> _history = [];
    private readonly Dictionary<(string Object, uint Index), ulong> _held = [];
    private readonly List<(string Object, uint Index, ulong Value)> _gone = [];
    private readonly List<HistoryEntry> _later = [];
    private readonly HistoryEntry?[] _answers = new HistoryEntry?[Processes];
    private readonly HistoryEntry?[] _running = new HistoryEntry?[Processes];
    private readonly int[] _process = [.. Enumerable.Range(0, Processes)];
    private ulong _value;
    private long _timeNs;

    /// <summary>Lets the callers make so many calls.</summary>
    public RecordedHistory Run(int calls)
    {
        _history.Add(new HistoryEntry { Process = -1, Type = EntryType.Info, Op = CallKind.Pool, Pool = pool.Name, Persistent = pool.IsPersistent, MayRefuse = pool.MayRefuse, TimeNs = 0 });
        for (var begun = 0; begun < calls || _running.Any(call => call is not null);)
        {
            _timeNs += _random.Next(1, 1000);
            var caller = _random.Next(Processes);
            if (_running[caller] is null)
            {
                if (begun == calls) continue;
                begun++;
                _running[caller] = NewCall(caller);
                _history.Add(_running[caller]!);
            }
            else
            {
                Advance(caller, _running[caller]!);
            }

            if (!pool.IsPersistent && _random.Next(30) == 0) RemoveOne();
            if (mistake == StoreBreak.LosesPages && _random.Next(100) == 0) RemoveOne();
            if (mistake == StoreBreak.PageComesBack && _gone.Count > 0 && _random.Next(50) == 0 && _gone[_random.Next(_gone.Count)] is var old) _held[(old.Object, old.Index)] = old.Value;
            if (_later.Count > 0 && _random.Next(20) == 0)
            {
                Apply(_later[0]);
                _later.RemoveAt(0);
            }
        }

        return RecordedHistory.Of(_history);
    }

    private HistoryEntry NewCall(int caller)
    {
        var kind = _random.Next(20) switch
        {
            < 7 => CallKind.Put,
            < 12 => CallKind.Get,
            < 14 => CallKind.Take,
            < 16 => CallKind.Flush,
            16 => CallKind.FlushObject,
            17 => CallKind.WriteBatch,
            18 => CallKind.GetBatch,
            _ => CallKind.TakeBatch,
        };
        var call = new HistoryEntry { Process = _process[caller], Type = EntryType.Invoke, Op = kind, Pool = pool.Name, Object = $"o{_random.Next(Objects)}", TimeNs = _timeNs };
        if (kind == CallKind.FlushObject) return call;
        if (kind is CallKind.Put or CallKind.Get or CallKind.Take or CallKind.Flush)
            return call with { Index = Indexes[_random.Next(Indexes.Length)], Value = kind == CallKind.Put ? ++_value : null };
        var indexes = (uint[])Indexes.Clone();
        _random.Shuffle(indexes);
        indexes = indexes[..3];
        return call with { Indexes = indexes, Values = kind == CallKind.WriteBatch ? [.. indexes.Select(_ => _random.Next(4) == 0 ? 0 : ++_value)] : null };
    }

    private void Advance(int caller, HistoryEntry call)
    {
        if (_answers[caller] is { } answer)
        {
            // Applied; now and then the answer is lost.
            var isLost = _random.Next(30) == 0;
            End(caller, isLost ? Bare(call) with { Type = EntryType.Info } : answer with { TimeNs = _timeNs });
            if (isLost && mistake == StoreBreak.AppliesUnknownTwice) _later.Add(call);
            return;
        }

        switch (_random.Next(40))
        {
            case 0:
                End(caller, Bare(call) with { Type = EntryType.Info });
                if (_random.Next(2) == 0) _later.Add(call);
                break;
            case 1:
                if (mistake == StoreBreak.AppliesFailed) Apply(call);
                End(caller, Bare(call) with { Type = EntryType.Fail });
                break;
            default:
                _answers[caller] = Apply(call);
                break;
        }
    }

    private HistoryEntry Bare(HistoryEntry call) => call with { TimeNs = _timeNs };

    private void End(int caller, HistoryEntry end)
    {
        _history.Add(end);
        (_running[caller], _answers[caller]) = (null, null);
        if (end.Type == EntryType.Info) _process[caller] += Processes;
    }

    /// <summary>Takes effect now, and what is answered.</summary>
    private HistoryEntry Apply(HistoryEntry call)
    {
        var (obj, ok) = (call.Object!, call with { Type = EntryType.Ok });
        var indexes = call.Indexes ?? (call.Index is { } index ? [index] : Indexes);
        var before = indexes.Select(at => Held(obj, at)).ToArray();
        var there = before.Select(value => value != 0).ToArray();
        var keeps = mistake == StoreBreak.TakeKeeps && _random.Next(5) == 0;
        switch (call.Op)
        {
            case CallKind.Put or CallKind.WriteBatch when pool.MayRefuse && _random.Next(4) == 0:
                if (mistake != StoreBreak.RefusalKeepsOldPage) Set(obj, indexes, new ulong[indexes.Length]);
                return ok with { Result = CallResult.Refused };
            case CallKind.Put:
                Set(obj, indexes, [call.Value!.Value]);
                return ok with { Result = CallResult.Stored };
            case CallKind.WriteBatch when mistake == StoreBreak.BatchInHalves && indexes.Length == 3:
                Set(obj, indexes[..1], call.Values![..1]);
                _later.Add(call with { Indexes = indexes[1..], Values = call.Values![1..] });
                return ok with { Result = CallResult.Stored, There = there };
            case CallKind.WriteBatch:
                Set(obj, indexes, call.Values!);
                return ok with { Result = CallResult.Stored, There = there };
            case CallKind.Get or CallKind.Take:
                if (call.Op == CallKind.Take && !keeps) Set(obj, indexes, [0]);
                return ok with { Value = mistake == StoreBreak.CrossesPages && _random.Next(20) == 0 ? _held.Values.Append(0ul).First() : before[0] };
            case CallKind.GetBatch or CallKind.TakeBatch:
                if (call.Op == CallKind.TakeBatch && !keeps) Set(obj, indexes, new ulong[indexes.Length]);
                return ok with { Values = before };
            default:
                if (mistake != StoreBreak.ForgetsFlushes || _random.Next(5) > 0) Set(obj, indexes, new ulong[indexes.Length]);
                return ok with { There = [there.Any(one => one)] };
        }
    }

    private ulong Held(string obj, uint index) => _held.GetValueOrDefault((obj, index));

    private void Set(string obj, uint[] indexes, ulong[] values)
    {
        for (var i = 0; i < indexes.Length; i++)
        {
            if (Held(obj, indexes[i]) is var old and not 0) _gone.Add((obj, indexes[i], old));
            if (values[i] == 0) _held.Remove((obj, indexes[i]));
            else _held[(obj, indexes[i])] = values[i];
        }
    }

    private void RemoveOne()
    {
        if (_held.Count > 0) _held.Remove(_held.Keys.ElementAt(_random.Next(_held.Count)));
    }
}
