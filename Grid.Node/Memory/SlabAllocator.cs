using System.Runtime.CompilerServices;

namespace Grid.Node.Memory;

/// <summary>
/// Frames out of slabs out of the budget. Every class has its own lock, held for a few loads and stores;
/// locks nest only class → allocator. A slab whose last page goes returns to the allocator unless it is the class's only one with room.
/// </summary>
internal sealed unsafe class SlabAllocator : IDisposable
{
    // Empty slabs that keep their memory for the next class that asks.
    private const int KeptSlabs = 4;

    private readonly MemoryBudget _budget;
    private readonly Slab[] _slabs;
    private readonly SizeClass[] _classes;
    private readonly Lock _gate = new();

    // Slabs cut for no class, as lists through Next: with memory behind them and without.
    private int _keptHead = Slab.None;
    private int _kept;
    private int _bareHead = Slab.None;
    private int _committed;
    private long _metaBytes;

    public SlabAllocator(MemoryBudget budget)
    {
        _budget = budget;
        var slabs = (int)(budget.LimitBytes >> NativeRegion.SlabShift);
        _slabs = new Slab[slabs];
        for (var i = slabs - 1; i >= 0; i--)
        {
            _slabs[i] = new Slab { Class = Slab.None, GenerationBase = 1, Next = _bareHead };
            _bareHead = i;
        }
        _classes = new SizeClass[2 * SizeClasses.Count];
        for (var i = 0; i < _classes.Length; i++) _classes[i] = new SizeClass(i, evictable: i < SizeClasses.Count);
        TableBytes = ((long)slabs * Unsafe.SizeOf<Slab>()) + (_classes.Length * 128L);
        budget.Charge(TableBytes);
        Region = new NativeRegion(slabs);
    }

    public NativeRegion Region { get; }

    public int SlabCount => _slabs.Length;

    /// <summary>Bytes of the tables that live as long as the store.</summary>
    public long TableBytes { get; }

    public long SlabBytes => (long)Volatile.Read(ref _committed) << NativeRegion.SlabShift;

    public long MetadataBytes => Volatile.Read(ref _metaBytes) + TableBytes;

    public ReadOnlySpan<SizeClass> Classes => _classes;

    public SizeClass ClassOf(int bytes, bool evictable) => _classes[SizeClasses.For(bytes) + (evictable ? 0 : SizeClasses.Count)];

    public ref Slab SlabAt(int slab) => ref _slabs[slab];

    public int FrameBytes(uint frame) => _slabs[frame >> NativeRegion.FrameBits].FrameBytes;

    /// <summary>The bytes of a frame that the caller holds.</summary>
    public byte* Address(uint frame)
    {
        var slab = (int)(frame >> NativeRegion.FrameBits);
        return Region.Slab(slab) + ((nuint)(frame & NativeRegion.FrameMask) * (nuint)_slabs[slab].FrameBytes);
    }

    /// <summary>Takes a free frame out of the class's slabs. Its state is free, of the generation it is about to have.</summary>
    public bool TryPop(SizeClass sizeClass, out uint frame)
    {
        frame = 0;
        if (Volatile.Read(ref sizeClass.PartialHead) == Slab.None) return false;
        lock (sizeClass.Gate)
        {
            var s = sizeClass.PartialHead;
            if (s == Slab.None) return false;
            ref var slab = ref _slabs[s];
            frame = (uint)s << NativeRegion.FrameBits;
            if (slab.FreeHead != Slab.None)
            {
                frame |= (uint)slab.FreeHead;
                slab.FreeHead = (int)Region.Meta(frame)->Account;
            }
            else
            {
                frame |= (uint)slab.Bump++;
                Volatile.Write(ref Region.Meta(frame)->State, FrameState.Free(slab.GenerationBase));
            }
            if (--slab.Free == 0) UnlinkPartial(sizeClass, s);
            sizeClass.FramesUsed++;
            return true;
        }
    }

    /// <summary>Takes a free frame out of any class whose frames are large enough.</summary>
    public bool TryPopLarger(SizeClass sizeClass, out uint frame)
    {
        for (var i = sizeClass.Index % SizeClasses.Count; i < SizeClasses.Count; i++)
            if (TryPop(_classes[i], out frame) || TryPop(_classes[i + SizeClasses.Count], out frame))
                return true;
        frame = 0;
        return false;
    }

