using System.Runtime.CompilerServices;

namespace Grid.Node.Memory;

/// <summary>
/// The evictor. Each class has a hand that goes round its slabs in the order they were cut and gives what was read since a second chance, so a
/// class evicts what it would have evicted as the only one. Between classes memory moves by whole slabs: for every few slabs' worth of pages a class has
/// evicted it may take the slab at a second, node-wide hand. Slabs then divide among classes as their demand does, which
/// makes pages of all classes live equally long, as with one clock over everything.
/// Accounts that hold more than the average of what may be evicted are evicted from first: the hand takes what was not read of the others only every
/// eighth round, so that what is idle for long goes in the end, whoever has little of it.
/// One thread evicts at a time, in batches; the others allocate, read and free meanwhile.
/// </summary>
internal sealed unsafe class Clock(SlabAllocator allocator, AccountTable accounts, MemoryBudget budget)
{
    private const int MaxBatch = 32;

    // Frames looked at in search of a victim of an account over its share before one under it has to do.
    private const int LookAheadFrames = 2048;

    // Slabs looked at for the same, and for a class that has earned another's slab.
    private const int LookAheadSlabs = 4;

    // Slabs' worth of a class's own evictions that earn it a slab of another class.
    private const int SlabsToEarnOne = 4;

    private enum Steal
    {
        /// <summary>Any slab that can be emptied.</summary>
        Any,

        /// <summary>One that mostly holds pages of accounts over their share, if it is near.</summary>
        OverShare,

        /// <summary>The next one, unless it is the class's own or (mostly) of accounts under their share.</summary>
        Earned,
    }

    // The hand goes so many rounds for every one that looks at accounts under their share; a power of two.
    private const int RoundsToSpare = 8;

    private readonly Lock _gate = new();
    private readonly ushort[] _drained = new ushort[1 << NativeRegion.FrameBits];
    private int _slabHand;
    private long _evictions;
    private int _batchesUntilShares;
    private int _sharers;
    private uint _spared;
    private long _shrinkBarrenEpoch = -1;

    // The epoch grows, at the latest, when something becomes evictable or free after a search that found nothing: until then the same
    // search is not repeated, so a store full of pages that must stay refuses fast.
    private bool _armed;
    private long _epoch;

    public long Evictions => Volatile.Read(ref _evictions);

    /// <summary>Tells that there may be something to evict or to allocate that was not there before. After the change itself.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Changed()
    {
        if (Volatile.Read(ref _armed)) Disarm();
    }

    /// <summary>Makes room for a frame of the class, for now: another thread may take it first.</summary>
    /// <returns>False where nothing can be evicted.</returns>
    public bool TryMakeRoom(SizeClass sizeClass)
    {
        lock (_gate)
        {
            if (Volatile.Read(ref sizeClass.PartialHead) != Slab.None || allocator.TryAcquireSlab(sizeClass)) return true;
            if (sizeClass.BarrenEpoch == Volatile.Read(ref _epoch)) return false;
            var epoch = Arm();
            RefreshShares();
            if (TryEvictFor(sizeClass)) return true;
            sizeClass.BarrenEpoch = epoch;
            return false;
        }
    }

    /// <summary>Gives slabs back to the system, emptied where need be, until the budget holds.</summary>
    /// <returns>False where it cannot be made to hold.</returns>
    public bool TryShrink()
    {
        if (!budget.IsOver) return true;
        lock (_gate)
        {
            while (budget.IsOver)
            {
                if (allocator.TryDiscardKept()) continue;
                if (_shrinkBarrenEpoch == Volatile.Read(ref _epoch)) return false;
                var epoch = Arm();
                RefreshShares();
                if (TrySteal(null, Steal.Any)) continue;
                _shrinkBarrenEpoch = epoch;
                return false;
            }
            return true;
        }
    }

    private void Disarm()
    {
        Volatile.Write(ref _armed, false);
        Interlocked.Increment(ref _epoch);
    }

