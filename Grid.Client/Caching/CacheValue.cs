using System.Buffers;

namespace Grid.Client;

/// <summary>A value that was read, in a buffer that goes back when it is disposed.</summary>
internal sealed class CacheValue(ulong id, int length, int bufferBytes) : IDisposable
{
    private readonly byte[] _buffer = ArrayPool<byte>.Shared.Rent(bufferBytes);

    /// <summary>The entry's id: what tells this value from every other that ever was under the key.</summary>
    public ulong Id => id;

    public ReadOnlyMemory<byte> Bytes => _buffer.AsMemory(0, length);

    /// <summary>Where its pages are read to: the last may be longer than what the value has of it.</summary>
    public Memory<byte> Buffer => _buffer.AsMemory(0, bufferBytes);

    public void Dispose() => ArrayPool<byte>.Shared.Return(_buffer);
}
