using System.Buffers;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>A slot as it was read, and the version it was read at. Entries' values lie in its buffer: it is kept until they are not needed any more.</summary>
internal sealed class SlotView(byte[] buffer, CacheSlot slot, ObjectVersion version, bool isFree) : IDisposable
{
    public CacheSlot Slot => slot;

    public ObjectVersion Version => version;

    /// <summary>Whether none of the pages that were asked about with it is there.</summary>
    public bool IsFree => isFree;

    public void Dispose() => ArrayPool<byte>.Shared.Return(buffer);
}
