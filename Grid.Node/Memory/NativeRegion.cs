using System.Runtime.InteropServices;

namespace Grid.Node.Memory;

/// <summary>
/// Address space for all slabs a store may ever have and for the metadata of their frames, reserved at once and backed by memory only where
/// it is touched. Because metadata never moves nor unmaps, looking at a stale reference is always safe: where its
/// metadata was given back it reads zeros, which match no generation.
/// </summary>
internal sealed unsafe partial class NativeRegion : IDisposable
{
    public const int SlabShift = 21;

    /// <summary>Bytes of a slab: 2 MiB, a huge page.</summary>
    public const int SlabBytes = 1 << SlabShift;

    /// <summary>A frame's id is its slab's number and, in the low 13 bits, its number in the slab.</summary>
    public const int FrameBits = 13;

    public const uint FrameMask = (1 << FrameBits) - 1;

    /// <summary>The most slabs: what is left of the id's 32 bits, or 1 TiB.</summary>
    public const int MaxSlabs = 1 << (32 - FrameBits);

    public const int MetaBytesPerFrame = 16;
    public const int OsPageBytes = 4096;

    private const int MetaBytesPerSlab = MetaBytesPerFrame << FrameBits;

    // <sys/mman.h> of Linux.
    private const int AdviseDontNeed = 4;
    private const int AdviseHugePage = 14;
    private const int AdviseNoHugePage = 15;

    private byte* _data;
    private byte* _meta;

    public NativeRegion(int slabs)
    {
        var dataBytes = (nuint)slabs << SlabShift;
        var metaBytes = (nuint)slabs * MetaBytesPerSlab;
        _data = (byte*)NativeMemory.AlignedAlloc(dataBytes, SlabBytes);
        _meta = (byte*)NativeMemory.AlignedAlloc(metaBytes, OsPageBytes);
        if (!OperatingSystem.IsLinux()) return;
        // Advice: where the kernel has no huge pages to give it says so, and nothing changes but speed.
        _ = Advise(_data, dataBytes, AdviseHugePage);
        // Metadata is touched sparsely; huge pages would back the gaps, beyond what the budget counts.
        _ = Advise(_meta, metaBytes, AdviseNoHugePage);
    }

    public FrameMeta* Meta(uint frame) => (FrameMeta*)(_meta + ((nuint)frame * MetaBytesPerFrame));

    public byte* Slab(int slab) => _data + ((nuint)slab << SlabShift);

    /// <summary>Metadata bytes that so many frames of a slab take, in whole pages of the operating system.</summary>
    public static int MetaBytes(int frames) => ((frames * MetaBytesPerFrame) + OsPageBytes - 1) & -OsPageBytes;

    /// <summary>Gives the memory of a slab's pages back; false where the system cannot.</summary>
    public bool DiscardSlab(int slab) => Discard(Slab(slab), SlabBytes);

    /// <summary>Gives the memory of a slab's metadata back but for the first bytes; false where the system cannot.</summary>
    public bool DiscardMeta(int slab, int keepBytes) =>
        Discard((byte*)Meta((uint)slab << FrameBits) + keepBytes, MetaBytesPerSlab - keepBytes);

    public void Dispose()
    {
        NativeMemory.AlignedFree(_data);
        NativeMemory.AlignedFree(_meta);
        _data = _meta = null;
    }

    private static bool Discard(byte* start, int bytes) =>
        OperatingSystem.IsLinux() && Advise(start, (nuint)bytes, AdviseDontNeed) == 0;

    [LibraryImport("libc", EntryPoint = "madvise")]
    private static partial int Advise(void* start, nuint bytes, int advice);
}
