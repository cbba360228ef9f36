using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Grid.Node.Memory;

/// <summary>What is kept of one frame, outside the GC heap: 24 bytes.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct FrameMeta
{
    /// <summary>See <see cref="FrameState"/>; changed by compare-and-swap only.</summary>
    public ulong State;

    /// <summary>The account of the page.</summary>
    public int Account;

    /// <summary>Bytes stored.</summary>
    public int Length;

    /// <summary>The next free frame of the slab, or −1.</summary>
    public int Next;

    /// <summary>How the bytes are encoded.</summary>
    public PageCodec Codec;
}

/// <summary>The word that decides over a frame: 32 bits of generation, 16 of pins, flags.</summary>
internal static class FrameState
{
    public const ulong Used = 1;
    public const ulong Evictable = 2;
    public const ulong Referenced = 4;
    public const ulong Dying = 8;
    public const ulong OnePin = 1 << 16;
    private const ulong PinMask = 0xFFFFul << 16;

    public static uint Generation(ulong state) => (uint)(state >> 32);

    public static bool IsPinned(ulong state) => (state & PinMask) != 0;

    public static ulong FreeOf(uint generation) => (ulong)generation << 32;

    /// <summary>Alive under this generation: used, and nobody has given it up.</summary>
    public static bool IsAlive(ulong state, uint generation) => Generation(state) == generation && (state & (Used | Dying)) == Used;
}

/// <summary>
/// A slab as it is cut now: frames of one size. Never changed: cutting anew makes another, and the metadata of this one
/// stays readable until the store ends, for a stale reference may look at it at any time (and finds every frame free).
/// </summary>
internal sealed unsafe class SlabCut(byte* data, FrameMeta* meta, int frames, int frameBytes, int sizeClass)
{
    public int Frames { get; } = frames;

    public int FrameBytes { get; } = frameBytes;

    public int SizeClass { get; } = sizeClass;

    public FrameMeta* Meta => meta;

    public ref FrameMeta this[int slot] => ref Unsafe.AsRef<FrameMeta>(meta + slot);

    public byte* Frame(int slot) => data + ((long)slot * FrameBytes);
}

/// <summary>2 MiB of native memory. Its free list and counts belong to whoever holds the lock of its size class.</summary>
internal sealed unsafe class Slab(int number)
{
    /// <summary>Bytes of a slab.</summary>
    public const int SizeBytes = 2 << 20;

    private SlabCut? _cut;

    public int Number { get; } = number;

    public byte* Data { get; set; }

    public SlabCut? Cut
    {
        get => Volatile.Read(ref _cut);
        set => Volatile.Write(ref _cut, value);
    }

    /// <summary>The first free frame, or −1.</summary>
    public int FreeHead { get; set; } = -1;

    /// <summary>Frames in use.</summary>
    public int UsedFrames { get; set; }

    /// <summary>The generation a new cut starts with: above every generation its frames have had.</summary>
    public uint NextGeneration { get; set; } = 1;

    /// <summary>Place in its class's list of slabs.</summary>
    public int Position { get; set; } = -1;

    /// <summary>Place in its class's list of slabs with free frames, or −1.</summary>
    public int FreePosition { get; set; } = -1;
}
