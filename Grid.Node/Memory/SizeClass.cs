namespace Grid.Node.Memory;

/// <summary>Frames of one size: the slabs cut into them and which of those have free frames.</summary>
internal sealed class SizeClass(int number, int frameBytes)
{
    /// <summary>Guards everything here and the free lists of the slabs.</summary>
    public Lock Lock { get; } = new();

    public int Number { get; } = number;

    public int FrameBytes { get; } = frameBytes;

    public List<Slab> Slabs { get; } = [];

    public List<Slab> WithFree { get; } = [];

    /// <summary>Where CLOCK's hand stands: a slab of the list and a frame in it. Belongs to the holder of the store's eviction lock.</summary>
    public (int Slab, int Slot) Hand { get; set; }

    /// <summary>Evictions since the class last got or lost a slab: how badly it wants memory. Belongs to the holder of the eviction lock.</summary>
    public long Pressure { get; set; }

    public long UsedFrames { get; set; }

    public int FramesPerSlab => Slab.SizeBytes / FrameBytes;

    /// <summary>The sizes: steps of 256 bytes up to a small page, then of an eighth, always with every page size itself.</summary>
    public static SizeClass[] All()
    {
        var sizes = new List<int>();
        for (var bytes = 256; bytes <= 4096; bytes += 256) sizes.Add(bytes);
        foreach (var page in (ReadOnlySpan<int>)[4096, 8192, 16384, 32768])
            for (var eighth = 1; eighth <= 8; eighth++) sizes.Add(page + (page * eighth / 8));
        return [.. sizes.Select((bytes, number) => new SizeClass(number, bytes))];
    }

    public void Link(Slab slab)
    {
        if (slab.FreePosition >= 0) return;
        slab.FreePosition = WithFree.Count;
        WithFree.Add(slab);
    }

    public void Unlink(Slab slab)
    {
        if (slab.FreePosition < 0) return;
        var last = WithFree[^1];
        WithFree[slab.FreePosition] = last;
        last.FreePosition = slab.FreePosition;
        WithFree.RemoveAt(WithFree.Count - 1);
        slab.FreePosition = -1;
    }

    public void Add(Slab slab)
    {
        slab.Position = Slabs.Count;
        Slabs.Add(slab);
    }

    public void Remove(Slab slab)
    {
        var last = Slabs[^1];
        Slabs[slab.Position] = last;
        last.Position = slab.Position;
        Slabs.RemoveAt(Slabs.Count - 1);
        slab.Position = -1;
    }
}
