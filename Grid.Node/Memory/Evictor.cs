namespace Grid.Node.Memory;

/// <summary>
/// Makes room by dropping pages. CLOCK over the frames of a size class, first over accounts that hold more than their share; when a class gets nothing
/// that way, or keeps churning while another lies still, it gets a slab of that other one. One thread evicts at a time, in batches.
/// </summary>
internal sealed class Evictor(SizeClass[] classes, SlabPool slabs, AccountTable accounts, Action<Slab, SlabCut, int> release)
{
    /// <summary>Frames freed at a time: enough to keep the next allocations off the eviction lock.</summary>
    private const int BatchFrames = 32;

    private readonly Lock _lock = new();
    private long _evictions;

    /// <summary>Pages dropped so far.</summary>
    public long Evictions => Volatile.Read(ref _evictions);

    /// <summary>Makes room for at least one frame of a class; false where nothing may be dropped.</summary>
    public bool MakeRoom(SizeClass sizeClass)
    {
        lock (_lock)
        {
            // Whoever held the lock before may have made room for us.
            if (HasRoom(sizeClass)) return true;
            if (slabs.TotalBytes > slabs.LimitBytes) EvictSlabsLocked();
            if (sizeClass.Pressure > (long)sizeClass.Slabs.Count * sizeClass.FramesPerSlab && TakeSlabFor(sizeClass, onlyCalmer: true)) return true;
            return EvictFrom(sizeClass, BatchFrames) > 0 || TakeSlabFor(sizeClass, onlyCalmer: false);
        }
    }

    /// <summary>Drops whole slabs while more memory is used than the limit allows.</summary>
    public void EvictSlabs()
    {
        lock (_lock) EvictSlabsLocked();
    }

    private void EvictSlabsLocked()
    {
        while (!slabs.Trim())
            if (!TakeSlabFor(null, onlyCalmer: false)) return;
    }

    private static bool HasRoom(SizeClass sizeClass)
    {
        lock (sizeClass.Lock) return sizeClass.WithFree.Count > 0;
    }

    private int EvictFrom(SizeClass sizeClass, int wanted)
    {
        var evicted = 0;
        if (accounts.Count > 1 && AnyOverShare()) evicted = Sweep(sizeClass, wanted, onlyOverShare: true, spareReferenced: true);
        // Two rounds: the first clears the reference bits that the second then finds cleared.
        if (evicted == 0) evicted = Sweep(sizeClass, wanted, onlyOverShare: false, spareReferenced: true);
        if (evicted == 0) evicted = Sweep(sizeClass, wanted, onlyOverShare: false, spareReferenced: false);
        sizeClass.Pressure += evicted;
        return evicted;
    }

    private int Sweep(SizeClass sizeClass, int wanted, bool onlyOverShare, bool spareReferenced)
    {
        var evicted = 0;
        var (position, slot) = sizeClass.Hand;
        var left = (long)sizeClass.Slabs.Count * sizeClass.FramesPerSlab;
        while (left > 0 && evicted < wanted)
        {
            if (SlabAt(sizeClass, ref position) is not { } slab) break;
            var cut = slab.Cut!;
            // Another thread may have returned the slab and somebody cut it anew.
            if (cut.SizeClass != sizeClass.Number) slot = cut.Frames;
            for (; slot < cut.Frames && left > 0 && evicted < wanted; slot++, left--)
                if (TryEvict(slab, cut, slot, onlyOverShare, spareReferenced)) evicted++;
            if (slot < cut.Frames) break;
            slot = 0;
            position++;
            left--;
        }

        sizeClass.Hand = (position, slot);
        return evicted;
    }

    private static Slab? SlabAt(SizeClass sizeClass, ref int position)
    {
        lock (sizeClass.Lock)
        {
            if (sizeClass.Slabs.Count == 0) return null;
            if (position >= sizeClass.Slabs.Count) position = 0;
            return sizeClass.Slabs[position];
        }
    }

    private bool TryEvict(Slab slab, SlabCut cut, int slot, bool onlyOverShare, bool spareReferenced)
    {
        ref var meta = ref cut[slot];
        var state = Volatile.Read(ref meta.State);
        if ((state & (FrameState.Used | FrameState.Evictable | FrameState.Dying)) != (FrameState.Used | FrameState.Evictable) || FrameState.IsPinned(state)) return false;
        var account = accounts[meta.Account];
        if (onlyOverShare && !IsOverShare(account)) return false;
        if (spareReferenced && (state & FrameState.Referenced) != 0)
        {
            Interlocked.CompareExchange(ref meta.State, state & ~FrameState.Referenced, state);
            return false;
        }

        if (Interlocked.CompareExchange(ref meta.State, FrameState.FreeOf(FrameState.Generation(state) + 1), state) != state) return false;
        account.Evicted(cut.FrameBytes);
        Interlocked.Increment(ref _evictions);
        release(slab, cut, slot);
        return true;
    }

    /// <summary>Empties a slab of the calmest other class that has one which can be emptied.</summary>
    private bool TakeSlabFor(SizeClass? wanting, bool onlyCalmer)
    {
        SizeClass? donor = null;
        foreach (var candidate in classes)
        {
            if (candidate == wanting || candidate.Slabs.Count < (onlyCalmer ? 2 : 1)) continue;
            if (onlyCalmer && PressureOf(candidate) * 2 > PressureOf(wanting!)) continue;
            if (donor is null || PressureOf(candidate) < PressureOf(donor)) donor = candidate;
        }

        if (wanting is not null) wanting.Pressure = 0;
        if (donor is not null && TryEmptyOne(donor)) return true;
        if (onlyCalmer) return false;
        foreach (var other in classes)
            if (other != wanting && other != donor && TryEmptyOne(other)) return true;
        return false;
    }

    private static double PressureOf(SizeClass sizeClass) => sizeClass.Pressure / (double)Math.Max(1, sizeClass.Slabs.Count * sizeClass.FramesPerSlab);

    private bool TryEmptyOne(SizeClass donor)
    {
        Slab[] candidates;
        lock (donor.Lock) candidates = [.. donor.Slabs];
        foreach (var slab in candidates)
        {
            var cut = slab.Cut!;
            if (cut.SizeClass != donor.Number || !CanBeEmptied(cut)) continue;
            for (var slot = 0; slot < cut.Frames; slot++) TryEvict(slab, cut, slot, onlyOverShare: false, spareReferenced: false);
            // Its last frame may have been kept back as the class's reserve.
            lock (donor.Lock)
            {
                if (slab.Cut != cut || slab.UsedFrames > 0) continue;
                if (slab.Position < 0) return true;
                donor.Unlink(slab);
                donor.Remove(slab);
            }

            slabs.Return(slab);
            return true;
        }

        return false;
    }

    private static bool CanBeEmptied(SlabCut cut)
    {
        for (var slot = 0; slot < cut.Frames; slot++)
        {
            var state = Volatile.Read(ref cut[slot].State);
            if ((state & FrameState.Used) != 0 && ((state & FrameState.Evictable) == 0 || FrameState.IsPinned(state))) return false;
        }

        return true;
    }

    private bool AnyOverShare()
    {
        for (var i = 0; i < accounts.Count; i++)
            if (IsOverShare(accounts[i])) return true;
        return false;
    }

    /// <summary>An account's share: the limit divided among the accounts that hold anything.</summary>
    private bool IsOverShare(PoolAccount account)
    {
        var holders = 0;
        for (var i = 0; i < accounts.Count; i++)
            if (accounts[i].StoredBytes > 0) holders++;
        return account.StoredBytes > slabs.LimitBytes / Math.Max(1, holders);
    }
}
