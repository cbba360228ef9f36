using System.Diagnostics.CodeAnalysis;
using System.IO.Hashing;
using System.Numerics;
using System.Runtime.InteropServices;

namespace Grid.Tests.Model;

/// <summary>What a call does to an object's handles, one of the ways in which it may have gone: true where that way agrees with what was answered. 0 is an empty handle.</summary>
internal delegate bool Effect(Span<ulong> state);

/// <summary>A call on an object: when it took effect at the earliest and the latest, and how it may have gone.</summary>
/// <param name="Start">Before it was sent.</param>
/// <param name="End">After it was answered; of a call whose outcome is unknown: when it can have taken effect at the latest.</param>
/// <param name="Text">What it was, for people.</param>
/// <param name="Ways">Its possible effects; one, where it was answered.</param>
/// <param name="MayBeNothing">Whether it may not have taken effect at all: its outcome is unknown.</param>
/// <param name="IsFree">
/// Whether it may come first wherever it agrees and changes nothing: a get of what is there, a flush that found nothing. Not what would have removed something had it come later, where that
/// something must not vanish by itself.
/// </param>
/// <param name="Gets">The pages that it got, where each is put once only: until it has come, they must not go. The search knows sooner then that it leads nowhere.</param>
internal sealed record ObjectCall(
    long Start, long End, string Text, IReadOnlyList<Effect> Ways, bool MayBeNothing = false, bool IsFree = false, IReadOnlyList<ulong>? Gets = null);

/// <summary>
/// The calls of several callers on one object, and the exact question whether they are linearizable: whether there is an order of them that respects time and explains every answer, starting from
/// a known state. (The search of Wing and Gong with the memory of Lowe: a configuration that has failed once is not tried again. Nor is one that another one is better than: of two with the same answered calls
/// placed and the same pages, what leads on from the one that has used up more calls of unknown outcome leads on from the other, too. Without that an outage with dozens of them is more than can be searched.)
/// </summary>
/// <param name="initial">What the handles held at the beginning.</param>
internal sealed class ObjectHistory(ulong[] initial)
{
    /// <summary>So many configurations are tried before the question is given up: a history that is linearizable takes a few for each call.</summary>
    public const int StepsMax = 1_000_000;

    /// <summary>How a check's answer begins that shows nothing.</summary>
    public const string GivenUp = "given up";

    private readonly List<ObjectCall[]> _callers = [];
    private readonly List<ObjectCall> _unknown = [];
    private readonly Dictionary<ulong, List<(int Caller, int Call)>> _getsOf = [];

    /// <summary>Calls so far.</summary>
    public int Count => Answered + _unknown.Count;

    /// <summary>What the last check cost.</summary>
    public int Steps { get; private set; }

    private int Answered => _callers.Sum(calls => calls.Length);

    /// <summary>Adds a caller, whose calls follow one another; one of unknown outcome may take effect while its caller's next ones run.</summary>
    public void AddCaller(IEnumerable<ObjectCall> calls)
    {
        var all = calls.ToLookup(call => call.MayBeNothing);
        _unknown.AddRange(all[true]);
        if (!all[false].Any()) return;
        _callers.Add([.. all[false]]);
        foreach (var (at, call) in _callers[^1].Index())
        {
            foreach (var page in call.Gets ?? [])
            {
                if (!_getsOf.TryGetValue(page, out var gets)) _getsOf[page] = gets = [];
                gets.Add((_callers.Count - 1, at));
            }
        }
    }

    /// <summary>Null where an order explains all answers; else how far the search came and what it could not place, or that it was given up: then nothing is shown.</summary>
    public string? Check(int stepsMax = StepsMax)
    {
        var total = Answered;
        var (firstUnknownEnd, lastUnknownEnd) = (_unknown.Select(call => call.End).DefaultIfEmpty(long.MaxValue).Min(), _unknown.Select(call => call.End).DefaultIfEmpty(long.MinValue).Max());
        var frontier = new Frontier();
        var deepest = new Configuration(new int[_callers.Count], new ulong[(_unknown.Count + 63) / 64], initial, 0, long.MinValue);
        frontier.Push(deepest);
        for (Steps = 0; frontier.TryPop(out var at); Steps++)
        {
            if (at.Done == total) return null;
            if (Steps == stepsMax) return $"{GivenUp} after {Steps} steps, nothing is shown: {Explain(deepest, total)}";
            if (at.Done > deepest.Done) deepest = at;
            // What began after another call had ended comes after that one.
            var limit = Open(at).Min(open => open.Call.End);
            var next = Open(at).Where(open => open.Call.Start <= limit).OrderByDescending(open => open.Call.End).Select(open => (open.Call, After: Place(at, open.Caller, open.Call)))
                .Where(child => child.After is not null).ToArray();
            // One that agrees and changes nothing may as well come now: in whatever order it came later, it can come now. Unless it would be too late then for a call of unknown outcome.
            var free = Array.FindIndex(next, child => child.Call.IsFree && child.After!.State.AsSpan().SequenceEqual(at.State) && (child.Call.Start <= firstUnknownEnd || at.LatestStart > lastUnknownEnd));
            if (free >= 0)
            {
                frontier.Push(next[free].After!);
                continue;
            }

            // Of those with an answer the one that ended first is tried before the others; what is unknown only where they lead nowhere.
            PushUnknown(at, limit, frontier);
            foreach (var (_, after) in next) frontier.Push(after!);
        }

        return Explain(deepest, total);
    }

