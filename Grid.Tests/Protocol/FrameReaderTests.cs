using System.Buffers;
using System.Buffers.Binary;
using CsCheck;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Protocol;

public sealed class FrameReaderTests
{
    private static readonly Gen<FrameHeader> GenHeader = Gen.Select(
        Gen.Int[0, 300], Gen.Byte, Gen.Byte, Gen.UShort, Gen.ULong,
        (body, opcode, flags, status, correlation) => new FrameHeader(body, opcode, flags, (Status)status, correlation));

    [Fact]
    public void A_written_header_is_read_back()
    {
        GenHeader.Sample(header =>
        {
            var buffer = new ReadOnlySequence<byte>(Frame(header));
            Assert.Equal(FrameReadResult.Frame, FrameReader.TryRead(ref buffer, ProtocolLimits.MaxBodyBytes, out var read, out var body));
            Assert.Equal(header, read);
            Assert.Equal(header.BodyBytes, body.Length);
            Assert.True(buffer.IsEmpty);
        });
    }

    [Fact]
    public void Any_cutting_of_a_stream_gives_the_same_frames()
    {
        Gen.Select(GenHeader.Array[1, 6], Gen.Int[0, 2000].Array[0, 20]).Sample((headers, cuts) =>
        {
            var stream = headers.SelectMany(Frame).ToArray();
            var places = cuts.Select(cut => Math.Min(cut, stream.Length)).Order().ToArray();
            var buffer = Segments.Cut(stream, places);
            foreach (var header in headers)
            {
                Assert.Equal(FrameReadResult.Frame, FrameReader.TryRead(ref buffer, ProtocolLimits.MaxBodyBytes, out var read, out var body));
                Assert.Equal(header, read);
                Assert.Equal(BodyOf(header), body.ToArray());
            }

            Assert.True(buffer.IsEmpty);
        });
    }

    [Fact]
    public void A_frame_cut_in_two_at_any_place_is_read_and_a_part_of_it_asks_for_more()
    {
        var header = FrameHeader.Request(Opcode.Put, 0x0102030405060708, 40, RequestFlags.Keep);
        var frame = Frame(header);
        for (var at = 0; at <= frame.Length; at++)
        {
            var whole = Segments.Cut(frame, at);
            Assert.Equal(FrameReadResult.Frame, FrameReader.TryRead(ref whole, 40, out var read, out var body));
            Assert.Equal(header, read);
            Assert.Equal(BodyOf(header), body.ToArray());
            if (at == frame.Length) continue;

            for (var size = 1; size <= at; size++)
            {
                var part = Segments.OfSize(frame[..at], size);
                var before = part.Length;
                Assert.Equal(FrameReadResult.NeedMore, FrameReader.TryRead(ref part, 40, out _, out _));
                Assert.Equal(before, part.Length);
            }
        }
    }

    [Fact]
    public void Frames_arrive_through_empty_and_one_byte_segments()
    {
        var header = FrameHeader.Answer(Opcode.Get, 7, Status.Ok, 33);
        var frame = Frame(header);
        var places = Enumerable.Range(0, frame.Length + 1).SelectMany(i => new[] { i, i, i }).ToArray();
        var buffer = Segments.Cut(frame, places);
        Assert.Equal(FrameReadResult.Frame, FrameReader.TryRead(ref buffer, 33, out var read, out var body));
        Assert.Equal(header, read);
        Assert.Equal(BodyOf(header), body.ToArray());
    }

    [Theory]
    [InlineData(0u)]
    [InlineData(11u)]
    [InlineData(12u + 101)]
    [InlineData(0x7FFFFFFFu)]
    [InlineData(0x80000000u)]
    [InlineData(0xFFFFFFFFu)]
    public void A_length_below_the_header_or_above_the_limit_is_refused_from_its_four_bytes_on(uint length)
    {
        var bytes = new byte[64];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, length);
        for (var received = 4; received <= bytes.Length; received++)
        {
            for (var size = 1; size <= 5; size++)
            {
                var buffer = Segments.OfSize(bytes[..received], size);
                Assert.Equal(FrameReadResult.BadLength, FrameReader.TryRead(ref buffer, 100, out var header, out var body));
                Assert.Equal(length, unchecked((uint)header.BodyBytes));
                Assert.True(body.IsEmpty);
            }
        }
    }

    [Fact]
    public void The_longest_body_is_read_and_one_byte_more_is_refused()
    {
        var frame = Frame(FrameHeader.Request(Opcode.WriteBatch, 1, ProtocolLimits.MaxBodyBytes));
        var buffer = new ReadOnlySequence<byte>(frame);
        Assert.Equal(FrameReadResult.Frame, FrameReader.TryRead(ref buffer, ProtocolLimits.MaxBodyBytes, out _, out var body));
        Assert.Equal(ProtocolLimits.MaxBodyBytes, body.Length);

        buffer = new ReadOnlySequence<byte>(frame);
        Assert.Equal(FrameReadResult.BadLength, FrameReader.TryRead(ref buffer, ProtocolLimits.MaxBodyBytes - 1, out _, out _));
    }

    [Fact]
    public void An_empty_body_is_a_frame()
    {
        var buffer = new ReadOnlySequence<byte>(Frame(FrameHeader.Request(Opcode.Ping, 1, 0)));
        Assert.Equal(FrameReadResult.Frame, FrameReader.TryRead(ref buffer, 0, out var header, out var body));
        Assert.Equal(Opcode.Ping, header.Opcode);
        Assert.True(body.IsEmpty);
    }

    [Fact]
    public void Answers_are_told_from_requests()
    {
        foreach (var opcode in Enum.GetValues<Opcode>())
        {
            var request = FrameHeader.Request(opcode, 1, 0);
            var answer = FrameHeader.Answer(opcode, 1, Status.Miss, 0, 3);
            Assert.False(request.IsAnswer);
            Assert.True(answer.IsAnswer);
            Assert.Equal(opcode, request.Opcode);
            Assert.Equal(opcode, answer.Opcode);
            Assert.Equal(3, answer.Flags);
        }
    }

    private static byte[] Frame(FrameHeader header)
    {
        var bytes = new byte[ProtocolLimits.HeaderBytes + header.BodyBytes];
        header.Write(bytes);
        BodyOf(header).CopyTo(bytes, ProtocolLimits.HeaderBytes);
        return bytes;
    }

    private static byte[] BodyOf(FrameHeader header)
    {
        var body = new byte[header.BodyBytes];
        for (var i = 0; i < body.Length; i++) body[i] = unchecked((byte)((ulong)i + header.Correlation));
        return body;
    }
}
