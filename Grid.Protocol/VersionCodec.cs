using System.Buffers;
using System.Buffers.Binary;

namespace Grid.Protocol;

/// <summary>Reads and writes <see cref="ObjectVersion"/>s: u64 incarnation, u64 counter. Every non-error answer about an object begins with one.</summary>
public static class VersionCodec
{
    /// <summary>Writes 16 bytes.</summary>
    /// <param name="destination">Where to.</param>
    /// <param name="version">The version.</param>
    public static void Write(Span<byte> destination, ObjectVersion version)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, version.Incarnation);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], version.Counter);
    }

    /// <summary>Reads 16 bytes.</summary>
    /// <param name="source">Where from.</param>
    public static ObjectVersion Read(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(source), BinaryPrimitives.ReadUInt64LittleEndian(source[8..]));

    /// <summary>Takes a version off the head of a body; false where the body is too short.</summary>
    /// <param name="body">The body; on success advanced past the version.</param>
    /// <param name="version">The version.</param>
    public static bool TryRead(ref ReadOnlySequence<byte> body, out ObjectVersion version)
    {
        version = default;
        if (body.Length < ObjectVersion.SizeBytes) return false;
        scoped var span = body.FirstSpan;
        Span<byte> copy = stackalloc byte[ObjectVersion.SizeBytes];
        if (span.Length < ObjectVersion.SizeBytes)
        {
            body.Slice(0, ObjectVersion.SizeBytes).CopyTo(copy);
            span = copy;
        }

        version = Read(span);
        body = body.Slice(ObjectVersion.SizeBytes);
        return true;
    }
}