    /// <summary>Puts back a frame that the caller owns alone and whose state is free already.</summary>
    public void Push(uint frame)
    {
        var s = (int)(frame >> NativeRegion.FrameBits);
        ref var slab = ref _slabs[s];
        var sizeClass = _classes[slab.Class];
        lock (sizeClass.Gate)
        {
            PushLocked(ref slab, frame);
            sizeClass.FramesUsed--;
            if (slab.Draining) return;
            if (slab.Free == 1) LinkPartial(sizeClass, s);
            var onlyOneWithRoom = sizeClass.PartialHead == s && slab.NextPartial == Slab.None;
            if (slab.Free < sizeClass.FramesPerSlab || onlyOneWithRoom) return;
            Detach(sizeClass, s);
        }
        Keep(s);
    }

    /// <summary>Cuts an empty slab for the class, if there is one or the budget has room for one.</summary>
    public bool TryAcquireSlab(SizeClass sizeClass)
    {
        int s;
        lock (_gate)
        {
            s = TakeUncut(NativeRegion.MetaBytes(sizeClass.FramesPerSlab));
            if (s == Slab.None) return false;
        }
        lock (sizeClass.Gate) Attach(sizeClass, s);
        return true;
    }

    /// <summary>Gives the memory of one kept empty slab back to the system; false where none is kept.</summary>
    public bool TryDiscardKept()
    {
        lock (_gate)
        {
            return _keptHead != Slab.None && TryDiscard(PopKept());
        }
    }

    /// <summary>
    /// Begins to empty a slab: from here on nothing is allocated from it. False where it has changed its class or was empty, in which case it
    /// has been taken from its class and kept (<paramref name="emptied"/>).
    /// </summary>
    public bool TryBeginDrain(SizeClass sizeClass, int s, out bool emptied)
    {
        emptied = false;
        lock (sizeClass.Gate)
        {
            ref var slab = ref _slabs[s];
            if (slab.Class != sizeClass.Index) return false;
            if (slab.Free < sizeClass.FramesPerSlab)
            {
                slab.Draining = true;
                if (slab.Free > 0) UnlinkPartial(sizeClass, s);
                return true;
            }
            Detach(sizeClass, s);
        }
        Keep(s);
        emptied = true;
        return false;
    }

    /// <summary>Puts the released frames of a draining slab back; true where it is empty now and was taken from its class and kept.</summary>
    public bool EndDrain(SizeClass sizeClass, int s, ReadOnlySpan<ushort> released)
    {
        lock (sizeClass.Gate)
        {
            ref var slab = ref _slabs[s];
            foreach (var frame in released) PushLocked(ref slab, ((uint)s << NativeRegion.FrameBits) | frame);
            sizeClass.FramesUsed -= released.Length;
            slab.Draining = false;
            if (slab.Free > 0) LinkPartial(sizeClass, s);
            if (slab.Free < sizeClass.FramesPerSlab) return false;
            Detach(sizeClass, s);
        }
        Keep(s);
        return true;
    }

    public void Dispose() => Region.Dispose();

    private void PushLocked(ref Slab slab, uint frame)
    {
        Region.Meta(frame)->Account = (uint)slab.FreeHead;
        slab.FreeHead = (int)(frame & NativeRegion.FrameMask);
        slab.Free++;
    }

    private void Attach(SizeClass sizeClass, int s)
    {
        ref var slab = ref _slabs[s];
        slab.FrameBytes = sizeClass.FrameBytes;
        slab.Free = sizeClass.FramesPerSlab;
        slab.FreeHead = Slab.None;
        slab.Bump = 0;
        slab.Draining = false;
        Volatile.Write(ref slab.Class, sizeClass.Index);
        if (sizeClass.RingHead == Slab.None)
        {
            slab.Next = slab.Previous = s;
            sizeClass.RingHead = sizeClass.HandSlab = s;
            sizeClass.HandFrame = 0;
        }
        else
        {
            ref var head = ref _slabs[sizeClass.RingHead];
            slab.Next = sizeClass.RingHead;
            slab.Previous = head.Previous;
            _slabs[head.Previous].Next = s;
            head.Previous = s;
        }
        sizeClass.Slabs++;
        LinkPartial(sizeClass, s);
    }

