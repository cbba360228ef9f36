namespace Grid.Node.Memory;

/// <summary>Settings of a <see cref="PageStore"/>.</summary>
/// <param name="LimitBytes">The most bytes of slabs, their metadata and what is reserved for indexes and buffers.</param>
public sealed record PageStoreOptions(long LimitBytes)
{
    /// <summary>The least limit: 16 MiB.</summary>
    public const long MinLimitBytes = 16L << 20;

    /// <summary>The largest limit: 1 TiB.</summary>
    public const long MaxLimitBytes = (long)NativeRegion.MaxSlabs << NativeRegion.SlabShift;

    /// <summary>What is wrong with these settings, or null when nothing is.</summary>
    public string? Validate() => LimitBytes is < MinLimitBytes or > MaxLimitBytes
        ? $"a memory limit of {LimitBytes} bytes is not between {MinLimitBytes} and {MaxLimitBytes}"
        : null;
}
