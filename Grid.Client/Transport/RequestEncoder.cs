using System.Runtime.InteropServices;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>Writes requests as frames.</summary>
internal static class RequestEncoder
{
    /// <summary>Bytes of the request's body.</summary>
    public static int BodyBytes(Operation operation) => operation.IsRelayed ? operation.Page.Length : operation.Opcode switch
    {
        Opcode.Put => ObjectRequestHead.FixedBytes + operation.Page.Length,
        Opcode.Get or Opcode.FlushPage or Opcode.FlushObject or Opcode.ListPages => ObjectRequestHead.FixedBytes,
        Opcode.WriteBatch => ObjectRequestHead.SizeBytes(operation.Flags) + (operation.Batch!.Count * BatchEntry.SizeBytes) + operation.Batch.PageBytes,
        Opcode.GetBatch => ObjectRequestHead.SizeBytes(operation.Flags) + (operation.Indexes.Length * sizeof(uint)),
        _ => operation.Page.Length,
    };

    /// <summary>Writes header and body.</summary>
    /// <param name="operation">The request.</param>
    /// <param name="correlation">The id its answer will carry.</param>
    /// <param name="frame">Exactly the frame's bytes.</param>
    public static void Write(Operation operation, ulong correlation, Span<byte> frame)
    {
        FrameHeader.Request(operation.Opcode, correlation, frame.Length - ProtocolLimits.HeaderBytes, operation.Flags).Write(frame);
        var body = frame[ProtocolLimits.HeaderBytes..];
        if (operation.IsRelayed)
        {
            operation.Page.Span.CopyTo(body);
            return;
        }

        switch (operation.Opcode)
        {
            case Opcode.Put:
                WriteHead(operation, operation.Page.Length, body);
                operation.Page.Span.CopyTo(body[ObjectRequestHead.FixedBytes..]);
                break;
            case Opcode.Get or Opcode.FlushPage or Opcode.FlushObject:
                WriteHead(operation, 0, body);
                break;
            case Opcode.ListPages:
                WriteHead(operation, operation.Most, body);
                break;
            case Opcode.WriteBatch:
                WriteBatch(operation, body);
                break;
            case Opcode.GetBatch:
                WriteIndexes(operation.Indexes.Span, body[WriteHead(operation, operation.Indexes.Length, body)..]);
                break;
            default:
                operation.Page.Span.CopyTo(body);
                break;
        }
    }

    private static int WriteHead(Operation operation, int count, Span<byte> body) =>
        new ObjectRequestHead(operation.Key.Pool, operation.Key.Object, operation.Index, count, operation.Condition).Write(body, operation.Flags);

    private static void WriteBatch(Operation operation, Span<byte> body)
    {
        var batch = operation.Batch!;
        var rest = body[WriteHead(operation, batch.Count, body)..];
        foreach (var entry in batch.Entries)
        {
            entry.Write(rest);
            rest = rest[BatchEntry.SizeBytes..];
        }

        foreach (var page in batch.Pages)
        {
            page.Span.CopyTo(rest);
            rest = rest[page.Length..];
        }
    }

    private static void WriteIndexes(ReadOnlySpan<uint> indexes, Span<byte> body)
    {
        if (BitConverter.IsLittleEndian)
        {
            MemoryMarshal.AsBytes(indexes).CopyTo(body);
            return;
        }

        for (var i = 0; i < indexes.Length; i++)
            System.Buffers.Binary.BinaryPrimitives.WriteUInt32LittleEndian(body[(i * sizeof(uint))..], indexes[i]);
    }
}
