using System.Buffers;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Protocol;

/// <summary>What happens per frame leaves nothing to the garbage collector.</summary>
public sealed class AllocationTests
{
    private const int Rounds = 10_000;
    private const int Windows = 5;
    private static readonly ObjectRequestHead Head = new(new PoolId(1), new ObjectId(2, 3, 4), 5, 6, new ObjectVersion(7, 8), Guid.NewGuid(), 9);

    [Theory]
    [InlineData(4096)]
    [InlineData(7)]
    [InlineData(1)]
    public void Reading_frames_and_heads_allocates_nothing(int segmentBytes)
    {
        var frame = new byte[ProtocolLimits.HeaderBytes + ObjectRequestHead.MaxBytes];
        FrameHeader.Request(Opcode.Put, 1, ObjectRequestHead.MaxBytes, RequestFlags.All).Write(frame);
        Head.Write(frame.AsSpan(ProtocolLimits.HeaderBytes), RequestFlags.All);
        var received = Segments.OfSize(frame, segmentBytes);
        AssertNothing(() =>
        {
            var buffer = received;
            FrameReader.TryRead(ref buffer, ProtocolLimits.MaxBodyBytes, out _, out var body);
            if (!ObjectRequestHead.TryRead(ref body, RequestFlags.All, out var head) || head != Head) throw new InvalidOperationException("not read back");
        });
    }

    [Fact]
    public void Asking_for_more_and_refusing_a_length_allocate_nothing()
    {
        var part = Segments.OfSize([100, 0, 0, 0, 1, 2], 1);
        var bad = Segments.OfSize([255, 255, 255, 255, 1, 2], 1);
        AssertNothing(() =>
        {
            var (a, b) = (part, bad);
            FrameReader.TryRead(ref a, 200, out _, out _);
            FrameReader.TryRead(ref b, 200, out _, out _);
        });
    }

    [Fact]
    public void Writing_frames_and_heads_allocates_nothing()
    {
        var buffer = new byte[256];
        AssertNothing(() =>
        {
            FrameHeader.Request(Opcode.Put, 1, ObjectRequestHead.MaxBytes, RequestFlags.All).Write(buffer);
            Head.Write(buffer.AsSpan(ProtocolLimits.HeaderBytes), RequestFlags.All);
            new BatchEntry(1, true).Write(buffer);
            VersionCodec.Write(buffer, Head.Condition);
        });
    }

    [Theory]
    [InlineData(4096)]
    [InlineData(5)]
    public void Reading_heads_of_answers_allocates_nothing(int segmentBytes)
    {
        var bytes = new byte[BatchAnswer.HeadBytes];
        var bits = new byte[BatchAnswer.BitsBytes];
        BatchAnswer.WriteHead(bytes, Head.Condition, bits);
        var received = Segments.OfSize(bytes, segmentBytes);
        AssertNothing(() =>
        {
            var (a, b) = (received, received);
            VersionCodec.TryRead(ref a, out _);
            BatchAnswer.TryReadHead(ref b, bits, out _);
        });
    }

    [Fact]
    public void Writing_an_error_allocates_nothing()
    {
        var output = new ArrayBufferWriter<byte>(4096);
        AssertNothing(() =>
        {
            output.ResetWrittenCount();
            ErrorFrames.Write(output, Opcode.Get, 1, Status.Moved, "10.0.0.7:7070");
        });
    }

    [Fact]
    public void Finding_a_shard_and_parsing_an_object_id_allocate_nothing()
    {
        var text = Head.Object.ToString();
        var keyText = Head.Key.ToString();
        AssertNothing(() =>
        {
            _ = ShardHash.ShardOf(Head.Key, 128);
            _ = ObjectId.TryParse(text, out _);
            _ = ObjectKey.TryParse(keyText, out _);
        });
    }

    private static void AssertNothing(Action action)
    {
        // The runtime allocates now and then for its own sake (it compiles, and meets types for the first time), but not in every window; what happens per frame does.
        var least = long.MaxValue;
        for (var window = 0; window < Windows && least > 0; window++)
        {
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < Rounds; i++) action();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }

        Assert.Equal(0, least);
    }
}
