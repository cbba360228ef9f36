using System.Buffers;
using System.Buffers.Binary;

namespace Grid.Node.Memory;

/// <summary>Settings of a page store.</summary>
/// <param name="LimitBytes">The most bytes of slabs, metadata and what is reserved for indexes and buffers.</param>
public sealed record PageStoreOptions(long LimitBytes);

/// <summary>A store's state at one moment.</summary>
/// <param name="LimitBytes">The limit.</param>
/// <param name="SlabBytes">Native memory in slabs.</param>
/// <param name="MetadataBytes">Native memory of frame metadata.</param>
/// <param name="ReservedBytes">Bytes reserved for indexes and buffers.</param>
/// <param name="Frames">Frames the slabs are cut into.</param>
/// <param name="FramesUsed">Frames that hold a page.</param>
/// <param name="StoredBytes">Bytes of those frames.</param>
/// <param name="Pages">Pages held, same-filled ones included.</param>
/// <param name="Evictions">Pages dropped for want of memory so far.</param>
public readonly record struct PageStoreStats(
    long LimitBytes, long SlabBytes, long MetadataBytes, long ReservedBytes, long Frames, long FramesUsed, long StoredBytes, long Pages, long Evictions);

/// <summary>
/// The pages of one node, in native memory: slabs cut into frames by size class, evicted by CLOCK. Thread-safe; no operation allocates on the GC heap.
/// Whoever reads a page pins it first: a pinned frame is neither evicted nor used again, whatever its owner does meanwhile.
/// </summary>
public sealed unsafe class PageStore : IDisposable
{
    private const int SlotBits = 13;
    private readonly SlabPool _slabs;
    private readonly SizeClass[] _classes = SizeClass.All();
    private readonly Evictor _evictor;
    private readonly AccountTable _accounts = new();

    /// <summary>Makes an empty store.</summary>
    /// <param name="options">Its settings.</param>
    public PageStore(PageStoreOptions options)
    {
        _slabs = new SlabPool(options.LimitBytes);
        _evictor = new Evictor(_classes, _slabs, _accounts, Release);
    }

    /// <summary>Counts of now.</summary>
    public PageStoreStats Stats
    {
        get
        {
            long frames = 0, used = 0, stored = 0;
            foreach (var sizeClass in _classes)
            {
                lock (sizeClass.Lock)
                {
                    frames += (long)sizeClass.Slabs.Count * sizeClass.FramesPerSlab;
                    used += sizeClass.UsedFrames;
                    stored += sizeClass.UsedFrames * sizeClass.FrameBytes;
                }
            }

            return new PageStoreStats(
                _slabs.LimitBytes, _slabs.SlabBytes, _slabs.MetadataBytes, _slabs.ReservedBytes, frames, used, stored, _accounts.Pages, _evictor.Evictions);
        }
    }

    /// <summary>Whether memory is short: the sweeper then lets cold objects go.</summary>
    public bool IsTight => _slabs.TotalBytes > _slabs.LimitBytes / 20 * 19;

    /// <summary>Counts memory of the index or of buffers against the limit.</summary>
    /// <param name="bytes">Bytes; negative gives back.</param>
    public void Reserve(long bytes) => _slabs.Reserve(bytes);

    /// <summary>Gives memory back to the machine where indexes and buffers have grown into what the slabs use.</summary>
    public void Trim()
    {
        if (!_slabs.Trim()) _evictor.EvictSlabs();
    }

    /// <summary>
    /// Stores a copy of a page. Until <see cref="Publish"/> the page is pinned by its maker and can't be evicted; a maker that changes its mind
    /// calls <see cref="Free"/> and <see cref="Unpin"/>.
    /// </summary>
    /// <param name="account">The pool's account.</param>
    /// <param name="page">The page, of the account's page size.</param>
    /// <param name="stored">Where it lies now.</param>
    /// <returns>False where memory is full of pages that may not be dropped.</returns>
    public bool TryStore(PoolAccount account, in ReadOnlySequence<byte> page, out PageRef stored)
    {
        var first = page.FirstSpan;
        if (first.Length >= 16 && BinaryPrimitives.ReadUInt64LittleEndian(first) == BinaryPrimitives.ReadUInt64LittleEndian(first[8..])
            && PageCodecs.IsSameFilled(PageCodecs.Flatten(page), out var word))
            return StoreSame(account, word, out stored);
        if (account.Compression != Protocol.PageCompression.None
            && PageCodecs.TryCompress(account.Compression, PageCodecs.Flatten(page), MostCompressedBytes(account.PageSizeBytes), out var codec, out var encoded))
            return Allocate(account, encoded.Length, codec, out stored, out var frame) && CopyIn(encoded, frame);
        if (!Allocate(account, (int)page.Length, PageCodec.Raw, out stored, out var target)) return false;
        page.CopyTo(new Span<byte>(target, (int)page.Length));
        return true;
    }

