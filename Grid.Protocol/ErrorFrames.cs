using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace Grid.Protocol;

/// <summary>Writes whole answers that carry a text: errors, and <see cref="Status.Moved"/> with its address.</summary>
public static class ErrorFrames
{
    /// <summary>Writes header and text; a text over <see cref="ProtocolLimits.MaxErrorTextBytes"/> is cut.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="opcode">The opcode of the request.</param>
    /// <param name="correlation">The correlation id of the request.</param>
    /// <param name="status">The error.</param>
    /// <param name="text">What was wrong and what to do.</param>
    public static void Write(IBufferWriter<byte> output, Opcode opcode, ulong correlation, Status status, string text)
    {
        Span<byte> utf8 = stackalloc byte[ProtocolLimits.MaxErrorTextBytes];
        // Stops before the first character that does not fit whole; unlike an Encoder, it is not an object per error.
        Utf8.FromUtf16(text, utf8, out _, out var bytes);
        var span = output.GetSpan(ProtocolLimits.HeaderBytes + bytes);
        FrameHeader.Answer(opcode, correlation, status, bytes).Write(span);
        utf8[..bytes].CopyTo(span[ProtocolLimits.HeaderBytes..]);
        output.Advance(ProtocolLimits.HeaderBytes + bytes);
    }

    /// <summary>Reads the text of an error's body.</summary>
    /// <param name="body">The body.</param>
    public static string ReadText(in ReadOnlySequence<byte> body) =>
        Encoding.UTF8.GetString(body.Slice(0, Math.Min(body.Length, ProtocolLimits.MaxErrorTextBytes)));
}
