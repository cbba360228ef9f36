using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace Grid.Client;

/// <summary>What a key names: kinds of values that share a pool and never meet.</summary>
internal enum CacheDomain : byte
{
    /// <summary>Values of a distributed cache.</summary>
    Value,

    /// <summary>Cached responses.</summary>
    Output,

    /// <summary>The state of a tag of cached responses.</summary>
    Tag,
}

/// <summary>
/// SHA-256 of a key: what stands for it in the grid. Two keys with one hash are not to be expected, however they are chosen, so that the key itself need not be stored, whatever its length.
/// </summary>
internal readonly record struct KeyHash(ulong Word0, ulong Word1, ulong Word2, ulong Word3)
{
    /// <summary>Bytes it takes.</summary>
    public const int SizeBytes = 32;

    private const int ShortBytes = 512;

    /// <summary>Hashes a key by its UTF-16 code units: keys that differ in anything have different hashes.</summary>
    public static KeyHash Of(CacheDomain domain, string instance, string key)
    {
        var bytes = 1 + (sizeof(char) * (instance.Length + key.Length));
        byte[]? rented = null;
        var text = bytes <= ShortBytes ? stackalloc byte[ShortBytes] : rented = ArrayPool<byte>.Shared.Rent(bytes);
        text[0] = (byte)domain;
        MemoryMarshal.AsBytes(instance.AsSpan()).CopyTo(text[1..]);
        MemoryMarshal.AsBytes(key.AsSpan()).CopyTo(text[(1 + (sizeof(char) * instance.Length))..]);
        Span<byte> hash = stackalloc byte[SizeBytes];
        SHA256.HashData(text[..bytes], hash);
        if (rented is not null) ArrayPool<byte>.Shared.Return(rented);
        return Read(hash);
    }

    public static KeyHash Read(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(source),
        BinaryPrimitives.ReadUInt64LittleEndian(source[8..]),
        BinaryPrimitives.ReadUInt64LittleEndian(source[16..]),
        BinaryPrimitives.ReadUInt64LittleEndian(source[24..]));

    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, Word0);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], Word1);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[16..], Word2);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[24..], Word3);
    }
}
