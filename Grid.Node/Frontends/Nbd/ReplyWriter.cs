using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Grid.Node.Gateway;

namespace Grid.Node.Frontends.Nbd;

/// <summary>Writes replies: simple ones, or structured where that was agreed on. Each reply is whole: a request's reply is one chunk.</summary>
internal static class ReplyWriter
{
    private const int SimpleBytes = 16;
    private const int ChunkBytes = 20;
    private const int OffsetBytes = 8;
    private const ushort Done = 1;
    private const int ZeroesAtOnce = 64 << 10;
    private static readonly byte[] Zeroes = new byte[ZeroesAtOnce];

    /// <summary>Writes a reply.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="structured">Whether structured replies were agreed on.</param>
    /// <param name="reply">The reply.</param>
    /// <param name="near">Where the pages are that the reply holds of an object; null where it holds none.</param>
    public static void Write(IBufferWriter<byte> output, bool structured, NbdReply reply, NearPages? near = null)
    {
        var request = reply.Request;
        if (!structured) Simple(output, reply, near);
        else if (reply.Error != NbdError.None) Error(output, reply);
        else if (request.Command == NbdCommand.BlockStatus) BlockStatus(output, reply);
        else if (request.Command != NbdCommand.Read) Chunk(output, ChunkType.None, request.Cookie, 0);
        else if (reply.Data is null && reply.Near is null && (request.Flags & CommandFlags.Df) == 0) Hole(output, request);
        else Data(output, reply, near);
    }

    private static void Simple(IBufferWriter<byte> output, NbdReply reply, NearPages? near)
    {
        var span = output.GetSpan(SimpleBytes);
        BinaryPrimitives.WriteUInt32BigEndian(span, NbdMagic.SimpleReply);
        BinaryPrimitives.WriteUInt32BigEndian(span[4..], (uint)reply.Error);
        BinaryPrimitives.WriteUInt64BigEndian(span[8..], reply.Request.Cookie);
        output.Advance(SimpleBytes);
        if (reply.Error == NbdError.None && reply.Request.Command == NbdCommand.Read) Bytes(output, reply, near);
    }

    private static void Data(IBufferWriter<byte> output, NbdReply reply, NearPages? near)
    {
        Chunk(output, ChunkType.OffsetData, reply.Request.Cookie, OffsetBytes + reply.Request.LengthBytes);
        Offset(output, reply.Request);
        Bytes(output, reply, near);
    }

    private static void Hole(IBufferWriter<byte> output, in NbdRequest request)
    {
        Chunk(output, ChunkType.OffsetHole, request.Cookie, OffsetBytes + sizeof(uint));
        Offset(output, request);
        BinaryPrimitives.WriteUInt32BigEndian(output.GetSpan(sizeof(uint)), request.LengthBytes);
        output.Advance(sizeof(uint));
    }

    private static void Error(IBufferWriter<byte> output, NbdReply reply)
    {
        const int Before = 6;
        var text = Encoding.UTF8.GetBytes(reply.Text);
        var bytes = Math.Min(text.Length, NbdLimits.StringBytes);
        Chunk(output, ChunkType.Error, reply.Request.Cookie, (uint)(Before + bytes));
        var span = output.GetSpan(Before + bytes);
        BinaryPrimitives.WriteUInt32BigEndian(span, (uint)reply.Error);
        BinaryPrimitives.WriteUInt16BigEndian(span[4..], (ushort)bytes);
        text.AsSpan(0, bytes).CopyTo(span[Before..]);
        output.Advance(Before + bytes);
    }

    private static void BlockStatus(IBufferWriter<byte> output, NbdReply reply)
    {
        const int ExtentBytes = 8;
        Chunk(output, ChunkType.BlockStatus, reply.Request.Cookie, (uint)(sizeof(uint) + (reply.Extents.Count * ExtentBytes)));
        BinaryPrimitives.WriteUInt32BigEndian(output.GetSpan(sizeof(uint)), Negotiation.ContextId);
        output.Advance(sizeof(uint));
        foreach (var extent in reply.Extents)
        {
            var span = output.GetSpan(ExtentBytes);
            BinaryPrimitives.WriteUInt32BigEndian(span, extent.LengthBytes);
            BinaryPrimitives.WriteUInt32BigEndian(span[4..], (uint)extent.State);
            output.Advance(ExtentBytes);
        }
    }

    private static void Chunk(IBufferWriter<byte> output, ChunkType type, ulong cookie, uint length)
    {
        var span = output.GetSpan(ChunkBytes);
        BinaryPrimitives.WriteUInt32BigEndian(span, NbdMagic.StructuredReply);
        BinaryPrimitives.WriteUInt16BigEndian(span[4..], Done);
        BinaryPrimitives.WriteUInt16BigEndian(span[6..], (ushort)type);
        BinaryPrimitives.WriteUInt64BigEndian(span[8..], cookie);
        BinaryPrimitives.WriteUInt32BigEndian(span[16..], length);
        output.Advance(ChunkBytes);
    }

    private static void Offset(IBufferWriter<byte> output, in NbdRequest request)
    {
        BinaryPrimitives.WriteUInt64BigEndian(output.GetSpan(OffsetBytes), request.Offset);
        output.Advance(OffsetBytes);
    }

    private static void Bytes(IBufferWriter<byte> output, NbdReply reply, NearPages? near)
    {
        if (reply.Near is { } pages)
        {
            near!.Write(output, pages);
            return;
        }

        var length = (int)reply.Request.LengthBytes;
        if (reply.Data is { } data)
        {
            output.Write(data.AsSpan(0, length));
            return;
        }

        for (; length > 0; length -= ZeroesAtOnce) output.Write(Zeroes.AsSpan(0, Math.Min(length, ZeroesAtOnce)));
    }
}
