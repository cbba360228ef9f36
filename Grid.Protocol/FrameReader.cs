using System.Buffers;
using System.Buffers.Binary;

namespace Grid.Protocol;

/// <summary>What was found at the head of the received bytes.</summary>
public enum FrameReadResult
{
    /// <summary>Not a whole frame yet: read more.</summary>
    NeedMore,

    /// <summary>A whole frame.</summary>
    Frame,

    /// <summary>A length that no frame may have: close the connection.</summary>
    BadLength,
}

/// <summary>Cuts received bytes into frames. Allocates nothing.</summary>
public static class FrameReader
{
    /// <summary>Takes one frame off the head of the buffer.</summary>
    /// <param name="buffer">The received bytes; on a frame, advanced past it.</param>
    /// <param name="maxBodyBytes">The longest body allowed.</param>
    /// <param name="header">
    /// The frame's header; on <see cref="FrameReadResult.BadLength"/> its length field is in <see cref="FrameHeader.BodyBytes"/>; on
    /// <see cref="FrameReadResult.NeedMore"/> nothing to rely on.
    /// </param>
    /// <param name="body">The frame's body, valid as long as the buffer is.</param>
    public static FrameReadResult TryRead(ref ReadOnlySequence<byte> buffer, int maxBodyBytes, out FrameHeader header, out ReadOnlySequence<byte> body)
    {
        header = default;
        body = default;
        ArgumentOutOfRangeException.ThrowIfNegative(maxBodyBytes);
        if (buffer.Length < ProtocolLimits.HeaderBytes)
            return buffer.Length >= sizeof(uint) ? CheckLengthOnly(buffer, maxBodyBytes, out header) : FrameReadResult.NeedMore;

        scoped var first = buffer.FirstSpan;
        Span<byte> copy = stackalloc byte[ProtocolLimits.HeaderBytes];
        if (first.Length < ProtocolLimits.HeaderBytes)
        {
            buffer.Slice(0, ProtocolLimits.HeaderBytes).CopyTo(copy);
            first = copy;
        }

        var length = BinaryPrimitives.ReadUInt32LittleEndian(first);
        if (!LengthIsAllowed(length, maxBodyBytes, out var bodyBytes))
        {
            header = new FrameHeader(unchecked((int)length), 0, 0, 0, 0);
            return FrameReadResult.BadLength;
        }

        header = new FrameHeader(
            bodyBytes,
            first[4],
            first[5],
            (Status)BinaryPrimitives.ReadUInt16LittleEndian(first[6..]),
            BinaryPrimitives.ReadUInt64LittleEndian(first[8..]));
        if (buffer.Length < ProtocolLimits.HeaderBytes + (long)bodyBytes) return FrameReadResult.NeedMore;
        body = buffer.Slice(ProtocolLimits.HeaderBytes, bodyBytes);
        buffer = buffer.Slice(body.End);
        return FrameReadResult.Frame;
    }

    private static FrameReadResult CheckLengthOnly(in ReadOnlySequence<byte> buffer, int maxBodyBytes, out FrameHeader header)
    {
        Span<byte> copy = stackalloc byte[sizeof(uint)];
        buffer.Slice(0, sizeof(uint)).CopyTo(copy);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(copy);
        header = default;
        if (LengthIsAllowed(length, maxBodyBytes, out _)) return FrameReadResult.NeedMore;
        header = new FrameHeader(unchecked((int)length), 0, 0, 0, 0);
        return FrameReadResult.BadLength;
    }

    private static bool LengthIsAllowed(uint length, int maxBodyBytes, out int bodyBytes)
    {
        const int Rest = ProtocolLimits.HeaderBytes - sizeof(uint);
        bodyBytes = unchecked((int)(length - Rest));
        return length >= Rest && length - Rest <= (uint)maxBodyBytes;
    }
}
