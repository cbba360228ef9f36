using Grid.Client;

namespace Grid.Tests.Chaos;

/// <summary>
/// The promises as direct questions to a history, handle by handle: each finds less than the search for an order does, but says which promise is broken and by which two or three calls, and costs
/// next to nothing. Values are unique: a value names its put.
/// </summary>
internal static class PromiseChecks
{
    public const string PutPutGet = "1 put-put-get";
    public const string GetGet = "2 get-get";
    public const string Flush = "3 flush";
    public const string Persistent = "4 persistent";
    public const string NoCrossedPages = "6 no crossed pages";
    public const string Bounds = "bounds";
    public const string Refusals = "refusals";

    /// <summary>Everything that is wrong with the answers; calls may end so much after their deadlines.</summary>
    public static IEnumerable<Violation> Check(RecordedHistory history, TimeSpan tolerance)
    {
        var puts = history.Calls.Where(call => call.Puts).SelectMany(call => call.Values.Where(value => value != 0).Select(value => (value, call))).ToLookup(pair => pair.value, pair => pair.call);
        return history.Calls.SelectMany(call => CheckCall(call, history.Pools[call.Pool], tolerance)).Concat(
            from calls in history.Calls.GroupBy(call => (call.Pool, call.Object))
            from index in calls.SelectMany(call => call.Indexes).Distinct()
            from violation in CheckHandle(history.Pools[calls.Key.Pool], [.. calls.Select(call => HandleCall.Of(call, index)).OfType<HandleCall>()], puts)
            select violation);
    }

    private static IEnumerable<Violation> CheckCall(RecordedCall call, RecordedPool pool, TimeSpan tolerance)
    {
        if (call.EndNs == long.MaxValue)
            yield return new Violation(Bounds, "a call did not end", [call]);
        else if (call.DeadlineNs != long.MaxValue && (call.EndNs - call.DeadlineNs) / 1e9 > tolerance.TotalSeconds)
            yield return new Violation(Bounds, $"a call ended {(call.EndNs - call.DeadlineNs) / 1e6:0} ms after its deadline", [call]);
        if (call.IsAnswered && call.Text.Length > 0) yield return new Violation(Persistent, "bytes that nobody put", [call]);
        if (call.Text.StartsWith(nameof(PageCorruptException), StringComparison.Ordinal)) yield return new Violation(Persistent, "a page is damaged", [call]);
        if (call is { IsAnswered: true, IsRefused: true } && !pool.MayRefuse) yield return new Violation(Refusals, "a pool refused that has no reason to", [call]);
    }

    private static IEnumerable<Violation> CheckHandle(RecordedPool pool, IReadOnlyList<HandleCall> calls, ILookup<ulong, RecordedCall> puts)
    {
        var putsHere = calls.Where(call => call.Put != 0).ToLookup(call => call.Put);
        var endings = new Endings(calls.Where(call => call.Ends));
        foreach (var readings in calls.Where(call => call.Got != 0).GroupBy(call => call.Got))
        {
            if (putsHere[readings.Key].FirstOrDefault() is not { } put)
            {
                yield return new Violation(NoCrossedPages, "a page was got that was not put under its handle", [.. puts[readings.Key], readings.First().Call]);
                continue;
            }

            foreach (var violation in CheckValue(put, [.. readings], endings)) yield return violation;
        }

        if (!pool.IsPersistent) yield break;
        foreach (var call in calls.Where(call => call.SeesNothing))
        {
            // The latest of all that may have changed the handle: where it is an acknowledged put, and everything else was over when it began, nobody can have removed the page.
            var changes = calls.Where(other => other != call && other.Writes && other.Call.StartNs < call.Call.EndNs).ToArray();
            if (changes.MaxBy(change => change.Call.StartNs) is not { Put: not 0, Call: { IsAnswered: true, IsRefused: false } } last || last.Call.EndNs >= call.Call.StartNs) continue;
            if (changes.All(change => change == last || change.Call.EffectiveEndNs <= last.Call.StartNs))
                yield return new Violation(Persistent, "an acknowledged page is missing", [last.Call, call.Call]);
        }
    }