    /// <summary>Stores a page that is encoded already (it comes from the journal).</summary>
    /// <param name="account">The pool's account.</param>
    /// <param name="codec">How it is encoded.</param>
    /// <param name="encoded">Its bytes.</param>
    /// <param name="stored">Where it lies now; as after <see cref="TryStore"/>.</param>
    /// <returns>False where there is no room.</returns>
    public bool TryStoreEncoded(PoolAccount account, PageCodec codec, ReadOnlySpan<byte> encoded, out PageRef stored) => codec == PageCodec.Same
        ? StoreSame(account, BinaryPrimitives.ReadUInt64LittleEndian(encoded), out stored)
        : Allocate(account, encoded.Length, codec, out stored, out var frame) && CopyIn(encoded, frame);

    /// <summary>The page has its place in an index: its maker's pin goes.</summary>
    /// <param name="page">The page.</param>
    /// <param name="evictable">Whether it may be dropped from now on.</param>
    public void Publish(PageRef page, bool evictable) => Unpin(page, evictable ? FrameState.Evictable : 0);

    /// <summary>Whether the page is still there (it may be gone a moment later).</summary>
    /// <param name="page">The page.</param>
    public bool IsAlive(PageRef page) => page.IsSame || (page.IsFrame && TryLocate(page, out var cut, out var slot)
        && FrameState.IsAlive(Volatile.Read(ref cut[slot].State), page.Generation));

    /// <summary>Pins a page for reading; false where it is gone.</summary>
    /// <param name="page">The page.</param>
    public bool TryPin(PageRef page)
    {
        if (!page.IsFrame) return page.IsSame;
        if (!TryLocate(page, out var cut, out var slot)) return false;
        ref var state = ref cut[slot].State;
        while (true)
        {
            var now = Volatile.Read(ref state);
            if (!FrameState.IsAlive(now, page.Generation)) return false;
            if (Interlocked.CompareExchange(ref state, (now + FrameState.OnePin) | FrameState.Referenced, now) == now) return true;
        }
    }

    /// <summary>Lets go of a pinned page; frees it if its owner has given it up meanwhile.</summary>
    /// <param name="page">The page.</param>
    public void Unpin(PageRef page) => Unpin(page, 0);

    private void Unpin(PageRef page, ulong flags)
    {
        if (!page.IsFrame || !TryLocate(page, out var cut, out var slot)) return;
        ref var state = ref cut[slot].State;
        while (true)
        {
            var now = Volatile.Read(ref state);
            if (FrameState.Generation(now) != page.Generation || !FrameState.IsPinned(now)) return;
            var next = (now - FrameState.OnePin) | flags;
            if ((next & FrameState.Dying) != 0 && !FrameState.IsPinned(next))
            {
                if (Interlocked.CompareExchange(ref state, FrameState.FreeOf(page.Generation + 1), now) != now) continue;
                Freed(page, cut, slot);
                return;
            }

            if (Interlocked.CompareExchange(ref state, next, now) == now) return;
        }
    }

    /// <summary>The owner gives the page up. While it is pinned its frame lives on until the last unpin. A stale reference is no error.</summary>
    /// <param name="page">The page.</param>
    public void Free(PageRef page)
    {
        if (page.IsSame)
        {
            _accounts[page.Account].SameFreed();
            return;
        }

        if (!page.IsFrame || !TryLocate(page, out var cut, out var slot)) return;
        ref var state = ref cut[slot].State;
        while (true)
        {
            var now = Volatile.Read(ref state);
            if (!FrameState.IsAlive(now, page.Generation)) return;
            if (FrameState.IsPinned(now))
            {
                if (Interlocked.CompareExchange(ref state, now | FrameState.Dying, now) == now) return;
                continue;
            }

            if (Interlocked.CompareExchange(ref state, FrameState.FreeOf(page.Generation + 1), now) != now) continue;
            Freed(page, cut, slot);
            return;
        }
    }

    /// <summary>The stored bytes of a pinned page that lies in a frame; of a same-filled page, its word in <paramref name="word"/>.</summary>
    /// <param name="page">The page, pinned.</param>
    /// <param name="word">Room for a word: 8 bytes.</param>
    /// <param name="codec">How it is encoded.</param>
    public ReadOnlySpan<byte> Stored(PageRef page, Span<byte> word, out PageCodec codec)
    {
        if (page.IsSame)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(word, page.Word);
            codec = PageCodec.Same;
            return word[..sizeof(ulong)];
        }

