using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Grid.AspNetCore;

/// <summary>
/// A response as it is stored: with each of its tags the tag's state when it was stored. Little-endian: u16 number of tags; per tag u16 bytes, UTF-8, 16 bytes of state; then the response.
/// </summary>
internal static class TaggedResponse
{
    public static ReadOnlySequence<byte> Join(IReadOnlyList<(string Tag, Guid State)> tags, ReadOnlySequence<byte> response)
    {
        var head = new ArrayBufferWriter<byte>();
        WriteNumber(head, tags.Count, "tags");
        foreach (var (tag, state) in tags)
        {
            var text = Encoding.UTF8.GetBytes(tag);
            WriteNumber(head, text.Length, "bytes in a tag");
            head.Write(text);
            state.TryWriteBytes(head.GetSpan(16));
            head.Advance(16);
        }

        var first = new Segment(head.WrittenMemory, 0);
        var last = first;
        foreach (var piece in response) last = last.Append(piece);
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    public static (IReadOnlyList<(string Tag, Guid State)> Tags, ReadOnlyMemory<byte> Response) Split(ReadOnlyMemory<byte> stored)
    {
        var tags = new (string, Guid)[BinaryPrimitives.ReadUInt16LittleEndian(stored.Span)];
        stored = stored[2..];
        for (var i = 0; i < tags.Length; i++)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(stored.Span);
            tags[i] = (Encoding.UTF8.GetString(stored.Span.Slice(2, length)), new Guid(stored.Span.Slice(2 + length, 16)));
            stored = stored[(2 + length + 16)..];
        }

        return (tags, stored);
    }

    private static void WriteNumber(ArrayBufferWriter<byte> writer, int number, string what)
    {
        if (number > ushort.MaxValue) throw new ArgumentException($"A response can have {ushort.MaxValue} {what}, not {number}.");
        BinaryPrimitives.WriteUInt16LittleEndian(writer.GetSpan(2), (ushort)number);
        writer.Advance(2);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, long at)
        {
            Memory = memory;
            RunningIndex = at;
        }

        public Segment Append(ReadOnlyMemory<byte> memory)
        {
            var next = new Segment(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
