namespace Grid.Node.Memory;

/// <summary>A <see cref="PageStore"/> at one moment. Its parts are read one after the other, not at one instant.</summary>
public sealed record PageStoreStats
{
    /// <summary>The limit.</summary>
    public required long LimitBytes { get; init; }

    /// <summary>Bytes of the slabs that hold memory, the empty ones kept for reuse included.</summary>
    public required long SlabBytes { get; init; }

    /// <summary>Bytes of metadata.</summary>
    public required long MetadataBytes { get; init; }

    /// <summary>Bytes reserved from outside for indexes and buffers.</summary>
    public required long ReservedBytes { get; init; }

    /// <summary>Everything that counts against the limit.</summary>
    public long UsedBytes => SlabBytes + MetadataBytes + ReservedBytes;

    /// <summary>Pages, the same-filled ones included.</summary>
    public required long Pages { get; init; }

    /// <summary>Pages without a frame.</summary>
    public required long SameFilledPages { get; init; }

    /// <summary>Frames that the slabs are cut into.</summary>
    public required long Frames { get; init; }

    /// <summary>Frames that hold a page.</summary>
    public required long FramesUsed { get; init; }

    /// <summary>Bytes of those frames.</summary>
    public required long StoredBytes { get; init; }

    /// <summary>Bytes of the frames that may be evicted.</summary>
    public required long EvictableBytes { get; init; }

    /// <summary>Pages dropped for want of memory since the start.</summary>
    public required long Evictions { get; init; }

    /// <summary>The size classes that have slabs, from small to large.</summary>
    public required IReadOnlyList<SizeClassStats> Classes { get; init; }
}

/// <summary>One size class at one moment.</summary>
/// <param name="FrameBytes">Bytes of a frame.</param>
/// <param name="Evictable">Whether it serves the pools whose pages live mostly evictable.</param>
/// <param name="Slabs">Slabs cut for it.</param>
/// <param name="Frames">Frames of those slabs.</param>
/// <param name="FramesUsed">Frames that hold a page.</param>
public readonly record struct SizeClassStats(int FrameBytes, bool Evictable, int Slabs, long Frames, long FramesUsed);