    // All frames are free and the slab is in the partial list. Remembers the generations, so that no later frame repeats one.
    private void Detach(SizeClass sizeClass, int s)
    {
        ref var slab = ref _slabs[s];
        UnlinkPartial(sizeClass, s);
        if (sizeClass.HandSlab == s)
        {
            sizeClass.HandSlab = slab.Next == s ? Slab.None : slab.Next;
            sizeClass.HandFrame = 0;
        }
        if (sizeClass.RingHead == s) sizeClass.RingHead = slab.Next == s ? Slab.None : slab.Next;
        _slabs[slab.Previous].Next = slab.Next;
        _slabs[slab.Next].Previous = slab.Previous;
        sizeClass.Slabs--;
        var meta = Region.Meta((uint)s << NativeRegion.FrameBits);
        for (var i = 0; i < slab.Bump; i++)
            slab.GenerationBase = Math.Max(slab.GenerationBase, FrameState.Generation(meta[i].State));
        Volatile.Write(ref slab.Class, Slab.None);
    }

    private void Keep(int s)
    {
        lock (_gate)
        {
            if (_kept == KeptSlabs) _ = TryDiscard(s);
            else PushKept(s);
        }
    }

    // An uncut slab with memory and so much metadata behind it.
    private int TakeUncut(int metaBytes)
    {
        while (_keptHead != Slab.None)
        {
            var s = PopKept();
            if (TryResizeMeta(s, metaBytes)) return s;
            // The class needs more metadata than there is room for: this slab's memory makes the room.
            if (!TryDiscard(s)) return Slab.None;
        }
        if (_bareHead == Slab.None || !_budget.TryCharge(NativeRegion.SlabBytes)) return Slab.None;
        var bare = _bareHead;
        if (!TryResizeMeta(bare, metaBytes))
        {
            _budget.Charge(-NativeRegion.SlabBytes);
            return Slab.None;
        }
        _bareHead = _slabs[bare].Next;
        _committed++;
        return bare;
    }

    private bool TryResizeMeta(int s, int metaBytes)
    {
        ref var slab = ref _slabs[s];
        var grow = metaBytes - slab.MetaBytes;
        if (grow > 0 && !_budget.TryCharge(grow)) return false;
        if (grow < 0)
        {
            if (!Region.DiscardMeta(s, metaBytes)) return true;
            _budget.Charge(grow);
        }
        slab.MetaBytes = metaBytes;
        _metaBytes += grow;
        return true;
    }

    private bool TryDiscard(int s)
    {
        if (!Region.DiscardSlab(s))
        {
            // A system without the call: the memory stays, and stays counted.
            PushKept(s);
            return false;
        }
        _ = TryResizeMeta(s, 0);
        _budget.Charge(-NativeRegion.SlabBytes);
        _committed--;
        _slabs[s].Next = _bareHead;
        _bareHead = s;
        return true;
    }

    private void PushKept(int s)
    {
        _slabs[s].Next = _keptHead;
        _keptHead = s;
        _kept++;
    }

    private int PopKept()
    {
        var s = _keptHead;
        _keptHead = _slabs[s].Next;
        _kept--;
        return s;
    }

    private void LinkPartial(SizeClass sizeClass, int s)
    {
        ref var slab = ref _slabs[s];
        slab.PreviousPartial = Slab.None;
        slab.NextPartial = sizeClass.PartialHead;
        if (slab.NextPartial != Slab.None) _slabs[slab.NextPartial].PreviousPartial = s;
        Volatile.Write(ref sizeClass.PartialHead, s);
    }

    private void UnlinkPartial(SizeClass sizeClass, int s)
    {
        ref var slab = ref _slabs[s];
        if (slab.NextPartial != Slab.None) _slabs[slab.NextPartial].PreviousPartial = slab.PreviousPartial;
        if (slab.PreviousPartial != Slab.None) _slabs[slab.PreviousPartial].NextPartial = slab.NextPartial;
        else Volatile.Write(ref sizeClass.PartialHead, slab.NextPartial);
    }
}
