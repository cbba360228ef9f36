using System.Runtime.InteropServices;

namespace Grid.Node.Memory;

/// <summary>
/// The native memory of a store: slabs, their metadata, and the count of both against the limit. A slab is cut for a size class, given back
/// when all its frames are free, and cut anew for whichever class needs it.
/// </summary>
internal sealed unsafe class SlabPool(long limitBytes) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Stack<Slab> _free = new();
    private readonly List<nint> _metadata = [];
    private Slab[] _slabs = new Slab[16];
    private int _count;
    private long _slabBytes;
    private long _metadataBytes;
    private long _reservedBytes;

    public long LimitBytes => limitBytes;

    public long SlabBytes => Volatile.Read(ref _slabBytes);

    public long MetadataBytes => Volatile.Read(ref _metadataBytes);

    public long ReservedBytes => Volatile.Read(ref _reservedBytes);

    public long TotalBytes => SlabBytes + MetadataBytes + ReservedBytes;

    /// <summary>Every slab by number; entries never change once set.</summary>
    public Slab[] Slabs => Volatile.Read(ref _slabs);

    public void Reserve(long bytes) => Interlocked.Add(ref _reservedBytes, bytes);

    /// <summary>Takes a slab and cuts it; null where the limit leaves no room.</summary>
    public Slab? TryTake(SizeClass sizeClass)
    {
        lock (_lock)
        {
            var metaBytes = (long)sizeClass.FramesPerSlab * sizeof(FrameMeta);
            if (!_free.TryPop(out var slab))
            {
                if (TotalBytes + Slab.SizeBytes + metaBytes > limitBytes) return null;
                slab = NewSlab();
            }

            Cut(slab, sizeClass);
            return slab;
        }
    }

    /// <summary>Takes a slab back whose frames are all free; gives its memory back where more is used than the limit allows.</summary>
    public void Return(Slab slab)
    {
        lock (_lock)
        {
            _free.Push(slab);
            TrimLocked();
        }
    }

    /// <summary>Gives the memory of free slabs back while more is used than the limit allows; false where it still is.</summary>
    public bool Trim()
    {
        lock (_lock) return TrimLocked();
    }

    public void Dispose()
    {
        lock (_lock)
        {
            for (var i = 0; i < _count; i++)
                if (_slabs[i].Data != null) NativeMemory.AlignedFree(_slabs[i].Data);
            foreach (var meta in _metadata) NativeMemory.Free((void*)meta);
            _metadata.Clear();
            _count = 0;
            _free.Clear();
        }
    }

    private bool TrimLocked()
    {
        while (TotalBytes > limitBytes && _free.TryPop(out var slab))
        {
            NativeMemory.AlignedFree(slab.Data);
            slab.Data = null;
            _retired.Push(slab);
            _slabBytes -= Slab.SizeBytes;
        }

        return TotalBytes <= limitBytes;
    }

    private readonly Stack<Slab> _retired = new();

    private Slab NewSlab()
    {
        if (!_retired.TryPop(out var slab))
        {
            slab = new Slab(_count);
            if (_count == _slabs.Length)
            {
                var larger = new Slab[_count * 2];
                _slabs.CopyTo(larger, 0);
                Volatile.Write(ref _slabs, larger);
            }

            _slabs[_count++] = slab;
        }

        slab.Data = (byte*)NativeMemory.AlignedAlloc(Slab.SizeBytes, 4096);
        _slabBytes += Slab.SizeBytes;
        return slab;
    }

    private void Cut(Slab slab, SizeClass sizeClass)
    {
        var frames = sizeClass.FramesPerSlab;
        var old = slab.Cut;
        FrameMeta* meta;
        if (old is not null && old.Frames >= frames)
        {
            meta = old.Meta;
        }
        else
        {
            meta = (FrameMeta*)NativeMemory.AllocZeroed((nuint)frames, (nuint)sizeof(FrameMeta));
            _metadata.Add((nint)meta);
            _metadataBytes += (long)frames * sizeof(FrameMeta);
        }

        if (old is not null)
            for (var i = 0; i < old.Frames; i++) slab.NextGeneration = Math.Max(slab.NextGeneration, FrameState.Generation(Volatile.Read(ref old[i].State)) + 1);
        for (var i = 0; i < frames; i++)
        {
            Volatile.Write(ref meta[i].State, FrameState.FreeOf(slab.NextGeneration));
            meta[i].Next = i + 1 < frames ? i + 1 : -1;
        }

        slab.FreeHead = 0;
        slab.UsedFrames = 0;
        slab.Cut = new SlabCut(slab.Data, meta, frames, sizeClass.FrameBytes, sizeClass.Number);
    }
}
