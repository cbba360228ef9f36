using System.Collections.Concurrent;
using System.Diagnostics;

namespace Grid.Tests.Model;

/// <summary>
/// What racing callers saw of one handle, and necessary conditions of linearizability that are cheap to check: every put has a number
/// of its own, and every call an interval in which it took effect.
/// </summary>
internal sealed class RaceHistory
{
    private readonly ConcurrentBag<Call> _calls = [];

    private enum Kind
    {
        Put,
        Kept,
        Taken,
        Missed,
        Flushed,
        FlushedNothing,
    }

    public static long Now => Stopwatch.GetTimestamp();

    public int Count => _calls.Count;

    public void Put(long start, ulong number) => Add(start, Kind.Put, number);

    public void Got(long start, ulong? number, bool takes) =>
        Add(start, number.HasValue ? takes ? Kind.Taken : Kind.Kept : Kind.Missed, number ?? 0);

    public void Flushed(long start, bool wasThere) => Add(start, wasThere ? Kind.Flushed : Kind.FlushedNothing, 0);

    /// <summary>Throws where no order of the calls explains what they answered; pages that vanish explain a miss in an ephemeral pool.</summary>
    public void Check(bool pagesMayVanish)
    {
        var calls = _calls.OrderBy(call => call.Start).ToArray();
        var puts = calls.Where(call => call.Kind == Kind.Put).ToDictionary(call => call.Number);
        var reads = calls.Where(call => call.Kind is Kind.Kept or Kind.Taken).ToArray();
        var removals = calls.Where(call => call.Kind is Kind.Taken or Kind.Flushed).ToArray();
        var takenTwice = reads.Where(call => call.Kind == Kind.Taken).GroupBy(call => call.Number).FirstOrDefault(group => group.Count() > 1);
        Require(takenTwice is null, $"two takes got {takenTwice?.Key}");
        foreach (var read in reads) CheckRead(read, puts, calls);
        foreach (var (earlier, later) in reads.SelectMany(earlier => reads.Where(later => earlier.End < later.Start && later.Number != earlier.Number).Select(later => (earlier, later))))
            Require(puts[later.Number].End >= puts[earlier.Number].Start, $"{earlier}, then {later}, which was put before it");
        if (pagesMayVanish) return;
        foreach (var miss in calls.Where(call => call.Kind is Kind.Missed or Kind.FlushedNothing))
        {
            // Some put ended before the miss began: then a removal that could come between must explain it.
            var last = puts.Values.Where(put => put.End < miss.Start).Select(put => put.Start).DefaultIfEmpty(long.MinValue).Max();
            Require(
                last == long.MinValue || removals.Any(removal => removal.End > last && removal.Start < miss.End),
                $"{miss} although a put had ended and nothing removed it");
        }
    }

    private static void CheckRead(Call read, Dictionary<ulong, Call> puts, Call[] calls)
    {
        Require(puts.TryGetValue(read.Number, out var put), $"{read}: nobody put that");
        Require(put.Start < read.End, $"{read} before it was put");
        foreach (var other in calls)
        {
            if (other.End >= read.Start || other == read) continue;
            var replaces = other.Kind is Kind.Put or Kind.Flushed or Kind.FlushedNothing && other.Number != read.Number && other.Start > put.End;
            var takes = other.Kind == Kind.Taken && other.Number == read.Number;
            Require(!replaces && !takes, $"{read}, which {other} had ended");
        }
    }

    private static void Require(bool holds, string otherwise)
    {
        if (!holds) throw new ContractViolationException(otherwise);
    }

    private void Add(long start, Kind kind, ulong number) => _calls.Add(new Call(start, Now, kind, number));

    private readonly record struct Call(long Start, long End, Kind Kind, ulong Number);
}