    // Whoever changes something after this sees the flag; whoever changed something before is seen by the search.
    private long Arm()
    {
        var epoch = Volatile.Read(ref _epoch);
        Volatile.Write(ref _armed, true);
        Interlocked.MemoryBarrier();
        return epoch;
    }

    private bool TryEvictFor(SizeClass sizeClass)
    {
        if (sizeClass.Slabs == 0) return TryStealFor(sizeClass, Steal.Any);
        if (sizeClass.EvictedSinceSteal >= SlabsToEarnOne * (long)sizeClass.FramesPerSlab)
        {
            sizeClass.EvictedSinceSteal = 0;
            if (TryStealFor(sizeClass, Steal.Earned)) return true;
        }
        var batch = Math.Clamp(sizeClass.FramesPerSlab / 16, 2, MaxBatch);
        if (Sweep(sizeClass, overShareOnly: true, batch, LookAheadFrames)) return true;
        if (_sharers > 1 && TryStealFor(sizeClass, Steal.OverShare)) return true;
        return Sweep(sizeClass, overShareOnly: false, batch, 2L * sizeClass.Slabs * sizeClass.FramesPerSlab)
            || TryStealFor(sizeClass, Steal.Any);
    }

    // Turns the class's hand until a batch is evicted or so many frames were looked at.
    private bool Sweep(SizeClass sizeClass, bool overShareOnly, int batch, long maxFrames)
    {
        var evicted = 0;
        while (evicted < batch && maxFrames > 0)
        {
            uint first;
            int count;
            bool spareUnderShare;
            lock (sizeClass.Gate)
            {
                if (sizeClass.HandSlab == Slab.None) break;
                ref var slab = ref allocator.SlabAt(sizeClass.HandSlab);
                first = ((uint)sizeClass.HandSlab << NativeRegion.FrameBits) + (uint)sizeClass.HandFrame;
                count = Math.Min(slab.Bump - sizeClass.HandFrame, batch - evicted);
                sizeClass.HandFrame += count;
                if (count == 0)
                {
                    sizeClass.HandSlab = slab.Next;
                    sizeClass.HandFrame = 0;
                    if (sizeClass.HandSlab == sizeClass.RingHead) sizeClass.Rounds++;
                    maxFrames--;
                }
                spareUnderShare = overShareOnly && sizeClass.Rounds % RoundsToSpare != RoundsToSpare - 1;
            }
            // The slab may change hands meanwhile. What is evicted then is evictable all the same.
            for (var i = 0; i < count; i++)
            {
                if (!TryEvict(first + (uint)i, spareUnderShare, secondChance: true)) continue;
                allocator.Push(first + (uint)i);
                evicted++;
            }
            maxFrames -= count;
        }
        sizeClass.EvictedSinceSteal += evicted;
        return evicted > 0;
    }

    private bool TryStealFor(SizeClass sizeClass, Steal what)
    {
        while (TrySteal(sizeClass, what))
            if (allocator.TryAcquireSlab(sizeClass))
            {
                sizeClass.EvictedSinceSteal = 0;
                return true;
            }
        return false;
    }

    // Empties the next slab at the node-wide hand that is not the thief's own. A slab mostly read of late gets one second chance.
    private bool TrySteal(SizeClass? thief, Steal what)
    {
        var looks = what == Steal.Any ? int.MaxValue : LookAheadSlabs;
        for (var passed = 0; passed < 2 * allocator.SlabCount && looks > 0; passed++)
        {
            var s = _slabHand;
            _slabHand = s + 1 == allocator.SlabCount ? 0 : s + 1;
            var owner = Volatile.Read(ref allocator.SlabAt(s).Class);
            if (owner == Slab.None) continue;
            if (owner == thief?.Index)
            {
                // A class whose own slab is next has its part already.
                if (what == Steal.Earned) return false;
                continue;
            }
            looks--;
            var (blocked, evictable, referenced, overShare) = Count(s);
            var isUnderShare = overShare * 2 < evictable;
            if (blocked || (what == Steal.OverShare && isUnderShare)) continue;
            if (what == Steal.Earned && isUnderShare && ++_spared % RoundsToSpare != 0) return false;
            if (referenced * 2 > evictable && passed < allocator.SlabCount) ClearReferenced(s);
            else if (TryDrain(allocator.Classes[owner], s)) return true;
        }
        return false;
    }

