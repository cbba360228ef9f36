using System.Buffers;
using Grid.Protocol;

namespace Grid.Tests.Client.Support;

/// <summary>A request as a <see cref="ScriptedNode"/> sees it.</summary>
internal sealed class NodeRequest
{
    public NodeRequest(NodeConnection connection, FrameHeader header, byte[] body)
    {
        Connection = connection;
        Header = header;
        var sequence = new ReadOnlySequence<byte>(body);
        if (header.Opcode.IsObjectOperation())
        {
            if (!ObjectRequestHead.TryRead(ref sequence, Flags, out var head)) throw new InvalidOperationException($"The client sent a {header.Opcode} that cannot be read.");
            Head = head;
        }

        Rest = body.AsMemory(body.Length - (int)sequence.Length);
    }

    public NodeConnection Connection { get; }

    public FrameHeader Header { get; }

    public Opcode Opcode => Header.Opcode;

    public RequestFlags Flags => (RequestFlags)Header.Flags;

    public ObjectRequestHead Head { get; }

    /// <summary>What follows the head; the whole body of a control request.</summary>
    public ReadOnlyMemory<byte> Rest { get; }

    /// <summary>Whether it is carried out and the answer lost.</summary>
    public bool IsUnanswered { get; set; }

    public ValueTask AnswerAsync(Status status, ReadOnlyMemory<byte> body, byte detail = 0) =>
        IsUnanswered ? default : Connection.SendAsync(FrameHeader.Answer(Opcode, Header.Correlation, status, body.Length, detail), body);

    /// <summary>An answer about an object: its version, then <paramref name="rest"/>.</summary>
    public ValueTask AnswerObjectAsync(Status status, ObjectVersion version, ReadOnlyMemory<byte> rest = default, byte detail = 0)
    {
        var body = new byte[ObjectVersion.SizeBytes + rest.Length];
        VersionCodec.Write(body, version);
        rest.CopyTo(body.AsMemory(ObjectVersion.SizeBytes));
        return AnswerAsync(status, body, detail);
    }

    public ValueTask FailAsync(Status status, string text)
    {
        var output = new ArrayBufferWriter<byte>();
        ErrorFrames.Write(output, Opcode, Header.Correlation, status, text);
        return Connection.SendRawAsync(output.WrittenMemory);
    }

    /// <summary>Answers as the dictionary does.</summary>
    public ValueTask ServeAsync() => Connection.Node.Grid.ServeAsync(this);
}
