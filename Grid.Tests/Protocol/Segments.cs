using System.Buffers;

namespace Grid.Tests.Protocol;

/// <summary>Byte sequences cut into segments, as a pipe may hand them over.</summary>
internal static class Segments
{
    /// <summary>The bytes cut at the given places; equal places make empty segments.</summary>
    public static ReadOnlySequence<byte> Cut(byte[] bytes, params ReadOnlySpan<int> places)
    {
        var first = new Segment(bytes.AsMemory(0, places.Length == 0 ? bytes.Length : places[0]), null);
        var last = first;
        for (var i = 0; i < places.Length; i++)
        {
            var end = i + 1 < places.Length ? places[i + 1] : bytes.Length;
            last = new Segment(bytes.AsMemory(places[i]..end), last);
        }

        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    /// <summary>The bytes in segments of <paramref name="size"/> bytes.</summary>
    public static ReadOnlySequence<byte> OfSize(byte[] bytes, int size)
    {
        var places = new List<int>();
        for (var at = size; at < bytes.Length; at += size) places.Add(at);
        return Cut(bytes, [.. places]);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, Segment? previous)
        {
            Memory = memory;
            if (previous is null) return;
            RunningIndex = previous.RunningIndex + previous.Memory.Length;
            previous.Next = this;
        }
    }
}
