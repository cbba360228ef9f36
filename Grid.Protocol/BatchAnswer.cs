using System.Buffers;

namespace Grid.Protocol;

/// <summary>
/// The body of a batch's answer (status <see cref="Status.Ok"/>): the object's version (16 bytes), then a bit per entry in order (32 bytes, least
/// significant bit of the first byte first): get: hit; put: a page was there before; flush: a page was there.
/// In a get batch the pages of the hits follow in order.
/// </summary>
public static class BatchAnswer
{
    /// <summary>Bytes of the bit field: 32.</summary>
    public const int BitsBytes = ProtocolLimits.MaxBatchPages / 8;

    /// <summary>Bytes before the pages: 48.</summary>
    public const int HeadBytes = ObjectVersion.SizeBytes + BitsBytes;

    /// <summary>Writes version and bits, 48 bytes; the pages of a get batch's hits go behind them.</summary>
    /// <param name="destination">At least <see cref="HeadBytes"/> bytes.</param>
    /// <param name="version">The object's version.</param>
    /// <param name="bits">The bit field, <see cref="BitsBytes"/> bytes.</param>
    public static void WriteHead(Span<byte> destination, ObjectVersion version, ReadOnlySpan<byte> bits)
    {
        VersionCodec.Write(destination, version);
        bits[..BitsBytes].CopyTo(destination[ObjectVersion.SizeBytes..]);
    }

    /// <summary>Takes version and bits off the head of a body; false where the body is too short.</summary>
    /// <param name="body">The body; on success advanced to the pages.</param>
    /// <param name="bits">Filled with the bit field; at least <see cref="BitsBytes"/> bytes.</param>
    /// <param name="version">The object's version.</param>
    public static bool TryReadHead(ref ReadOnlySequence<byte> body, Span<byte> bits, out ObjectVersion version)
    {
        version = default;
        if (body.Length < HeadBytes || !VersionCodec.TryRead(ref body, out version)) return false;
        body.Slice(0, BitsBytes).CopyTo(bits);
        body = body.Slice(BitsBytes);
        return true;
    }
}
