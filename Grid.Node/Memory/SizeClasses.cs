namespace Grid.Node.Memory;

/// <summary>
/// The sizes of frames: eight steps an octave from 256 bytes to 64 KiB, so that a frame wastes at most a ninth of itself
/// and every page size has a class that fits exactly.
/// </summary>
internal static class SizeClasses
{
    /// <summary>Number of classes.</summary>
    public const int Count = 65;

    /// <summary>Bytes of the smallest frame.</summary>
    public const int MinFrameBytes = 256;

    /// <summary>Bytes of the largest frame.</summary>
    public const int MaxFrameBytes = 65536;

    /// <summary>Bytes of a frame of a class.</summary>
    /// <param name="sizeClass">The class, from 0.</param>
    public static int FrameBytes(int sizeClass) => (8 + (sizeClass & 7)) << ((sizeClass >> 3) + 5);

    /// <summary>The smallest class whose frames hold so many bytes.</summary>
    /// <param name="bytes">From 1 to <see cref="MaxFrameBytes"/>.</param>
    public static int For(int bytes)
    {
        if (bytes <= MinFrameBytes) return 0;
        var last = bytes - 1;
        var octave = int.Log2(last);
        return ((octave - 8) << 3) + (last >> (octave - 3)) - 7;
    }
}
