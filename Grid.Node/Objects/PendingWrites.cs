using Grid.Node.Memory;
using Grid.Node.Pools;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>
/// An object's writes that are not durable yet: the event that is gathered, the one under way, and what an event whose outcome is unknown may have changed. They lie over the index: it changes
/// when an event is committed.
/// </summary>
internal sealed class PendingWrites(PoolEntry pool, PageStore store, AccountedIndex index)
{
    private CommitBatch? _doubt;

    /// <summary>The event that is gathered.</summary>
    public CommitBatch Open { get; private set; } = new(pool.Options.PageSizeBytes);

    /// <summary>The event under way; empty where there is none, or one of the journal's upkeep.</summary>
    public CommitBatch InFlight { get; private set; } = new(pool.Options.PageSizeBytes);

    /// <summary>Whether it is unknown what became of an event.</summary>
    public bool HasDoubt => _doubt is not null;

    /// <summary>The gathered event is about to be written.</summary>
    public void Send()
    {
        (Open, InFlight) = (InFlight, Open);
        InFlight.LeavingPages = Math.Max(0, InFlight.QuotaPages - InFlight.NetPages);
        pool.Quota.BeginLeaving(InFlight.LeavingPages);
    }

    /// <summary>What the event under way did has been done here too.</summary>
    public void EndSent()
    {
        EndLeaving(InFlight);
        pool.Quota.Settle(InFlight.QuotaPages);
        InFlight.Clear();
    }

    /// <summary>It is unknown what became of the event under way.</summary>
    public void Doubt()
    {
        _doubt ??= new CommitBatch(pool.Options.PageSizeBytes);
        _doubt.MergeTouched(InFlight);
        // What it removed is given back when that is read.
        _doubt.LeavingPages += InFlight.LeavingPages;
        InFlight.LeavingPages = 0;
    }

    /// <summary>What became of everything is known.</summary>
    public void EndDoubt()
    {
        if (_doubt is null) return;
        EndLeaving(_doubt);
        _doubt = null;
    }

    /// <summary>The batch did not happen, or nobody here will learn of it: what was taken for its pages goes back.</summary>
    public void Drop(CommitBatch batch)
    {
        if (batch.QuotaPages > 0) pool.Quota.Untake(batch.QuotaPages);
        EndLeaving(batch);
        batch.Clear();
    }

    /// <summary>The object ends with the event under way committed: its pages count in the journal.</summary>
    public void LeaveSent()
    {
        pool.Quota.Settle(InFlight.QuotaPages);
        InFlight.QuotaPages = 0;
    }

    /// <summary>The object ends, whatever is under way.</summary>
    public void Stop()
    {
        EndLeaving(InFlight);
        EndDoubt();
    }

    /// <summary>Whether a request touches what may have been changed.</summary>
    public bool InDoubt(ObjectRequest request) => _doubt is not null && Touches(_doubt, request);

    /// <summary>Whether the request touches what the gathered event or the one under way changes.</summary>
    public bool Touch(ObjectRequest request) => Touches(Open, request) || Touches(InFlight, request);

    /// <summary>Whether a request touches what a batch changes.</summary>
    public static bool Touches(CommitBatch batch, ObjectRequest request)
    {
        if (request.Opcode == Opcode.FlushObject) return batch.TouchesAny;
        for (var i = 0; i < request.EntryCount; i++)
            if (batch.Touches(request.EntryIndex(i))) return true;
        return false;
    }

    /// <summary>Pages that a request would add.</summary>
    public int FreshPages(ObjectRequest request)
    {
        var fresh = 0;
        for (var i = 0; i < request.EntryCount; i++)
        {
            if (request.Opcode == Opcode.WriteBatch && request.Entries[i].IsFlush) continue;
            if (!WillBePresent(request.EntryIndex(i))) fresh++;
        }

        return fresh;
    }

    /// <summary>Writes into the gathered event what the request will do; false where it will change nothing.</summary>
    public bool Record(ObjectRequest request)
    {
        if (request.Opcode == Opcode.FlushObject)
        {
            if (index.Count == 0 && !Open.TouchesAny && !InFlight.TouchesAny) return false;
            Open.NetPages -= index.Count + InFlight.NetPages + Open.NetPages;
            Open.Event.FlushObject();
            Open.MarkFlushedAll();
            return true;
        }

        var changes = false;
        Span<byte> word = stackalloc byte[sizeof(ulong)];
        for (var i = 0; i < request.EntryCount; i++)
        {
            var page = request.EntryIndex(i);
            if (request.Stores(i))
            {
                var stored = store.Stored(request.PutPage(i), word, out var codec);
                Open.Event.Put(page, codec, stored);
                Open.PageBytes += stored.Length;
                if (!WillBePresent(page)) Open.NetPages++;
                Open.MarkPut(page);
                changes = true;
            }
            else if (WillBePresent(page))
            {
                Open.Event.Flush(page);
                Open.NetPages--;
                Open.MarkEmptied(page);
                changes = true;
            }
        }

        return changes;
    }

    private void EndLeaving(CommitBatch batch)
    {
        pool.Quota.EndLeaving(batch.LeavingPages);
        batch.LeavingPages = 0;
    }

    private bool WillBePresent(uint page) => Open.Presence(page) ?? InFlight.Presence(page) ?? index.Contains(page);
}
