namespace Grid.Node.Memory;

/// <summary>Adds up a store's numbers.</summary>
internal static class PageStoreReport
{
    public static PageStoreStats Of(MemoryBudget budget, SlabAllocator allocator, AccountTable accounts, Clock clock, long reservedBytes)
    {
        long pages = 0, sameFilled = 0, stored = 0, evictable = 0;
        foreach (var account in accounts.Slots)
        {
            if (account is null) continue;
            pages += account.Pages;
            sameFilled += account.SameFilledPages;
            stored += account.StoredBytes;
            evictable += account.EvictableBytes;
        }
        var classes = new List<SizeClassStats>();
        foreach (var sizeClass in allocator.Classes)
            lock (sizeClass.Gate)
                if (sizeClass.Slabs > 0)
                    classes.Add(new SizeClassStats(sizeClass.FrameBytes, sizeClass.Evictable, sizeClass.Slabs, (long)sizeClass.Slabs * sizeClass.FramesPerSlab, sizeClass.FramesUsed));
        return new PageStoreStats
        {
            LimitBytes = budget.LimitBytes,
            SlabBytes = allocator.SlabBytes,
            MetadataBytes = allocator.MetadataBytes,
            ReservedBytes = reservedBytes,
            Pages = pages,
            SameFilledPages = sameFilled,
            Frames = classes.Sum(c => c.Frames),
            FramesUsed = classes.Sum(c => c.FramesUsed),
            StoredBytes = stored,
            EvictableBytes = evictable,
            Evictions = clock.Evictions,
            Classes = [.. classes.OrderBy(c => c.FrameBytes).ThenBy(c => !c.Evictable)],
        };
    }
}
