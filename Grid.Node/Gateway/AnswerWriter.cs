using System.Buffers;
using Grid.Node.Memory;
using Grid.Node.Objects;
using Grid.Protocol;

namespace Grid.Node.Gateway;

/// <summary>Writes an answered request as a frame. Pages are copied once, from their frame straight into the connection's output.</summary>
internal static class AnswerWriter
{
    private static readonly byte[] EchoPage = MakeEchoPage();

    /// <summary>Writes the answer.</summary>
    public static void Write(IBufferWriter<byte> output, ObjectRequest request, PageStore store)
    {
        if (request.Status.IsError())
        {
            ErrorFrames.Write(output, request.Opcode, request.Correlation, request.Status, request.Text ?? "");
            return;
        }

        if (request.IsForwarded)
        {
            WriteControl(output, request);
            return;
        }

        switch (request.Opcode)
        {
            case Opcode.Get when request.Status == Status.Ok:
                WriteHead(output, request, request.Pool.Options.PageSizeBytes);
                WritePage(output, request, 0, request.Page, store);
                break;
            case Opcode.GetBatch when request.Status == Status.Ok:
                WriteGetBatch(output, request, store);
                break;
            case Opcode.WriteBatch:
                WriteHead(output, request, BatchAnswer.BitsBytes);
                output.Write((ReadOnlySpan<byte>)request.Bits);
                break;
            case Opcode.GetBatch:
                WriteHead(output, request, BatchAnswer.BitsBytes);
                output.Write((ReadOnlySpan<byte>)request.Bits);
                break;
            case Opcode.Echo:
                WriteHead(output, request, EchoPage.Length);
                output.Write(EchoPage);
                break;
            case Opcode.ListPages:
                WriteHead(output, request, request.Body!.Length);
                output.Write(request.Body);
                break;
            case >= Opcode.Put and <= Opcode.GetBatch:
                WriteHead(output, request, 0);
                break;
            default:
                WriteControl(output, request);
                break;
        }
    }

    private static void WriteHead(IBufferWriter<byte> output, ObjectRequest request, int moreBytes)
    {
        const int HeadBytes = ProtocolLimits.HeaderBytes + ObjectVersion.SizeBytes;
        var span = output.GetSpan(HeadBytes);
        FrameHeader.Answer(request.Opcode, request.Correlation, request.Status, ObjectVersion.SizeBytes + moreBytes, (byte)request.AnswerDetail).Write(span);
        VersionCodec.Write(span[ProtocolLimits.HeaderBytes..], request.Version);
        output.Advance(HeadBytes);
    }

    private static void WriteGetBatch(IBufferWriter<byte> output, ObjectRequest request, PageStore store)
    {
        var hits = 0;
        for (var i = 0; i < request.Count; i++)
            if (request.Bits.Get(i)) hits++;
        WriteHead(output, request, BatchAnswer.BitsBytes + (hits * request.Pool.Options.PageSizeBytes));
        output.Write((ReadOnlySpan<byte>)request.Bits);
        for (var i = 0; i < request.Count; i++)
            if (request.Bits.Get(i)) WritePage(output, request, i, request.Pages[i], store);
    }

    /// <summary>Writes the page of an entry that was hit: from memory, or as it came from the journal.</summary>
    public static void WritePage(IBufferWriter<byte> output, ObjectRequest request, int entry, PageRef page, PageStore store)
    {
        if (request.Loaded is { } loaded && loaded[entry].SequenceNr != 0)
            PageCodecs.Decode(loaded[entry].Codec, loaded[entry].Stored.Span, request.Pool.Options.PageSizeBytes, output);
        else store.CopyTo(page, output);
    }

    private static void WriteControl(IBufferWriter<byte> output, ObjectRequest request)
    {
        var body = request.Body.AsSpan();
        var span = output.GetSpan(ProtocolLimits.HeaderBytes);
        FrameHeader.Answer(request.Opcode, request.Correlation, request.Status, body.Length, (byte)request.AnswerDetail).Write(span);
        output.Advance(ProtocolLimits.HeaderBytes);
        output.Write(body);
    }

    private static byte[] MakeEchoPage()
    {
        var page = new byte[PoolOptions.MinPageSizeBytes];
        new Random(1).NextBytes(page);
        return page;
    }
}