    private IEnumerable<(int Caller, ObjectCall Call)> Open(Configuration at)
    {
        for (var caller = 0; caller < _callers.Count; caller++)
            if (at.Next[caller] < _callers[caller].Length) yield return (caller, _callers[caller][at.Next[caller]]);
    }

    private Configuration? Place(Configuration at, int caller, ObjectCall call)
    {
        var state = (ulong[])at.State.Clone();
        return call.Ways[0](state) && at.AfterAnswered(caller, state, call.Start) is var after && KeepsWhatIsGot(at, after) ? after : null;
    }

    /// <summary>Whether no page has gone that is still to be got.</summary>
    private bool KeepsWhatIsGot(Configuration at, Configuration after)
    {
        for (var i = 0; i < after.State.Length; i++)
        {
            if (after.State[i] == at.State[i] || !_getsOf.TryGetValue(at.State[i], out var gets)) continue;
            foreach (var (caller, call) in gets)
                if (after.Next[caller] <= call) return false;
        }

        return true;
    }

    private void PushUnknown(Configuration at, long limit, Frontier frontier)
    {
        for (var i = 0; i < _unknown.Count; i++)
        {
            var call = _unknown[i];
            if (at.HasApplied(i) || call.Start > limit || call.End < at.LatestStart) continue;
            foreach (var way in call.Ways)
            {
                var state = (ulong[])at.State.Clone();
                // One that changes nothing is as good as none.
                if (way(state) && !state.AsSpan().SequenceEqual(at.State) && at.AfterUnknown(i, state, call.Start) is var after && KeepsWhatIsGot(at, after)) frontier.Push(after);
            }
        }
    }

    private string Explain(Configuration at, int total)
    {
        var before = _callers.SelectMany((calls, caller) => calls.Take(at.Next[caller])).Concat(_unknown.Where((_, i) => at.HasApplied(i))).OrderBy(call => call.End).TakeLast(12);
        return $"no order of the calls explains their answers: {at.Done} of {total} can be placed, up to the state [{string.Join(' ', at.State)}]; then one of these: "
            + $"{string.Join("; ", Open(at).Select(open => open.Call).OrderBy(call => call.Start).Take(8).Select(Tell))}. Before: {string.Join("; ", before.Select(Tell))}";
    }

    private static string Tell(ObjectCall call) => $"{call.Text}{(call.MayBeNothing ? " (unknown)" : "")} [{call.Start}..{call.End}]";

    /// <summary>How many answered calls of every caller are placed, which unknown ones have taken effect, what the handles hold then, and when the latest of them began.</summary>
    private sealed record Configuration(int[] Next, ulong[] Applied, ulong[] State, int Done, long LatestStart)
    {
        public bool HasApplied(int unknown) => (Applied[unknown / 64] >> (unknown % 64) & 1) != 0;

        public Configuration AfterAnswered(int caller, ulong[] state, long start)
        {
            var next = (int[])Next.Clone();
            next[caller]++;
            return new Configuration(next, Applied, state, Done + 1, Math.Max(LatestStart, start));
        }

        public Configuration AfterUnknown(int unknown, ulong[] state, long start)
        {
            var applied = (ulong[])Applied.Clone();
            applied[unknown / 64] |= 1ul << (unknown % 64);
            return new Configuration(Next, applied, state, Done, Math.Max(LatestStart, start));
        }

        /// <summary>How many calls of unknown outcome have taken effect.</summary>
        public int AppliedCount => Applied.Sum(BitOperations.PopCount);

        /// <summary>Which answered calls are placed, and what the handles hold.</summary>
        public UInt128 Key()
        {
            var hash = new XxHash128();
            hash.Append(MemoryMarshal.AsBytes(Next.AsSpan()));
            hash.Append(MemoryMarshal.AsBytes(State.AsSpan()));
            return hash.GetCurrentHashAsUInt128();
        }
    }

    /// <summary>The configurations to be tried: first those with the most answered calls, of these those with the fewest of unknown outcome, of these the last that came.</summary>
    private sealed class Frontier
    {
        private readonly Dictionary<UInt128, List<ulong[]>> _seen = [];
        private readonly PriorityQueue<Configuration, (int Left, int Applied, long Age)> _queue = new();
        private long _count;

        public void Push(Configuration next)
        {
            ref var seen = ref CollectionsMarshal.GetValueRefOrAddDefault(_seen, next.Key(), out _);
            seen ??= [];
            foreach (var applied in seen)
                if (IsWithin(applied, next.Applied)) return;
            seen.RemoveAll(applied => IsWithin(next.Applied, applied));
            seen.Add(next.Applied);
            _queue.Enqueue(next, (-next.Done, next.AppliedCount, --_count));
        }

        public bool TryPop([NotNullWhen(true)] out Configuration? next) => _queue.TryDequeue(out next, out _);

        private static bool IsWithin(ulong[] some, ulong[] all)
        {
            for (var i = 0; i < some.Length; i++)
                if ((some[i] & ~all[i]) != 0) return false;
            return true;
        }
    }
}
