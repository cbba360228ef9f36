using System.Security.Cryptography;
using Grid.Client;

namespace Grid.Tests.Caching;

/// <summary>
/// What callers of a cache did under each key and were answered, and whether docs/caching.md allows that: a value is one that was stored under the key, whole; it is not read any more once a change that began
/// after its own had ended has taken effect; what was missed stays away; and where values may not vanish, none is missed. Values differ from each other in some byte.
/// </summary>
internal sealed class CacheHistory(TimeProvider time)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, List<CacheChange>> _changes = [];
    private readonly List<CacheRead> _reads = [];

    public int Hits
    {
        get
        {
            lock (_gate) return _reads.Count(read => read.Digest is not null);
        }
    }

    public int Misses
    {
        get
        {
            lock (_gate) return _reads.Count(read => read.Digest is null);
        }
    }

    public int Acknowledged => Count(change => change.Outcome == ChangeOutcome.Acknowledged);

    public int Unknown => Count(change => change.Outcome == ChangeOutcome.Unknown);

    public int NotApplied => Count(change => change.Outcome == ChangeOutcome.NotApplied);

    public long Now => time.GetTimestamp();

    /// <summary>Notes that a change begins: of a value, or of its removal.</summary>
    public CacheChange Begin(string key, byte[]? value)
    {
        var digest = value is null ? null : Digest(value);
        lock (_gate)
        {
            if (!_changes.TryGetValue(key, out var changes)) _changes.Add(key, changes = []);
            var change = new CacheChange(digest, Now);
            changes.Add(change);
            return change;
        }
    }

    public void Acknowledge(CacheChange change) => End(change, ChangeOutcome.Acknowledged);

    public void Fail(CacheChange change, CallOutcome outcome) => End(change, outcome == CallOutcome.NotApplied ? ChangeOutcome.NotApplied : ChangeOutcome.Unknown);

    /// <summary>Notes what a read that began then has just found; null: nothing.</summary>
    public void Read(string key, long start, byte[]? value)
    {
        var digest = value is null ? null : Digest(value);
        lock (_gate) _reads.Add(new CacheRead(key, digest, start, Now));
    }

    /// <summary>What may not be, in words.</summary>
    /// <param name="mayVanish">Whether values may vanish by themselves.</param>
    public IReadOnlyList<string> Violations(bool mayVanish)
    {
        lock (_gate)
        {
            return [.. _reads.GroupBy(read => read.Key).SelectMany(reads => Violations([.. reads], _changes.GetValueOrDefault(reads.Key, []), mayVanish).Select(text => $"{reads.Key}: {text}"))];
        }
    }

    private static IEnumerable<string> Violations(CacheRead[] reads, List<CacheChange> changes, bool mayVanish)
    {
        foreach (var read in reads.Where(read => read.Digest is not null))
            if (changes.Find(change => change.Digest == read.Digest) is { } seen) seen.WasSeen(read.End);
        foreach (var read in reads)
        {
            if (read.Digest is null)
            {
                if (!mayVanish && !IsEmptyExplained(read, changes)) yield return $"nothing was read at {read.Start}, and a value had been stored that nobody removed";
                continue;
            }

            var found = changes.Find(change => change.Digest == read.Digest);
            if (found is null) yield return $"what was read at {read.Start} was never stored under this key";
            else if (found.Start > read.End) yield return $"what was read at {read.Start} was stored only at {found.Start}";
            else if (found.Outcome == ChangeOutcome.NotApplied) yield return $"what was read at {read.Start} was not applied, its caller was told at {found.End}";
            else if (changes.Find(later => later.Start > found.End && later.EffectiveBy < read.Start) is { } later)
                yield return $"what was read at {read.Start}, stored by {found.End}, had been {(later.Digest is null ? "removed" : "replaced")} by {later.EffectiveBy}";
            else if (Array.Find(reads, missed => missed.Digest is null && missed.Start > found.End && missed.End < read.Start) is { } missed)
                yield return $"what was read at {read.Start}, stored by {found.End}, had been missed at {missed.Start}";
        }
    }

    /// <summary>Whether there was a moment of the read at which there may have been nothing: before everything, or after a removal, and no value that was certainly stored later.</summary>
    private static bool IsEmptyExplained(CacheRead read, List<CacheChange> changes)
    {
        return changes.Where(change => change.Digest is null && change.Start < read.End && change.Outcome != ChangeOutcome.NotApplied).Select(change => change.End).Append(long.MinValue)
            .Any(emptied => !changes.Exists(later => later.Digest is not null && later.Start > emptied && later.EffectiveBy < read.Start));
    }

    private static string Digest(byte[] value) => Convert.ToHexString(SHA256.HashData(value));

    private int Count(Func<CacheChange, bool> which)
    {
        lock (_gate) return _changes.Values.Sum(changes => changes.Count(which));
    }

    private void End(CacheChange change, ChangeOutcome outcome)
    {
        lock (_gate) change.Ended(outcome, Now);
    }
}

/// <summary>What its caller was told of a change.</summary>
internal enum ChangeOutcome
{
    /// <summary>Nothing yet, or that it is unknown: it may take effect at any later time, or never.</summary>
    Unknown,
    Acknowledged,
    NotApplied,
}

/// <summary>A value that was stored, or (no digest) a removal.</summary>
internal sealed class CacheChange(string? digest, long start)
{
    private long _seen = long.MaxValue;

    public string? Digest => digest;

    public long Start => start;

    /// <summary>When it had taken effect, if it ever does.</summary>
    public long End { get; private set; } = long.MaxValue;

    public ChangeOutcome Outcome { get; private set; }

    /// <summary>When it had certainly taken effect: it was acknowledged, or read.</summary>
    public long EffectiveBy => Math.Min(_seen, Outcome == ChangeOutcome.Acknowledged ? End : long.MaxValue);

    public void Ended(ChangeOutcome outcome, long at)
    {
        Outcome = outcome;
        if (outcome != ChangeOutcome.Unknown) End = at;
    }

    public void WasSeen(long at) => _seen = Math.Min(_seen, at);
}

/// <summary>What was read, or (no digest) missed.</summary>
internal sealed record CacheRead(string Key, string? Digest, long Start, long End);
