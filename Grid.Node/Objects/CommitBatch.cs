using Grid.Node.Journal;

namespace Grid.Node.Objects;

/// <summary>
/// The operations that one journal event will make durable, in the order in which they take effect, and what they do to the object's handles:
/// the state after the batch, laid over the index until the event is committed.
/// </summary>
internal sealed class CommitBatch(int pageSizeBytes)
{
    private readonly Dictionary<uint, bool> _present = [];
    private bool _flushedAll;

    /// <summary>The event under construction.</summary>
    public EventBuilder Event { get; } = new(pageSizeBytes);

    /// <summary>The requests to execute and answer when the event is committed.</summary>
    public List<ObjectRequest> Requests { get; } = [];

    /// <summary>Page bytes in the event.</summary>
    public int PageBytes { get; set; }

    /// <summary>Pages the batch adds to the object's quota.</summary>
    public int QuotaPages { get; set; }

    /// <summary>By how many pages the batch changes the object's count.</summary>
    public int NetPages { get; set; }

    /// <summary>Pages that the batch removes, as the pool's quota was told when it was sent.</summary>
    public int LeavingPages { get; set; }

    /// <summary>Whether there is anything to commit or answer.</summary>
    public bool IsEmpty => Requests.Count == 0 && !NeedsFence;

    /// <summary>Whether the event must be written though nothing changes.</summary>
    public bool NeedsFence { get; set; }

    /// <summary>Whether the batch empties the object first of all.</summary>
    public bool FlushesAll => _flushedAll;

    /// <summary>Whether the batch changes the handle.</summary>
    public bool Touches(uint index) => _flushedAll || _present.ContainsKey(index);

    /// <summary>Whether the batch changes anything.</summary>
    public bool TouchesAny => _flushedAll || _present.Count > 0;

    /// <summary>Whether the handle has a page after the batch; null where the batch says nothing about it.</summary>
    public bool? Presence(uint index) => _present.TryGetValue(index, out var present) ? present : _flushedAll ? false : null;

    /// <summary>The batch puts the handle.</summary>
    public void MarkPut(uint index) => _present[index] = true;

    /// <summary>The batch empties the handle.</summary>
    public void MarkEmptied(uint index) => _present[index] = false;

    /// <summary>The batch empties the object.</summary>
    public void MarkFlushedAll()
    {
        _present.Clear();
        _flushedAll = true;
    }

    /// <summary>Takes over what another batch touches (for handles in doubt).</summary>
    public void MergeTouched(CommitBatch other)
    {
        _flushedAll |= other._flushedAll;
        foreach (var (index, present) in other._present) _present[index] = present;
    }

    /// <summary>Empties the batch for its next use.</summary>
    public void Clear()
    {
        _present.Clear();
        _flushedAll = false;
        Event.Clear();
        Requests.Clear();
        PageBytes = 0;
        QuotaPages = 0;
        NetPages = 0;
        LeavingPages = 0;
        NeedsFence = false;
    }
}
