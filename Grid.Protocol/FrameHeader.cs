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