    private bool TryDrain(SizeClass owner, int s)
    {
        if (!allocator.TryBeginDrain(owner, s, out var emptied)) return emptied;
        var first = (uint)s << NativeRegion.FrameBits;
        var bump = allocator.SlabAt(s).Bump;
        var drained = 0;
        for (var i = 0; i < bump; i++)
            if (TryEvict(first + (uint)i, spareUnderShare: false, secondChance: false))
                _drained[drained++] = (ushort)i;
        return allocator.EndDrain(owner, s, _drained.AsSpan(0, drained));
    }

    // A frame that is evicted belongs to the caller, who puts it back.
    private bool TryEvict(uint frame, bool spareUnderShare, bool secondChance)
    {
        var meta = allocator.Region.Meta(frame);
        var state = Volatile.Read(ref meta->State);
        if (!FrameState.MayEvict(state)) return false;
        // If the frame changes hands after this, this is another's, and the exchange below fails.
        var account = accounts.Find(frame, allocator);
        if (account is null || (spareUnderShare && !account.OverShare)) return false;
        if (secondChance && (state & FrameState.Referenced) != 0)
        {
            _ = Interlocked.CompareExchange(ref meta->State, state & ~FrameState.Referenced, state);
            return false;
        }
        if (Interlocked.CompareExchange(ref meta->State, FrameState.Released(state), state) != state) return false;
        var bytes = allocator.FrameBytes(frame);
        account.AddEvictable(-bytes);
        account.AddStored(-bytes);
        account.AddEviction();
        if (account.RemovePage() == 0 && Volatile.Read(ref account.Closed)) accounts.Return(account);
        Volatile.Write(ref _evictions, _evictions + 1);
        return true;
    }

    private (bool Blocked, int Evictable, int Referenced, int OverShare) Count(int s)
    {
        var first = (uint)s << NativeRegion.FrameBits;
        var meta = allocator.Region.Meta(first);
        var bump = allocator.SlabAt(s).Bump;
        int evictable = 0, referenced = 0, overShare = 0;
        for (var i = 0; i < bump; i++)
        {
            var state = Volatile.Read(ref meta[i].State);
            if ((state & FrameState.Used) == 0) continue;
            if (!FrameState.MayEvict(state)) return (true, 0, 0, 0);
            evictable++;
            if ((state & FrameState.Referenced) != 0) referenced++;
            if (accounts.Find(first + (uint)i, allocator) is { OverShare: true }) overShare++;
        }
        return (false, evictable, referenced, overShare);
    }

    private void ClearReferenced(int s)
    {
        var meta = allocator.Region.Meta((uint)s << NativeRegion.FrameBits);
        var bump = allocator.SlabAt(s).Bump;
        for (var i = 0; i < bump; i++)
        {
            var state = Volatile.Read(ref meta[i].State);
            if (FrameState.MayEvict(state))
                _ = Interlocked.CompareExchange(ref meta[i].State, state & ~FrameState.Referenced, state);
        }
    }

    // Looking at all accounts is amortized over more batches the more of them there are.
    private void RefreshShares()
    {
        if (--_batchesUntilShares > 0) return;
        var slots = accounts.Slots;
        _batchesUntilShares = slots.Length / 64;
        long total = 0;
        _sharers = 0;
        foreach (var account in slots)
        {
            if (account is null || account.EvictableBytes <= 0) continue;
            total += account.EvictableBytes;
            _sharers++;
        }
        foreach (var account in slots)
            if (account is not null)
                account.OverShare = account.EvictableBytes * _sharers >= total;
    }
}
