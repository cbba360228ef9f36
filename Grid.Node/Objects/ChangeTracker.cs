using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>
/// Counts the changes of an object and remembers when absent handles changed last, so that "was this handle put, flushed or taken
/// since V?" can be answered. It remembers a bounded number of absent handles, those that changed last; in doubt the answer is yes.
/// So a client that reads, and writes on the condition of what it has just read, is not in doubt because of what was flushed long before.
/// </summary>
internal sealed class ChangeTracker(ulong incarnation)
{
    private const int MaxRemembered = 256;
    private Dictionary<uint, ulong>? _absent;
    private ulong _floor;

    /// <summary>The version as of now.</summary>
    public ObjectVersion Version => new(incarnation, Counter);

    /// <summary>Changes so far.</summary>
    public ulong Counter { get; private set; }

    /// <summary>Counts a change that left the handle present; the caller keeps the returned counter with the page.</summary>
    public ulong Put(uint index)
    {
        _absent?.Remove(index);
        return ++Counter;
    }

    /// <summary>Counts a flush or take of the handle, also one that found nothing.</summary>
    public void Emptied(uint index)
    {
        Counter++;
        Remember(index, Counter);
    }

    /// <summary>Counts a flush of the whole object.</summary>
    public void EmptiedAll()
    {
        _floor = ++Counter;
        _absent?.Clear();
    }

    /// <summary>An evicted page leaves the index: not a change, but when the handle changed last must stay known.</summary>
    public void Evicted(ulong changed) => _floor = Math.Max(_floor, changed);

    /// <summary>Whether a version can be compared with the present at all.</summary>
    public bool Knows(ObjectVersion version) => version.Incarnation == incarnation && version.Counter <= Counter;

    /// <summary>Whether an absent handle may have changed after the counter.</summary>
    public bool AbsentChangedSince(uint index, ulong counter) =>
        counter < _floor || (_absent is not null && _absent.TryGetValue(index, out var changed) && changed > counter);

    private void Remember(uint index, ulong counter)
    {
        _absent ??= [];
        if (_absent.Count >= MaxRemembered && !_absent.ContainsKey(index))
        {
            // The older half goes: what is older than the newest of it is in doubt from now on.
            var counters = _absent.Values.Order().ToArray();
            _floor = Math.Max(_floor, counters[(counters.Length / 2) - 1]);
            foreach (var (old, changed) in _absent)
                if (changed <= _floor) _absent.Remove(old);
        }

        _absent[index] = counter;
    }
}
