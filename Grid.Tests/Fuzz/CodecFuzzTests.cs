using System.Buffers;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Fuzz;

/// <summary>The codec's readers on bytes that are nearly right: a value or a <see cref="ProtocolException"/>, never anything else.</summary>
public sealed class CodecFuzzTests(ITestOutputHelper output)
{
    private const int Frames = 1_000_000;

    private static readonly Reading[] Readings =
    [
        static (ref reader) => HelloRequest.Read(ref reader),
        static (ref reader) => HelloAnswer.Read(ref reader),
        static (ref reader) => Topology.Read(ref reader),
        static (ref reader) => PoolCodec.ReadOptions(ref reader),
        static (ref reader) => PoolCodec.ReadInfo(ref reader),
        static (ref reader) => PoolCodec.ReadStat(ref reader),
        static (ref reader) => reader.String(),
    ];

    private delegate void Reading(ref BodyReader reader);

    [Fact]
    public void Readers_throw_nothing_but_protocol_exceptions_on_mutated_frames()
    {
        var seed = Seeds.Next(output);
        var mutator = new FrameMutator(seed, new PoolId(1), new PoolId(2));
        var random = new Random(seed);
        var (frames, refused) = (0, 0);
        for (var i = 0; i < Frames; i++)
        {
            var bytes = (i % 4) switch { 0 => mutator.NextBroken(), 1 => mutator.NextWild(), _ => mutator.NextFramed() };
            var received = Segmented(bytes, random);
            while (FrameReader.TryRead(ref received, ProtocolLimits.MaxBodyBytes, out var header, out var body) == FrameReadResult.Frame)
            {
                frames++;
                Assert.Equal(header.BodyBytes, body.Length);
                refused += ReadAll(header, body);
            }
        }

        output.WriteLine($"{frames} frames read, {refused} readings refused");
        Assert.True(frames > Frames / 2);
        Assert.True(refused > Frames / 2);
    }

    /// <summary>Reads the body; how many readers refused it.</summary>
    private static int ReadAll(FrameHeader header, ReadOnlySequence<byte> body)
    {
        var rest = body;
        var refused = ObjectRequestHead.TryRead(ref rest, (RequestFlags)header.Flags, out _) ? 0 : 1;
        if (rest.FirstSpan.Length >= BatchEntry.SizeBytes) BatchEntry.TryRead(rest.FirstSpan, out _);
        ErrorFrames.ReadText(body);
        // An exception costs tens of microseconds, so each body is read as one of the things it could be.
        return refused + Refuses(body, Readings[(int)(header.Correlation % (ulong)Readings.Length)]);
    }


    private static int Refuses(ReadOnlySequence<byte> body, Reading reading)
    {
        try
        {
            var reader = new BodyReader(body);
            reading(ref reader);
            return 0;
        }
        catch (ProtocolException)
        {
            return 1;
        }
    }

    /// <summary>The bytes in one to three segments, as a pipe would hand them over.</summary>
    private static ReadOnlySequence<byte> Segmented(byte[] bytes, Random random)
    {
        if (random.Next(2) == 0) return new ReadOnlySequence<byte>(bytes);
        var (a, b) = (random.Next(bytes.Length + 1), random.Next(bytes.Length + 1));
        var first = new Segment(bytes.AsMemory(0, Math.Min(a, b)));
        var last = first.Append(bytes.AsMemory(Math.Min(a, b), Math.Abs(a - b))).Append(bytes.AsMemory(Math.Max(a, b)));
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory) => Memory = memory;

        public Segment Append(ReadOnlyMemory<byte> memory)
        {
            var next = new Segment(memory) { RunningIndex = RunningIndex + Memory.Length };
            Next = next;
            return next;
        }
    }
}
