using Grid.Tests.Model;

namespace Grid.Tests.Chaos;

/// <summary>Judges a history: the promises one by one, and whether the calls on each object are linearizable. No violation: everything that was answered may be answered.</summary>
internal static class HistoryChecker
{
    public const string Linearizable = "5 linearizable";

    /// <summary>The search for a window asks the question many times: each time may cost so much, and all together.</summary>
    private const int StepsForAnswer = 3_000;

    private const int StepsForWindow = 60_000;

    /// <summary>What is wrong; calls may end so much after their deadlines.</summary>
    public static IReadOnlyList<Violation> Check(RecordedHistory history, TimeSpan tolerance, int stepsMax = ObjectHistory.StepsMax)
    {
        var violations = PromiseChecks.Check(history, tolerance).ToList();
        foreach (var calls in history.Calls.GroupBy(call => (call.Pool, call.Object)))
        {
            var pool = history.Pools[calls.Key.Pool];
            if (TmemModel.HistoryOf(pool, [.. calls]).Check(stepsMax) is { } wrong)
                violations.Add(new Violation(Linearizable, $"{calls.Key.Pool}/{calls.Key.Object}: {wrong}", MinimalWindow(pool, [.. calls])));
        }

        return violations;
    }

    /// <summary>
    /// The fewest calls that are not explained: the history up to the end of the call that cannot be placed (what ran then counts as unknown), without the gets that may be left out. Each of
    /// these steps keeps a linearizable history linearizable, so what remains is wrong by itself. All calls, where the question was given up.
    /// </summary>
    private static IReadOnlyList<RecordedCall> MinimalWindow(RecordedPool pool, IReadOnlyList<RecordedCall> calls)
    {
        var left = StepsForWindow;
        var ends = calls.Where(call => call.IsAnswered).Select(call => call.EndNs).Order().ToArray();
        var (low, high) = (0, ends.Length - 1);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (IsExplained(pool, Until(calls, ends[middle]), ref left)) low = middle + 1;
            else high = middle;
        }

        List<RecordedCall> window = low < ends.Length ? [.. Until(calls, ends[low])] : [.. calls];
        for (var piece = window.Count / 2; piece > 0; piece /= 2)
        {
            for (var at = 0; at < window.Count; at += piece)
            {
                var without = window.Where((call, i) => i < at || i >= at + piece || call.Writes).ToList();
                if (without.Count < window.Count && !IsExplained(pool, without, ref left)) window = without;
            }
        }

        return window;
    }

    /// <summary>Given up counts as explained: a window must be wrong for certain.</summary>
    private static bool IsExplained(RecordedPool pool, IReadOnlyCollection<RecordedCall> calls, ref int left)
    {
        var history = TmemModel.HistoryOf(pool, calls);
        var wrong = history.Check(Math.Min(StepsForAnswer, left));
        left -= history.Steps;
        return wrong is null || wrong.StartsWith(ObjectHistory.GivenUp, StringComparison.Ordinal);
    }

    private static RecordedCall[] Until(IEnumerable<RecordedCall> calls, long time) =>
        [.. calls.Where(call => call.StartNs <= time).Select(call => call.EndNs <= time ? call : call with { EndNs = long.MaxValue, Outcome = EntryType.Invoke })];
}
