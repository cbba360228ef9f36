using Grid.Client;
using Grid.Protocol;

namespace Grid.Tests.Model;

/// <summary>
/// What a pool of the contract may answer, in its simplest form: a dictionary. Where the contract leaves a choice (an ephemeral page may
/// vanish, a condition in doubt is answered no) it accepts both and learns from the answer; everything else must be as it says.
/// </summary>
internal sealed class ReferencePool(PoolOptions options)
{
    private readonly Dictionary<(int Object, uint Index), ulong> _pages = [];
    private readonly Dictionary<(int Object, uint Index), long> _changed = [];
    private readonly Dictionary<int, long> _objectFlushed = [];
    private readonly Dictionary<int, long> _objectChanged = [];
    private readonly Dictionary<int, long> _objectMayHaveChanged = [];
    private readonly Dictionary<(int Object, ObjectVersion Version), long> _seen = [];
    private long _now;
    private bool _restarted;

    /// <summary>Whether pages may be missing that nobody removed: an ephemeral pool under pressure or after a restart.</summary>
    private bool PagesMayVanish => options.Kind == PoolKind.Ephemeral && (UnderPressure || _restarted);

    /// <summary>Whether memory is short: puts may be refused, objects may begin a new life, and ephemeral pages may vanish.</summary>
    public bool UnderPressure { get; init; }

    public bool Frozen { get; set; }

    public IEnumerable<(int Object, uint Index, ulong Number)> Pages => _pages.Select(page => (page.Key.Object, page.Key.Index, page.Value));

    /// <summary>The node's objects have new lives: versions of the former ones satisfy no condition.</summary>
    public void Restarted()
    {
        _seen.Clear();
        _restarted = true;
    }

    /// <summary>Every answer's version: equal versions of an object mean that nothing changed in between.</summary>
    public void Saw(int id, ObjectVersion version)
    {
        Require(version.Incarnation != 0, "an answer without a version");
        if (!_seen.TryAdd((id, version), _now))
            Require(_objectChanged.GetValueOrDefault(id) <= _seen[(id, version)], $"version {version} came back after a change of object {id}");
    }

    public void Put(int id, uint index, ulong number, PutResult result)
    {
        Settle(id, [(index, number)], result.Stored ? BatchOutcome.Applied : BatchOutcome.Refused, result.Reason);
        Saw(id, result.Version);
    }

    /// <summary>A get answered; the number of the page it returned, or null.</summary>
    public void Get(int id, uint index, bool takes, ulong? found, ObjectVersion version)
    {
        Read(id, index, takes, found);
        Saw(id, version);
    }

    public void FlushPage(int id, uint index, FlushResult result)
    {
        if (result.WasThere) Require(_pages.ContainsKey((id, index)), "a flush found what was not there");
        else Absent(id, index);
        _pages.Remove((id, index));
        Changed(id, index);
        Saw(id, result.Version);
    }

    public void FlushObject(int id, FlushResult result)
    {
        var there = _pages.Keys.Where(key => key.Object == id).ToArray();
        if (result.WasThere) Require(there.Length > 0, "a flush found an object that was not there");
        else Require(there.Length == 0 || PagesMayVanish, $"a flush missed the object's {there.Length} pages");
        foreach (var key in there) _pages.Remove(key);
        _objectFlushed[id] = _objectChanged[id] = ++_now;
        Saw(id, result.Version);
    }

    /// <summary>A write batch answered; a null number is a flush.</summary>
    public void WriteBatch(int id, IReadOnlyList<(uint Index, ulong? Number)> entries, ObjectVersion? onlyIf, WriteBatchResult result)
    {
        if (Condition(id, entries.Select(entry => entry.Index), onlyIf, result.Outcome))
        {
            for (var i = 0; i < entries.Count && result.Outcome == BatchOutcome.Applied; i++)
            {
                if (result.Existed[i]) Require(_pages.ContainsKey((id, entries[i].Index)), $"entry {i} found what was not there");
                else Absent(id, entries[i].Index);
            }

            Settle(id, entries, result.Outcome, result.Reason);
        }

        Saw(id, result.Version);
    }

