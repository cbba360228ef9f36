using Grid.Node.Hosting;
using Grid.Node.Memory;
using Grid.Node.Pools;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>
/// Pages of ephemeral objects that ended here because their shard goes elsewhere, kept for a few seconds for whoever serves the shard next. They belong to exactly one life of the shard:
/// the first that is granted after the object ended; that one may pull each object once. Until then the object may come back here. Everything else frees them.
/// </summary>
/// <param name="store">Where the pages lie.</param>
/// <param name="settings">How long and how many.</param>
internal sealed class KeptAside(PageStore store, HandOffSettings settings)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<ObjectKey, Kept> _kept = [];
    private readonly Dictionary<int, HashSet<ObjectKey>> _byShard = [];
    private readonly Queue<(ObjectKey Key, Kept Kept)> _byAge = new();
    private readonly Queue<ObjectKey> _unannounced = new();
    private long _bytes;

    /// <summary>Objects kept.</summary>
    public int Count
    {
        get
        {
            lock (_gate) return _kept.Count;
        }
    }

    /// <summary>Keeps an ended object's pages; false where there are too many: they are the caller's still.</summary>
    public bool TryKeep(ObjectKey key, int shard, PoolEntry pool, AccountedIndex index)
    {
        var bytes = (long)index.Count * pool.Options.PageSizeBytes;
        lock (_gate)
        {
            if (_bytes + bytes > settings.Bytes || _kept.ContainsKey(key)) return false;
            _bytes += bytes;
            var kept = new Kept(index, pool, shard, bytes, Environment.TickCount64 + (long)settings.Time.TotalMilliseconds);
            _kept.Add(key, kept);
            _byAge.Enqueue((key, kept));
            if (!_byShard.TryGetValue(shard, out var keys)) _byShard.Add(shard, keys = []);
            keys.Add(key);
            _unannounced.Enqueue(key);
            return true;
        }
    }

    /// <summary>An object comes back to where it ended, and nobody has served it since.</summary>
    public AccountedIndex? TakeBack(ObjectKey key)
    {
        lock (_gate)
        {
            if (!_kept.TryGetValue(key, out var kept)) return null;
            if (kept.Heir is null) return Forget(key, kept).Index;
            Free(key, kept);
            return null;
        }
    }

    /// <summary>A life of a shard was granted to another node: what is kept of the shard is that life's, or nobody's any more.</summary>
    /// <returns>Whether anything is kept for it.</returns>
    public bool Bind(int shard, ulong incarnation)
    {
        lock (_gate)
        {
            var any = false;
            if (!_byShard.TryGetValue(shard, out var keys)) return false;
            foreach (var key in keys.ToArray())
            {
                var kept = _kept[key];
                kept.Heir ??= incarnation;
                if (kept.Heir == incarnation) any = true;
                else Free(key, kept);
            }

            return any;
        }
    }

    /// <summary>Writes some of an object's pages out for the life they are kept for; they are gone here then.</summary>
    /// <param name="key">The object.</param>
    /// <param name="incarnation">The shard's life that asks.</param>
    /// <param name="output">Where to: u32 whether more follow, u32 count, per page u32 index and its bytes.</param>
    public void Pull(ObjectKey key, ulong incarnation, ref BodyWriter output)
    {
        lock (_gate)
        {
            if (!_kept.TryGetValue(key, out var kept) || kept.Heir != incarnation)
            {
                output.UInt32(0);
                output.UInt32(0);
                return;
            }

            var pageBytes = kept.Pool.Options.PageSizeBytes;
            var found = new List<IndexEntry>();
            var most = ProtocolLimits.MaxBatchBytes / (pageBytes + sizeof(uint));
            kept.Index.Collect(0, most - 1, most, found);
            var there = found.FindAll(entry => store.TryPin(entry.Page));
            output.UInt32(kept.Index.Count > found.Count ? 1u : 0u);
            output.UInt32((uint)there.Count);
            var bytes = new byte[pageBytes];
            foreach (var entry in there)
            {
                store.CopyTo(entry.Page, bytes);
                store.Unpin(entry.Page);
                output.UInt32(entry.Index);
                output.Raw(bytes);
            }

            foreach (var entry in found) kept.Index.Remove(entry.Index);
            if (kept.Index.Count == 0) Free(key, kept);
        }
    }

    /// <summary>Objects of which nobody has been told yet.</summary>
    public IReadOnlyList<ObjectKey> TakeUnannounced(int most)
    {
        lock (_gate)
        {
            var keys = new List<ObjectKey>();
            while (keys.Count < most && _unannounced.TryDequeue(out var key))
                if (_kept.ContainsKey(key)) keys.Add(key);
            return keys;
        }
    }

    /// <summary>Frees what nobody came for.</summary>
    public void DropExpired()
    {
        lock (_gate)
        {
            var now = Environment.TickCount64;
            // They are kept equally long: the oldest expire first.
            while (_byAge.TryPeek(out var oldest) && (now > oldest.Kept.ExpiresMs || !IsKept(oldest.Key, oldest.Kept)))
            {
                _byAge.Dequeue();
                if (IsKept(oldest.Key, oldest.Kept)) Free(oldest.Key, oldest.Kept);
            }
        }
    }

    private bool IsKept(ObjectKey key, Kept kept) => _kept.TryGetValue(key, out var now) && now == kept;

    private Kept Forget(ObjectKey key, Kept kept)
    {
        _kept.Remove(key);
        if (_byShard[kept.Shard] is { Count: > 1 } keys) keys.Remove(key);
        else _byShard.Remove(kept.Shard);
        _bytes -= kept.Bytes;
        return kept;
    }

    private void Free(ObjectKey key, Kept kept) => Forget(key, kept).Index.RemoveAll();

    private sealed class Kept(AccountedIndex index, PoolEntry pool, int shard, long bytes, long expiresMs)
    {
        public AccountedIndex Index { get; } = index;

        public PoolEntry Pool { get; } = pool;

        public int Shard { get; } = shard;

        public long Bytes { get; } = bytes;

        public long ExpiresMs { get; } = expiresMs;

        /// <summary>The life of the shard they are kept for; null: none was granted yet.</summary>
        public ulong? Heir { get; set; }
    }
}
