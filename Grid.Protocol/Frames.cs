using System.Buffers;
using System.Buffers.Binary;

namespace Grid.Protocol;

/// <summary>
/// The 16 bytes every frame begins with (docs/protocol.md, "Frames"): u32 length of what follows the length field,
/// u8 opcode, u8 flags (of a request) or detail (of an answer), u16 status (0 in a request), u64 correlation id.
/// </summary>
/// <param name="BodyBytes">Length of the body, which follows the header.</param>
/// <param name="RawOpcode">The opcode byte, answer bit included.</param>
/// <param name="Flags">A request's <see cref="RequestFlags"/>; an answer's detail (the <see cref="RefusalReason"/>).</param>
/// <param name="Status">An answer's status; 0 in a request.</param>
/// <param name="Correlation">Chosen by the client, repeated in the answer.</param>
public readonly record struct FrameHeader(int BodyBytes, byte RawOpcode, byte Flags, Status Status, ulong Correlation)
{
    /// <summary>The opcode without the answer bit.</summary>
    public Opcode Opcode => (Opcode)(RawOpcode & ~OpcodeExtensions.AnswerBit);

    /// <summary>Whether the frame is an answer.</summary>
    public bool IsAnswer => (RawOpcode & OpcodeExtensions.AnswerBit) != 0;

    /// <summary>Writes the header.</summary>
    /// <param name="destination">At least <see cref="ProtocolLimits.HeaderBytes"/> bytes.</param>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination, (uint)(BodyBytes + ProtocolLimits.HeaderBytes - sizeof(uint)));
        destination[4] = RawOpcode;
        destination[5] = Flags;
        BinaryPrimitives.WriteUInt16LittleEndian(destination[6..], (ushort)Status);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], Correlation);
    }

    /// <summary>Makes the header of a request.</summary>
    /// <param name="opcode">What is asked.</param>
    /// <param name="correlation">The correlation id.</param>
    /// <param name="bodyBytes">Length of the body.</param>
    /// <param name="flags">The flags.</param>
    public static FrameHeader Request(Opcode opcode, ulong correlation, int bodyBytes, RequestFlags flags = RequestFlags.None) =>
        new(bodyBytes, (byte)opcode, (byte)flags, 0, correlation);

    /// <summary>Makes the header of an answer.</summary>
    /// <param name="opcode">The opcode of the request.</param>
    /// <param name="correlation">The correlation id of the request.</param>
    /// <param name="status">The outcome.</param>
    /// <param name="bodyBytes">Length of the body.</param>
    /// <param name="detail">The refusal's reason, else 0.</param>
    public static FrameHeader Answer(Opcode opcode, ulong correlation, Status status, int bodyBytes, byte detail = 0) =>
        new(bodyBytes, (byte)((byte)opcode | OpcodeExtensions.AnswerBit), detail, status, correlation);
}

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
    /// <param name="header">The frame's header; on <see cref="FrameReadResult.BadLength"/> its length field is in <see cref="FrameHeader.BodyBytes"/>.</param>
    /// <param name="body">The frame's body, valid as long as the buffer is.</param>
    public static FrameReadResult TryRead(ref ReadOnlySequence<byte> buffer, int maxBodyBytes, out FrameHeader header, out ReadOnlySequence<byte> body)
    {
        header = default;
        body = default;
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
        header = new FrameHeader(unchecked((int)length), 0, 0, 0, 0);
        return LengthIsAllowed(length, maxBodyBytes, out _) ? FrameReadResult.NeedMore : FrameReadResult.BadLength;
    }

    private static bool LengthIsAllowed(uint length, int maxBodyBytes, out int bodyBytes)
    {
        const int Rest = ProtocolLimits.HeaderBytes - sizeof(uint);
        bodyBytes = unchecked((int)(length - Rest));
        return length >= Rest && length - Rest <= (uint)maxBodyBytes;
    }
}
