using System.IO.Hashing;
using System.Runtime.InteropServices;

namespace Grid.Tests.Model;

/// <summary>What a call does to an object's handles, one of the ways in which it may have gone: true where that way agrees with what was answered. 0 is an empty handle.</summary>
internal delegate bool Effect(Span<ulong> state);

/// <summary>A call on an object: when it took effect at the earliest and the latest, and how it may have gone.</summary>
/// <param name="Start">Before it was sent.</param>
/// <param name="End">After it was answered; of a call whose outcome is unknown: when it can have taken effect at the latest.</param>
/// <param name="Text">What it was, for people.</param>
/// <param name="Ways">Its possible effects; one, where it was answered.</param>
/// <param name="MayBeNothing">Whether it may not have taken effect at all.</param>
internal sealed record ObjectCall(long Start, long End, string Text, IReadOnlyList<Effect> Ways, bool MayBeNothing = false);

/// <summary>
/// The calls of several callers on one object, and the exact question whether they are linearizable: whether there is an order of them that respects time and explains every answer, starting from
/// a known state. (The search of Wing and Gong with the memory of Lowe: a configuration that has failed once is not tried again.)
/// </summary>
/// <param name="initial">What the handles held at the beginning.</param>
internal sealed class ObjectHistory(ulong[] initial)
{
    private readonly List<List<ObjectCall>> _callers = [];

    /// <summary>Calls so far.</summary>
    public int Count => _callers.Sum(calls => calls.Count);

    /// <summary>Adds a caller, whose calls follow one another.</summary>
    public void AddCaller(IEnumerable<ObjectCall> calls)
    {
        var own = new List<ObjectCall>();
        foreach (var call in calls)
        {
            // A call of unknown outcome may take effect while its caller's next ones run.
            if (call.MayBeNothing) _callers.Add([call]);
            else own.Add(call);
        }

        if (own.Count > 0) _callers.Add(own);
    }

    /// <summary>Null where an order explains all answers; else how far the search came and what it could not place.</summary>
    public string? Check()
    {
        var total = Count;
        var seen = new HashSet<UInt128>();
        var stack = new Stack<Configuration>();
        var deepest = new Configuration(new int[_callers.Count], initial, 0);
        stack.Push(deepest);
        while (stack.TryPop(out var at))
        {
            if (at.Done == total) return null;
            if (at.Done > deepest.Done) deepest = at;
            var limit = Enumerable.Range(0, _callers.Count).Where(caller => at.Next[caller] < _callers[caller].Count).Min(caller => _callers[caller][at.Next[caller]].End);
            for (var caller = 0; caller < _callers.Count; caller++)
            {
                if (at.Next[caller] == _callers[caller].Count) continue;
                var call = _callers[caller][at.Next[caller]];
                // Another call ended before this one began: that one is first.
                if (call.Start > limit) continue;
                if (call.MayBeNothing) Push(at.After(caller, at.State), seen, stack);
                foreach (var way in call.Ways)
                {
                    var state = (ulong[])at.State.Clone();
                    if (way(state)) Push(at.After(caller, state), seen, stack);
                }
            }
        }

        return Explain(deepest, total);
    }

    private static void Push(Configuration next, HashSet<UInt128> seen, Stack<Configuration> stack)
    {
        if (seen.Add(next.Key())) stack.Push(next);
    }

    private string Explain(Configuration at, int total)
    {
        var open = _callers.Select((calls, caller) => at.Next[caller] < calls.Count ? calls[at.Next[caller]] : null).Where(call => call is not null).Cast<ObjectCall>();
        var before = _callers.SelectMany((calls, caller) => calls.Take(at.Next[caller])).OrderBy(call => call.End).TakeLast(12);
        return $"no order of the calls explains their answers: {at.Done} of {total} can be placed, up to the state [{string.Join(' ', at.State)}]; then one of these: "
            + $"{string.Join("; ", open.OrderBy(call => call.Start).Take(8).Select(Tell))}. Before: {string.Join("; ", before.Select(Tell))}";
    }

    private static string Tell(ObjectCall call) => $"{call.Text}{(call.MayBeNothing ? " (unknown)" : "")} [{call.Start}..{call.End}]";

    /// <summary>How many calls of every caller are placed, and what the handles hold then.</summary>
    private sealed record Configuration(int[] Next, ulong[] State, int Done)
    {
        public Configuration After(int caller, ulong[] state)
        {
            var next = (int[])Next.Clone();
            next[caller]++;
            return new Configuration(next, state, Done + 1);
        }

        public UInt128 Key()
        {
            var hash = new XxHash128();
            hash.Append(MemoryMarshal.AsBytes(Next.AsSpan()));
            hash.Append(MemoryMarshal.AsBytes(State.AsSpan()));
            return hash.GetCurrentHashAsUInt128();
        }
    }
}