    /// <summary>The gets of one value, and what may have been before and after them.</summary>
    private static IEnumerable<Violation> CheckValue(HandleCall put, IReadOnlyList<HandleCall> readings, Endings endings)
    {
        if (put.Call.Outcome == EntryType.Fail || put.Call.IsRefused)
            yield return new Violation(PutPutGet, "a page was got whose put is said not to have been applied", [put.Call, readings[0].Call]);
        foreach (var early in readings.Where(reading => reading.Call.EndNs < put.Call.StartNs))
            yield return new Violation(NoCrossedPages, "a page was got before it was put", [early.Call, put.Call]);

        // The page is there since, at the latest.
        var there = Math.Min(put.Call.EffectiveEndNs, readings.Min(reading => reading.Call.EndNs));
        foreach (var reading in readings)
        {
            if (endings.FirstAfter(there) is { } ending && ending.Call.EndNs < reading.Call.StartNs)
                yield return new Violation(ending.RuleBroken, "a page was got after it was gone", [put.Call, ending.Call, reading.Call]);
        }

        if (readings.Where(reading => reading.Takes).MinBy(reading => reading.Call.EndNs) is not { } take) yield break;
        foreach (var reading in readings.Where(reading => reading != take && (reading.Takes || reading.Call.StartNs > take.Call.EndNs)))
            yield return new Violation(GetGet, "a page was got that somebody had taken", [put.Call, take.Call, reading.Call]);
    }

    /// <summary>A call as one handle sees it. 0 is no page.</summary>
    private sealed record HandleCall(RecordedCall Call, ulong Put, ulong Got, bool SeesNothing)
    {
        public bool Takes => Call.Kind is CallKind.Take or CallKind.TakeBatch;

        /// <summary>May have changed what the handle holds.</summary>
        public bool Writes => Call.Writes && Call.Outcome != EntryType.Fail;

        /// <summary>Whatever the handle held before is gone after it.</summary>
        public bool Ends => Call.IsAnswered && (Call.Writes || SeesNothing);

        public string RuleBroken => Call.Kind switch
        {
            CallKind.Flush or CallKind.FlushObject => Flush,
            _ when Put != 0 || Call.Puts => PutPutGet,
            _ => GetGet,
        };

        /// <summary>Null where the call has nothing to do with the handle.</summary>
        public static HandleCall? Of(RecordedCall call, uint index)
        {
            // That an object holds nothing says so of each of its handles; that it holds something, of none.
            if (call.Kind == CallKind.FlushObject) return new HandleCall(call, 0, 0, call.IsAnswered && !call.There[0]);
            var at = Array.IndexOf(call.Indexes, index);
            if (at < 0) return null;
            if (call.Puts) return new HandleCall(call, call.Values[at], 0, call.IsAnswered && at < call.There.Length && !call.There[at]);
            if (call.Kind == CallKind.Flush) return new HandleCall(call, 0, 0, call.IsAnswered && !call.There[0]);
            return call.IsAnswered ? new HandleCall(call, 0, call.Values[at], call.Values[at] == 0) : new HandleCall(call, 0, 0, false);
        }
    }

    /// <summary>The calls after which nothing is left of what a handle held.</summary>
    private sealed class Endings
    {
        private readonly HandleCall[] _byStart;
        private readonly HandleCall[] _firstToEnd;

        public Endings(IEnumerable<HandleCall> calls)
        {
            _byStart = [.. calls.OrderBy(call => call.Call.StartNs)];
            _firstToEnd = (HandleCall[])_byStart.Clone();
            for (var i = _firstToEnd.Length - 2; i >= 0; i--)
                if (_firstToEnd[i + 1].Call.EndNs < _firstToEnd[i].Call.EndNs) _firstToEnd[i] = _firstToEnd[i + 1];
        }

        /// <summary>Of those that began after this time, the one that ended first.</summary>
        public HandleCall? FirstAfter(long time)
        {
            var (low, high) = (0, _byStart.Length);
            while (low < high)
            {
                var middle = (low + high) / 2;
                if (_byStart[middle].Call.StartNs > time) high = middle;
                else low = middle + 1;
            }

            return low < _firstToEnd.Length ? _firstToEnd[low] : null;
        }
    }
}
