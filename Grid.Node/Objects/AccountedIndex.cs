using System.Runtime.CompilerServices;
using Grid.Node.Journal;
using Grid.Node.Memory;
using Grid.Node.Pools;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>
/// A page index together with what hangs on it: the frames of its pages, the memory it takes itself, and the pool's quota, which counts index entries
/// (an evicted page gives its quota back when its stale entry is dropped).
/// </summary>
internal sealed class AccountedIndex(PageStore store, PoolEntry pool)
{
    private readonly PageIndex _index = new();
    private long _reservedBytes;

    /// <summary>Pages in the index, stale ones included.</summary>
    public int Count => _index.Count;

    /// <summary>Bytes that the index takes in memory.</summary>
    public long SizeBytes => _reservedBytes;

    /// <summary>Bytes of the journal's events that the pages of the index take there: their stored bytes and their entries.</summary>
    public long JournalBytes { get; private set; }

    /// <summary>Finds a page; a null reference where there is none.</summary>
    public ref IndexEntry Find(uint index) => ref _index.Find(index);

    /// <summary>Whether the index has the page (it may be stale).</summary>
    public bool Contains(uint index) => !Unsafe.IsNullRef(ref _index.Find(index));

    /// <summary>Makes room for so many pages at once: a large index that grows by and by is copied again and again.</summary>
    public void Reserve(int pages)
    {
        _index.Reserve(pages);
        Account();
    }

    /// <inheritdoc cref="PageIndex.Collect"/>
    public uint Collect(uint firstPlace, int enough, int most, List<IndexEntry> found) => _index.Collect(firstPlace, enough, most, found);

    /// <summary>Installs a page, freeing the one it replaces. Quota for a new entry was taken by the caller.</summary>
    public void Set(uint index, PageRef page, ulong changed, long sequenceNr = 0, int storedBytes = 0)
    {
        ref var entry = ref _index.Find(index);
        if (Unsafe.IsNullRef(ref entry))
        {
            entry = ref _index.Add(index);
            Account();
        }
        else
        {
            store.Free(entry.Page);
            JournalBytes -= EventBytes(entry);
        }

        entry.Page = page;
        entry.Changed = changed;
        entry.SequenceNr = sequenceNr;
        entry.StoredBytes = storedBytes;
        JournalBytes += EventBytes(entry);
    }

    /// <summary>Removes a page and frees it; false where there was none.</summary>
    /// <param name="index">The page.</param>
    /// <param name="keepQuota">Set where the quota was given back before.</param>
    public bool Remove(uint index, bool keepQuota = false)
    {
        ref var entry = ref _index.Find(index);
        if (Unsafe.IsNullRef(ref entry)) return false;
        store.Free(entry.Page);
        RemoveEntry(index, keepQuota);
        return true;
    }

    /// <summary>Removes a page's entry without freeing the page: somebody else owns that now.</summary>
    public void RemoveEntry(uint index, bool keepQuota = false)
    {
        ref var entry = ref _index.Find(index);
        JournalBytes -= EventBytes(entry);
        _index.Remove(index);
        Account();
        if (!keepQuota) pool.Quota.Give(1);
    }

    /// <summary>Every page counts as put now: the index goes on in another life of its object.</summary>
    public void Restamp(ChangeTracker changes)
    {
        for (var i = 0; i < _index.Capacity; i++)
        {
            ref var entry = ref _index.SlotAt(i);
            if (!Unsafe.IsNullRef(ref entry)) entry.Changed = changes.Put(entry.Index);
        }
    }

    /// <summary>Frees everything and gives its quota back.</summary>
    public int RemoveAll()
    {
        var count = _index.Count;
        Clear();
        if (count > 0) pool.Quota.Give(count);
        return count;
    }

    /// <summary>Frees everything; the pages of a persistent object still exist, so its quota stays taken.</summary>
    public void Clear()
    {
        for (var i = 0; i < _index.Capacity; i++)
        {
            ref var entry = ref _index.SlotAt(i);
            if (!Unsafe.IsNullRef(ref entry)) store.Free(entry.Page);
        }

        _index.Clear();
        JournalBytes = 0;
        Account();
    }

    /// <summary>Drops the entries of evicted pages. Only for pools whose evicted pages are gone.</summary>
    public int DropStale(ChangeTracker changes)
    {
        if (!pool.Account.IsEvictable) return 0;
        List<uint>? stale = null;
        for (var i = 0; i < _index.Capacity; i++)
        {
            ref var entry = ref _index.SlotAt(i);
            if (Unsafe.IsNullRef(ref entry) || store.IsAlive(entry.Page)) continue;
            changes.Evicted(entry.Changed);
            (stale ??= []).Add(entry.Index);
        }

        if (stale is null) return 0;
        foreach (var index in stale) RemoveEntry(index);
        return stale.Count;
    }

    /// <summary>The smallest page numbers from one on, in order. Pages that were evicted for good are none.</summary>
    /// <param name="from">The first page number asked for.</param>
    /// <param name="most">The most page numbers.</param>
    public PageListPart List(uint from, int most)
    {
        var vanish = pool.Options.Kind == PoolKind.Ephemeral;
        var smallest = new Smallest<uint>(most);
        for (var i = 0; i < _index.Capacity; i++)
        {
            ref var entry = ref _index.SlotAt(i);
            if (!Unsafe.IsNullRef(ref entry) && entry.Index >= from && (!vanish || store.IsAlive(entry.Page))) smallest.Add(entry.Index);
        }

        var indexes = smallest.Take(out var isAll).ToArray();
        return new PageListPart(indexes, isAll ? 0 : indexes[^1] + 1, isAll);
    }

    private static long EventBytes(in IndexEntry entry) => entry.SequenceNr == 0 ? 0 : entry.StoredBytes + EventFormat.EntryBytes;

    private void Account()
    {
        // The smallest table counts from its first page on: an object that ends leaves nothing counted behind.
        var bytes = _index.IsSmallestAndEmpty ? 0 : _index.SizeBytes;
        if (bytes == _reservedBytes) return;
        store.Reserve(bytes - _reservedBytes);
        _reservedBytes = bytes;
    }
}
