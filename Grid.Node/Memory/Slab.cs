namespace Grid.Node.Memory;

/// <summary>
/// One slab. Its fields change under the lock of the class it is cut for, or, while it is cut for none, under the allocator's.
/// <see cref="FrameBytes"/> and <see cref="Class"/> may be read without by whoever holds one of its frames: it cannot be recut meanwhile.
/// </summary>
internal struct Slab
{
    public const int None = -1;

    /// <summary>The class it is cut for, or <see cref="None"/>.</summary>
    public int Class;

    public int FrameBytes;

    /// <summary>Frames without a page, those never handed out included.</summary>
    public int Free;

    /// <summary>The first frame of the list of released ones.</summary>
    public int FreeHead;

    /// <summary>Frames from here on were not handed out since the slab was cut; their metadata means nothing.</summary>
    public int Bump;

    /// <summary>Larger than or equal to every generation that a frame of this slab had a page in, plus one.</summary>
    public ulong GenerationBase;

    /// <summary>Metadata bytes counted for it.</summary>
    public int MetaBytes;

    /// <summary>The evictor is emptying it: nothing is allocated from it, and nobody else takes it from its class.</summary>
    public bool Draining;

    // The ring of the class's slabs in the order they were cut, and the list of those with free frames.
    public int Next;
    public int Previous;
    public int NextPartial;
    public int PreviousPartial;
}

/// <summary>A size class for one kind of pools. Fields change under <see cref="Gate"/>.</summary>
internal sealed class SizeClass(int index, bool evictable)
{
    public readonly Lock Gate = new();

    public int Index => index;

    public bool Evictable => evictable;

    public int FrameBytes { get; } = SizeClasses.FrameBytes(index % SizeClasses.Count);

    public int FramesPerSlab { get; } = NativeRegion.SlabBytes / SizeClasses.FrameBytes(index % SizeClasses.Count);

    /// <summary>A slab with a free frame, or none. Read without the lock as a hint.</summary>
    public int PartialHead = Slab.None;

    /// <summary>The oldest slab of the ring.</summary>
    public int RingHead = Slab.None;

    public int Slabs;
    public long FramesUsed;

    /// <summary>Where the clock's hand stands.</summary>
    public int HandSlab = Slab.None;

    public int HandFrame;

    /// <summary>Times it has come round.</summary>
    public uint Rounds;

    // The evictor's own, under its lock.

    /// <summary>Frames evicted here since the class last got a slab of another's.</summary>
    public long EvictedSinceSteal;

    /// <summary>The state of the store in which nothing could be evicted for this class.</summary>
    public long BarrenEpoch = -1;
}