        if (!TryLocate(page, out var cut, out var slot)) throw new InvalidOperationException("the page is not pinned");
        ref var meta = ref cut[slot];
        codec = meta.Codec;
        return new ReadOnlySpan<byte>(cut.Frame(slot), meta.Length);
    }

    /// <summary>Copies a pinned page out, decoded.</summary>
    /// <param name="page">The page, pinned.</param>
    /// <param name="destination">Exactly one page.</param>
    public void CopyTo(PageRef page, Span<byte> destination)
    {
        Span<byte> word = stackalloc byte[sizeof(ulong)];
        var stored = Stored(page, word, out var codec);
        PageCodecs.Decode(codec, stored, destination);
    }

    /// <summary>Copies a pinned page out, decoded, into an output.</summary>
    /// <param name="page">The page, pinned.</param>
    /// <param name="output">Where to.</param>
    public void CopyTo(PageRef page, IBufferWriter<byte> output)
    {
        Span<byte> word = stackalloc byte[sizeof(ulong)];
        var stored = Stored(page, word, out var codec);
        PageCodecs.Decode(codec, stored, _accounts[page.Account].PageSizeBytes, output);
    }

    /// <inheritdoc/>
    public void Dispose() => _slabs.Dispose();

    /// <summary>What compression must get below to be worth it: a size class less than the page.</summary>
    private static int MostCompressedBytes(int pageSizeBytes) => pageSizeBytes == 4096 ? 4096 - 256 : pageSizeBytes - (pageSizeBytes / 16);

    private static bool CopyIn(ReadOnlySpan<byte> bytes, byte* frame)
    {
        bytes.CopyTo(new Span<byte>(frame, bytes.Length));
        return true;
    }

    private bool StoreSame(PoolAccount account, ulong word, out PageRef stored)
    {
        stored = default;
        // It takes no frame, but its index entry takes memory: indexes that outgrow the limit end here.
        if (_slabs.ReservedBytes > _slabs.LimitBytes) return false;
        stored = PageRef.OfWord(word, _accounts.Number(account));
        account.SameStored();
        return true;
    }

    private bool Allocate(PoolAccount account, int length, PageCodec codec, out PageRef stored, out byte* frame)
    {
        var number = _accounts.Number(account);
        var sizeClass = ClassOf(length);
        while (true)
        {
            if (TryTakeFrame(sizeClass, out var slab, out var slot))
            {
                var cut = slab.Cut!;
                ref var meta = ref cut[slot];
                var generation = FrameState.Generation(Volatile.Read(ref meta.State));
                meta.Account = number;
                meta.Length = length;
                meta.Codec = codec;
                Volatile.Write(ref meta.State, FrameState.FreeOf(generation) | FrameState.Used | FrameState.OnePin);
                frame = cut.Frame(slot);
                stored = PageRef.OfFrame(((uint)slab.Number << SlotBits) | (uint)slot, generation, number);
                account.Stored(cut.FrameBytes);
                return true;
            }

            if (_evictor.MakeRoom(sizeClass)) continue;
            stored = default;
            frame = null;
            return false;
        }
    }

    private bool TryTakeFrame(SizeClass sizeClass, out Slab slab, out int slot)
    {
        lock (sizeClass.Lock)
        {
            if (sizeClass.WithFree.Count > 0)
            {
                slab = sizeClass.WithFree[^1];
            }
            else if (_slabs.TryTake(sizeClass) is { } taken)
            {
                slab = taken;
                sizeClass.Add(slab);
                sizeClass.Link(slab);
            }
            else
            {
                slab = null!;
                slot = -1;
                return false;
            }

            slot = slab.FreeHead;
            slab.FreeHead = slab.Cut![slot].Next;
            slab.UsedFrames++;
            sizeClass.UsedFrames++;
            if (slab.FreeHead < 0) sizeClass.Unlink(slab);
            return true;
        }
    }

    private void Freed(PageRef page, SlabCut cut, int slot)
    {
        _accounts[page.Account].Freed(cut.FrameBytes);
        Release(_slabs.Slabs[page.Frame >> SlotBits], cut, slot);
    }

    /// <summary>A frame whose state is free already goes back to its slab, and an empty slab back to the pool (but for one that the class keeps).</summary>
    private void Release(Slab slab, SlabCut cut, int slot)
    {
        var sizeClass = _classes[cut.SizeClass];
        lock (sizeClass.Lock)
        {
            cut[slot].Next = slab.FreeHead;
            slab.FreeHead = slot;
            slab.UsedFrames--;
            sizeClass.UsedFrames--;
            if (slab.UsedFrames > 0 || sizeClass.WithFree.Count == 0)
            {
                sizeClass.Link(slab);
                return;
            }

            sizeClass.Unlink(slab);
            sizeClass.Remove(slab);
        }

        _slabs.Return(slab);
    }

    private bool TryLocate(PageRef page, out SlabCut cut, out int slot)
    {
        slot = (int)(page.Frame & ((1 << SlotBits) - 1));
        cut = _slabs.Slabs[page.Frame >> SlotBits].Cut!;
        return slot < cut.Frames;
    }

    private SizeClass ClassOf(int length)
    {
        if (length <= 4096) return _classes[(length - 1) >> 8];
        var doubling = 31 - System.Numerics.BitOperations.LeadingZeroCount((uint)(length - 1)) - 12;
        var page = 4096 << doubling;
        return _classes[15 + (doubling * 8) + ((((length - 1 - page) * 8) / page) + 1)];
    }
}
