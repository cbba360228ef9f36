using System.Buffers;
using System.Buffers.Binary;
using CsCheck;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Protocol;

public sealed class ObjectFrameTests
{
    private static readonly Gen<ObjectId> GenObject = Gen.Select(Gen.ULong, Gen.ULong, Gen.ULong, (a, b, c) => new ObjectId(a, b, c));
    private static readonly Gen<ObjectVersion> GenVersion = Gen.Select(Gen.ULong, Gen.ULong, (a, b) => new ObjectVersion(a, b));
    private static readonly Gen<RequestFlags> GenFlags = Gen.Int[0, (int)RequestFlags.All].Select(flags => (RequestFlags)flags);

    private static readonly Gen<ObjectRequestHead> GenHead = Gen.Select(
        Gen.ULong, GenObject, Gen.UInt, Gen.Int[0, int.MaxValue], GenVersion, Gen.Guid, Gen.ULong,
        (pool, id, index, count, condition, session, epoch) => new ObjectRequestHead(new PoolId(pool), id, index, count, condition, session, epoch));

    [Fact]
    public void A_written_head_is_read_back_from_segments_of_any_size()
    {
        Gen.Select(GenHead, GenFlags, Gen.Int[1, 100]).Sample((head, flags, size) =>
        {
            var expected = Expected(head, flags);
            var bytes = Bytes(head, flags, more: 5);
            var body = Segments.OfSize(bytes, size);
            Assert.True(ObjectRequestHead.TryRead(ref body, flags, out var read));
            Assert.Equal(expected, read);
            Assert.Equal([1, 2, 3, 4, 5], body.ToArray());
        });
    }

    [Fact]
    public void A_head_that_is_too_short_is_refused_at_every_length()
    {
        var head = new ObjectRequestHead(new PoolId(1), ObjectId.FromUInt64(2), 3, 4, new ObjectVersion(5, 6), Guid.NewGuid(), 7);
        foreach (var flags in Enumerable.Range(0, (int)RequestFlags.All + 1).Select(flags => (RequestFlags)flags))
        {
            var bytes = Bytes(head, flags, more: 0);
            for (var length = 0; length < bytes.Length; length++)
            {
                var body = Segments.OfSize(bytes[..length], 7);
                Assert.False(ObjectRequestHead.TryRead(ref body, flags, out var read));
                Assert.Equal(default, read);
                Assert.Equal(length, body.Length);
            }
        }
    }

    [Fact]
    public void Unknown_flags_are_refused()
    {
        for (var flags = 0; flags < 256; flags++)
        {
            var body = new ReadOnlySequence<byte>(new byte[ObjectRequestHead.MaxBytes]);
            Assert.Equal(flags <= (int)RequestFlags.All, ObjectRequestHead.TryRead(ref body, (RequestFlags)flags, out _));
        }
    }

    [Theory]
    [InlineData(0x80000000u)]
    [InlineData(0xFFFFFFFFu)]
    public void A_count_that_is_no_int_is_refused(uint count)
    {
        var bytes = new byte[ObjectRequestHead.FixedBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(36), count);
        var body = new ReadOnlySequence<byte>(bytes);
        Assert.False(ObjectRequestHead.TryRead(ref body, RequestFlags.None, out _));
    }

    [Fact]
    public void The_size_of_a_head_is_what_is_written()
    {
        foreach (var flags in Enumerable.Range(0, (int)RequestFlags.All + 1).Select(flags => (RequestFlags)flags))
        {
            var buffer = new byte[ObjectRequestHead.MaxBytes];
            Assert.Equal(ObjectRequestHead.SizeBytes(flags), default(ObjectRequestHead).Write(buffer, flags));
        }

        Assert.Equal(ObjectRequestHead.MaxBytes, ObjectRequestHead.SizeBytes(RequestFlags.All));
    }

    [Fact]
    public void Versions_are_read_back_across_segments()
    {
        Gen.Select(GenVersion, Gen.Int[1, 20]).Sample((version, size) =>
        {
            var bytes = new byte[ObjectVersion.SizeBytes + 1];
            VersionCodec.Write(bytes, version);
            Assert.Equal(version, VersionCodec.Read(bytes));
            var body = Segments.OfSize(bytes, size);
            Assert.True(VersionCodec.TryRead(ref body, out var read));
            Assert.Equal(version, read);
            Assert.Equal(1, body.Length);
            Assert.False(VersionCodec.TryRead(ref body, out _));
        });
    }

    [Fact]
    public void Batch_entries_are_read_back_and_unknown_kinds_refused()
    {
        Gen.Select(Gen.UInt, Gen.Bool).Sample((index, isFlush) =>
        {
            var bytes = new byte[BatchEntry.SizeBytes];
            new BatchEntry(index, isFlush).Write(bytes);
            Assert.True(BatchEntry.TryRead(bytes, out var read));
            Assert.Equal(new BatchEntry(index, isFlush), read);
        });

        for (var at = 4; at < BatchEntry.SizeBytes; at++)
        {
            var bytes = new byte[BatchEntry.SizeBytes];
            bytes[at] = 2;
            Assert.False(BatchEntry.TryRead(bytes, out _));
        }
    }

    [Fact]
    public void The_head_of_a_batch_answer_is_read_back_across_segments()
    {
        Gen.Select(GenVersion, Gen.Byte.Array[BatchAnswer.BitsBytes], Gen.Int[1, 60]).Sample((version, bits, size) =>
        {
            var bytes = new byte[BatchAnswer.HeadBytes + 3];
            BatchAnswer.WriteHead(bytes, version, bits);
            var body = Segments.OfSize(bytes, size);
            var read = new byte[BatchAnswer.BitsBytes];
            Assert.True(BatchAnswer.TryReadHead(ref body, read, out var readVersion));
            Assert.Equal(version, readVersion);
            Assert.Equal(bits, read);
            Assert.Equal(3, body.Length);

            var tooShort = Segments.OfSize(bytes[..(BatchAnswer.HeadBytes - 1)], size);
            Assert.False(BatchAnswer.TryReadHead(ref tooShort, read, out _));
            Assert.Equal(BatchAnswer.HeadBytes - 1, tooShort.Length);
        });
    }

    [Fact]
    public void The_largest_batches_fit_the_longest_body()
    {
        var write = ObjectRequestHead.MaxBytes + (ProtocolLimits.MaxBatchPages * BatchEntry.SizeBytes) + ProtocolLimits.MaxBatchBytes;
        var answer = BatchAnswer.HeadBytes + ProtocolLimits.MaxBatchBytes;
        Assert.True(write <= ProtocolLimits.MaxBodyBytes);
        Assert.True(answer <= ProtocolLimits.MaxBodyBytes);
    }

    private static byte[] Bytes(ObjectRequestHead head, RequestFlags flags, int more)
    {
        var size = ObjectRequestHead.SizeBytes(flags);
        var bytes = new byte[size + more];
        Assert.Equal(size, head.Write(bytes, flags));
        for (var i = 0; i < more; i++) bytes[size + i] = (byte)(i + 1);
        return bytes;
    }

    /// <summary>What the flags do not announce does not travel.</summary>
    private static ObjectRequestHead Expected(ObjectRequestHead head, RequestFlags flags) => head with
    {
        Condition = (flags & RequestFlags.Conditional) != 0 ? head.Condition : default,
        Session = (flags & RequestFlags.Forwarded) != 0 ? head.Session : default,
        Epoch = (flags & RequestFlags.Forwarded) != 0 ? head.Epoch : 0,
    };
}
