namespace Grid.Tests.Chaos;

/// <summary>A pool that a history is about.</summary>
/// <param name="Name">Its name.</param>
/// <param name="IsPersistent">Whether acknowledged pages must stay; else they may vanish at any moment.</param>
/// <param name="MayRefuse">Whether it may refuse a put.</param>
internal sealed record RecordedPool(string Name, bool IsPersistent, bool MayRefuse = false);

/// <summary>A call as its two lines tell of it.</summary>
/// <param name="Process">The caller.</param>
/// <param name="Kind">What was called.</param>
/// <param name="Pool">On which pool.</param>
/// <param name="Object">On which object.</param>
/// <param name="Indexes">On which of its pages; none: flush object, all of them.</param>
/// <param name="StartNs">Before it was sent.</param>
internal sealed record RecordedCall(int Process, CallKind Kind, string Pool, string Object, uint[] Indexes, long StartNs)
{
    /// <summary>Of puts: the pages. Of gets that were answered: what was got. 0 is no page.</summary>
    public ulong[] Values { get; init; } = [];

    /// <summary>Of flushes and applied write batches: what was there before, page by page.</summary>
    public bool[] There { get; init; } = [];

    /// <summary>After it was answered or given up; <see cref="long.MaxValue"/>: no end is recorded.</summary>
    public long EndNs { get; init; } = long.MaxValue;

    /// <summary>How it ended: answered, not applied, or unknown. <see cref="EntryType.Invoke"/>: no end is recorded.</summary>
    public EntryType Outcome { get; init; } = EntryType.Invoke;

    public bool IsRefused { get; init; }

    public long DeadlineNs { get; init; } = long.MaxValue;

    public string Text { get; init; } = "";

    public bool IsAnswered => Outcome == EntryType.Ok;

    /// <summary>May have taken effect, at any time since it began.</summary>
    public bool IsUnknown => Outcome is EntryType.Info or EntryType.Invoke;

    /// <summary>When it had certainly taken effect, if ever: never, where the outcome is unknown.</summary>
    public long EffectiveEndNs => IsAnswered ? EndNs : long.MaxValue;

    public bool Writes => Kind is not (CallKind.Get or CallKind.GetBatch);

    public bool Reads => Kind is CallKind.Get or CallKind.GetBatch or CallKind.Take or CallKind.TakeBatch;

    public bool Puts => Kind is CallKind.Put or CallKind.WriteBatch;

    /// <summary>For people.</summary>
    public override string ToString()
    {
        var pages = string.Join(' ', Indexes.Select((index, i) => i < Values.Length ? $"{index}={Values[i]}" : $"{index}"));
        var answer = Outcome switch
        {
            EntryType.Ok => $"{(IsRefused ? " refused" : "")}{(There.Length > 0 ? $" there {string.Join(' ', There.Select(there => there ? 1 : 0))}" : "")}",
            EntryType.Fail => " not applied",
            _ => " unknown",
        };
        return $"[{StartNs / 1e6:0.000}..{(EndNs == long.MaxValue ? "" : $"{EndNs / 1e6:0.000}")} ms] {Process}: {Kind} {pages}{answer}{(Text.Length > 0 ? $" ({Text})" : "")}";
    }
}

/// <summary>A history read back: its pools, its calls in the order of their beginnings, and what was broken when.</summary>
internal sealed record RecordedHistory(IReadOnlyDictionary<string, RecordedPool> Pools, IReadOnlyList<RecordedCall> Calls, IReadOnlyList<(long TimeNs, string Text)> Faults)
{
    public static async Task<RecordedHistory> ReadAsync(string path, CancellationToken cancellation = default)
    {
        var pairing = new Pairing();
        await foreach (var line in File.ReadLinesAsync(path, cancellation)) pairing.Add(HistoryEntry.Parse(line));
        return pairing.End();
    }

    public static RecordedHistory Of(IEnumerable<HistoryEntry> entries)
    {
        var pairing = new Pairing();
        foreach (var entry in entries) pairing.Add(entry);
        return pairing.End();
    }

    /// <summary>Finds the end of each call: the next line of its process.</summary>
    private sealed class Pairing
    {
        private readonly Dictionary<string, RecordedPool> _pools = [];
        private readonly Dictionary<int, HistoryEntry> _open = [];
        private readonly List<RecordedCall> _calls = [];
        private readonly List<(long, string)> _faults = [];

        public void Add(HistoryEntry entry)
        {
            switch (entry)
            {
                case { Op: CallKind.Pool }:
                    _pools[Required(entry.Pool, entry)] = new RecordedPool(entry.Pool!, entry.Persistent == true, entry.MayRefuse == true);
                    break;
                case { Op: CallKind.Fault }:
                    _faults.Add((entry.TimeNs, entry.Text ?? ""));
                    break;
                case { Type: EntryType.Invoke }:
                    if (!_open.TryAdd(entry.Process, entry)) throw new FormatException($"process {entry.Process} begins a call before its last one has ended: {entry.ToJson()}");
                    break;
                default:
                    if (!_open.Remove(entry.Process, out var begin)) throw new FormatException($"the end of a call that did not begin: {entry.ToJson()}");
                    _calls.Add(Call(begin, entry));
                    break;
            }
        }

        public RecordedHistory End()
        {
            _calls.AddRange(_open.Values.Select(begin => Call(begin, null)));
            return new RecordedHistory(_pools, [.. _calls.OrderBy(call => call.StartNs)], [.. _faults.OrderBy(fault => fault.Item1)]);
        }

        private RecordedCall Call(HistoryEntry begin, HistoryEntry? end)
        {
            if (end is not null && (end.Op != begin.Op || end.TimeNs < begin.TimeNs)) throw new FormatException($"not the end of {begin.ToJson()}: {end.ToJson()}");
            if (!_pools.ContainsKey(Required(begin.Pool, begin))) throw new FormatException($"nothing is told of the pool: {begin.ToJson()}");
            // Gets tell values at their end, puts at their beginning.
            var values = begin.Values ?? (begin.Value is { } put ? [put] : end?.Values ?? (end?.Value is { } got ? [got] : []));
            return new RecordedCall(begin.Process, begin.Op, begin.Pool!, Required(begin.Object, begin), begin.Indexes ?? (begin.Index is { } index ? [index] : []), begin.TimeNs)
            {
                Values = values,
                There = end?.There ?? [],
                EndNs = end?.TimeNs ?? long.MaxValue,
                Outcome = end?.Type ?? EntryType.Invoke,
                IsRefused = end?.Result == CallResult.Refused,
                DeadlineNs = begin.DeadlineNs ?? long.MaxValue,
                Text = end?.Text ?? "",
            };
        }

        private static string Required(string? text, HistoryEntry entry) => text ?? throw new FormatException($"something is missing: {entry.ToJson()}");
    }
}
