using System.Runtime.InteropServices;

namespace Grid.Node.Memory;

/// <summary>
/// What the store knows of a frame, in native memory: 16 bytes. The state changes by compare-and-swap alone; the rest is written by
/// whoever allocated the frame before it shows the reference to anybody, and stays as it is until the generation ends.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FrameMeta
{
    /// <summary>See <see cref="FrameState"/>.</summary>
    public ulong State;

    /// <summary>The account's slot; of a free frame the next free one in its slab.</summary>
    public uint Account;

    private uint _lengthAndCodec;

    /// <summary>Bytes stored.</summary>
    public readonly int Length => (int)(_lengthAndCodec >> 8);

    /// <summary>How they stand for the page.</summary>
    public readonly PageCodec Codec => (PageCodec)_lengthAndCodec;

    public void Fill(uint account, PageCodec codec, int length)
    {
        Account = account;
        _lengthAndCodec = ((uint)length << 8) | (byte)codec;
    }
}

/// <summary>
/// The word of a frame: generation (40 bits), four flags, pins (20 bits). The generation grows when the frame is released, so a reference
/// with an older one never matches again (a frame reused a million times a second takes twelve days to wrap).
/// </summary>
internal static class FrameState
{
    public const int GenerationShift = 24;
    public const ulong MaxGeneration = (1UL << 40) - 1;

    /// <summary>Threads that read the frame now.</summary>
    public const ulong PinMask = 0xFFFFF;

    /// <summary>It holds a page.</summary>
    public const ulong Used = 1 << 20;

    /// <summary>The evictor may drop the page.</summary>
    public const ulong Evictable = 1 << 21;

    /// <summary>Read since the hand of the clock last passed.</summary>
    public const ulong Referenced = 1 << 22;

    /// <summary>Its owner gave it up; the last unpin releases it. Never evictable at the same time.</summary>
    public const ulong Dying = 1 << 23;

    public static ulong Generation(ulong state) => state >> GenerationShift;

    public static ulong Free(ulong generation) => generation << GenerationShift;

    /// <summary>The state after this page: free, of the next generation.</summary>
    public static ulong Released(ulong state) => Free((Generation(state) + 1) & MaxGeneration);

    /// <summary>Whether a page of this generation is there and its owner has not given it up.</summary>
    public static bool Holds(ulong state, ulong generation) =>
        Generation(state) == generation && (state & (Used | Dying)) == Used;

    /// <summary>Whether the evictor may drop the page right now.</summary>
    public static bool MayEvict(ulong state) => (state & (Used | Evictable | Dying | PinMask)) == (Used | Evictable);
}
