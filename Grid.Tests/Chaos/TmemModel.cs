using Grid.Tests.Model;

namespace Grid.Tests.Chaos;

/// <summary>
/// What the contract says of an object, as effects of calls on the pages it holds. In an ephemeral pool a page may vanish at any moment; that it did matters only once somebody sees that it is not
/// there, so each answer that says so is possible in any state, and leaves the handle empty: nothing comes back.
/// </summary>
internal sealed class TmemModel
{
    private readonly bool _isPersistent;
    private readonly bool _mayRefuse;
    private readonly Dictionary<uint, int> _slots;

    private TmemModel(RecordedPool pool, Dictionary<uint, int> slots) => (_isPersistent, _mayRefuse, _slots) = (pool.IsPersistent, pool.MayRefuse, slots);

    /// <summary>The question whether an order explains the answers of all calls on one object, which nobody had used before them.</summary>
    public static ObjectHistory HistoryOf(RecordedPool pool, IReadOnlyCollection<RecordedCall> calls)
    {
        var slots = calls.SelectMany(call => call.Indexes).Distinct().Order().Select((index, slot) => (index, slot)).ToDictionary(pair => pair.index, pair => pair.slot);
        var model = new TmemModel(pool, slots);
        var history = new ObjectHistory(new ulong[slots.Count]);
        foreach (var process in calls.GroupBy(call => call.Process)) history.AddCaller(process.OrderBy(call => call.StartNs).Select(model.Of).OfType<ObjectCall>());
        return history;
    }

    /// <summary>
    /// The call's effect; null where it certainly had none and says nothing. Of a persistent pool, a refusal says nothing of what was there before and removes it: it is not free. Of an ephemeral one every
    /// call is: had it come later and removed something, that may vanish as well.
    /// </summary>
    private ObjectCall? Of(RecordedCall call) => call switch
    {
        { Outcome: EntryType.Fail } => null,
        { IsUnknown: true, Writes: false } => null,
        // What it may have removed may have vanished as well.
        { IsUnknown: true, Puts: false } when !_isPersistent => null,
        { IsUnknown: true } => new ObjectCall(call.StartNs, long.MaxValue, call.ToString(), UnknownWays(call), MayBeNothing: true),
        _ => new ObjectCall(call.StartNs, call.EndNs, call.ToString(), [Answered(call)], IsFree: !_isPersistent || !call.IsRefused, Gets: call.Reads ? [.. call.Values.Where(value => value != 0)] : null),
    };

    private Effect[] UnknownWays(RecordedCall call)
    {
        var at = SlotsOf(call);
        Effect empties = state => Empty(state, at);
        if (!call.Puts) return [empties];
        Effect stores = state => Store(state, at, call.Values);
        return _mayRefuse ? [stores, empties] : [stores];
    }

    private Effect Answered(RecordedCall call)
    {
        var at = SlotsOf(call);
        return call.Kind switch
        {
            CallKind.Put or CallKind.WriteBatch when call.IsRefused => state => Empty(state, at),
            CallKind.Put => state => Store(state, at, call.Values),
            CallKind.WriteBatch => state => Found(state, at, call.There) && Store(state, at, call.Values),
            CallKind.Get or CallKind.GetBatch => state => Holds(state, at, call.Values),
            CallKind.Take or CallKind.TakeBatch => state => Holds(state, at, call.Values) && Empty(state, at),
            CallKind.Flush => state => Found(state, at, call.There) && Empty(state, at),
            CallKind.FlushObject => state => FoundAny(state, call.There[0]) && Empty(state, at),
            _ => throw new InvalidOperationException($"no call: {call}"),
        };
    }

    private int[] SlotsOf(RecordedCall call) => call.Kind == CallKind.FlushObject ? [.. _slots.Values] : [.. call.Indexes.Select(index => _slots[index])];

    /// <summary>Whether what was got is there; what was missed is not there from now on.</summary>
    private bool Holds(Span<ulong> state, int[] at, ulong[] values)
    {
        for (var i = 0; i < at.Length; i++)
        {
            if (values[i] == 0 && !_isPersistent) state[at[i]] = 0;
            if (state[at[i]] != values[i]) return false;
        }

        return true;
    }

    private bool Found(Span<ulong> state, int[] at, bool[] there)
    {
        for (var i = 0; i < at.Length; i++)
        {
            if (there[i] ? state[at[i]] == 0 : _isPersistent && state[at[i]] != 0) return false;
        }

        return true;
    }

    private bool FoundAny(Span<ulong> state, bool there)
    {
        var any = state.IndexOfAnyExcept(0ul) >= 0;
        return there ? any : !any || !_isPersistent;
    }

    private static bool Store(Span<ulong> state, int[] at, ulong[] values)
    {
        for (var i = 0; i < at.Length; i++) state[at[i]] = values[i];
        return true;
    }

    private static bool Empty(Span<ulong> state, int[] at)
    {
        foreach (var slot in at) state[slot] = 0;
        return true;
    }
}