    /// <summary>A get batch answered; found holds a number or null per index.</summary>
    public void GetBatch(int id, IReadOnlyList<uint> indexes, bool takes, ObjectVersion? onlyIf, GetBatchResult result, IReadOnlyList<ulong?> found)
    {
        if (Condition(id, indexes, onlyIf, result.Outcome))
            for (var i = 0; i < indexes.Count; i++) Read(id, indexes[i], takes, found[i]);
        Saw(id, result.Version);
    }

    public string Expected(int id, uint index) => _pages.TryGetValue((id, index), out var number) ? $"{number}" : "nothing";

    private void Read(int id, uint index, bool takes, ulong? found)
    {
        if (found is { } number) Require(_pages.TryGetValue((id, index), out var expected) && expected == number, $"got {number}, expected {Expected(id, index)}");
        else Absent(id, index);
        if (!takes || !found.HasValue) return;
        _pages.Remove((id, index));
        Changed(id, index);
    }

    /// <summary>Checks the answer against the condition; whether the batch was tried at all.</summary>
    private bool Condition(int id, IEnumerable<uint> indexes, ObjectVersion? onlyIf, BatchOutcome outcome)
    {
        if (onlyIf is not { } version)
        {
            Require(outcome != BatchOutcome.ConditionFailed, "no condition was set, and it failed");
            return true;
        }

        var since = _seen.GetValueOrDefault((id, version), -1);
        var mustFail = since < 0 || _objectFlushed.GetValueOrDefault(id) > since || indexes.Any(index => _changed.GetValueOrDefault((id, index)) > since);
        var mustHold = !UnderPressure && since >= 0 && Math.Max(_objectChanged.GetValueOrDefault(id), _objectMayHaveChanged.GetValueOrDefault(id)) <= since;
        Require(!mustFail || outcome == BatchOutcome.ConditionFailed, $"the condition {version} did not hold, and the batch was {outcome}");
        Require(!mustHold || outcome != BatchOutcome.ConditionFailed, $"nothing changed since {version}, and the condition failed");
        return outcome != BatchOutcome.ConditionFailed;
    }

    private void Settle(int id, IReadOnlyList<(uint Index, ulong? Number)> entries, BatchOutcome outcome, RefusalReason reason)
    {
        var puts = entries.Count(entry => entry.Number.HasValue);
        var adds = entries.Count(entry => entry.Number.HasValue && !_pages.ContainsKey((id, entry.Index)));
        var frees = entries.Count(entry => !entry.Number.HasValue && _pages.ContainsKey((id, entry.Index)));
        var quota = options.QuotaPages == 0 ? ulong.MaxValue : options.QuotaPages;
        if (outcome == BatchOutcome.Applied)
        {
            Require(!Frozen || puts == 0, "a frozen pool took a put");
            // Pages that vanished count no more, so an ephemeral pool may take more than the model still believes to be there.
            Require(PagesMayVanish || (ulong)(_pages.Count + adds - frees) <= quota, $"the quota of {quota} was exceeded");
        }
        else
        {
            var because = reason switch
            {
                RefusalReason.Frozen => Frozen && puts > 0,
                RefusalReason.Quota => (ulong)(_pages.Count + adds) > quota,
                RefusalReason.Capacity => UnderPressure,
                _ => false,
            };
            Require(because, $"refused for {reason} without reason: {_pages.Count} pages, {adds} more");
        }

        foreach (var (index, number) in entries)
        {
            var wasThere = _pages.Remove((id, index));
            if (outcome == BatchOutcome.Applied && number is { } stored) _pages[(id, index)] = stored;
            // A refusal that found its handle empty already is no change, though it may be counted as one.
            if (outcome == BatchOutcome.Applied || (wasThere && !PagesMayVanish)) Changed(id, index);
            else _objectMayHaveChanged[id] = ++_now;
        }
    }

    /// <summary>The answer says that the handle is empty.</summary>
    private void Absent(int id, uint index)
    {
        Require(PagesMayVanish || !_pages.ContainsKey((id, index)), $"a miss, expected {Expected(id, index)}");
        _pages.Remove((id, index));
    }

    private void Changed(int id, uint index) => _changed[(id, index)] = _objectChanged[id] = ++_now;

    private static void Require(bool holds, string otherwise)
    {
        if (!holds) throw new ContractViolationException(otherwise);
    }
}

/// <summary>An answer that the contract does not allow.</summary>
public sealed class ContractViolationException(string message) : Exception(message);
