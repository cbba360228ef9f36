using System.Buffers;
using System.Buffers.Binary;

namespace Grid.Protocol;

/// <summary>
/// What a request about an object begins with: u64 pool, 3 × u64 object, u32 index, u32 count (40 bytes);
/// then, by the header's flags, the version of a condition (16 bytes) and a session with its epoch (24 bytes).
/// </summary>
/// <param name="Pool">The pool.</param>
/// <param name="Object">The object.</param>
/// <param name="Index">The page; 0 in batches and in flush object.</param>
/// <param name="Count">Entries of a batch; page bytes of a put; 0 elsewhere.</param>
/// <param name="Condition">The version of a condition; default where there is none.</param>
/// <param name="Session">The session a node forwards for; default where there is none.</param>
/// <param name="Epoch">That session's epoch.</param>
public readonly record struct ObjectRequestHead(
    PoolId Pool, ObjectId Object, uint Index, int Count, ObjectVersion Condition = default, Guid Session = default, ulong Epoch = 0)
{
    /// <summary>Bytes of the head without what the flags add.</summary>
    public const int FixedBytes = 40;

    /// <summary>Bytes of the head with everything the flags can add.</summary>
    public const int MaxBytes = FixedBytes + ObjectVersion.SizeBytes + 24;

    /// <summary>The object addressed.</summary>
    public ObjectKey Key => new(Pool, Object);

    /// <summary>How long the head is under these flags.</summary>
    /// <param name="flags">The header's flags.</param>
    public static int SizeBytes(RequestFlags flags) => FixedBytes
        + ((flags & RequestFlags.Conditional) != 0 ? ObjectVersion.SizeBytes : 0)
        + ((flags & RequestFlags.Forwarded) != 0 ? 24 : 0);

    /// <summary>Writes the head.</summary>
    /// <param name="destination">At least <see cref="SizeBytes"/> bytes.</param>
    /// <param name="flags">The header's flags.</param>
    /// <returns>Bytes written.</returns>
    public int Write(Span<byte> destination, RequestFlags flags)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, Pool.Value);
        Object.Write(destination[8..]);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[32..], Index);
        BinaryPrimitives.WriteInt32LittleEndian(destination[36..], Count);
        var at = FixedBytes;
        if ((flags & RequestFlags.Conditional) != 0)
        {
            VersionCodec.Write(destination[at..], Condition);
            at += ObjectVersion.SizeBytes;
        }

        if ((flags & RequestFlags.Forwarded) != 0)
        {
            Session.TryWriteBytes(destination[at..]);
            BinaryPrimitives.WriteUInt64LittleEndian(destination[(at + 16)..], Epoch);
            at += 24;
        }

        return at;
    }

    /// <summary>Reads the head; false where the body is too short or a flag is unknown.</summary>
    /// <param name="body">The frame's body; on success advanced past the head.</param>
    /// <param name="flags">The header's flags.</param>
    /// <param name="head">The head.</param>
    public static bool TryRead(ref ReadOnlySequence<byte> body, RequestFlags flags, out ObjectRequestHead head)
    {
        head = default;
        var size = SizeBytes(flags);
        if ((flags & ~RequestFlags.All) != 0 || body.Length < size) return false;
        scoped var span = body.FirstSpan;
        Span<byte> copy = stackalloc byte[MaxBytes];
        if (span.Length < size)
        {
            body.Slice(0, size).CopyTo(copy);
            span = copy;
        }

        var at = FixedBytes;
        ObjectVersion condition = default;
        if ((flags & RequestFlags.Conditional) != 0)
        {
            condition = VersionCodec.Read(span[at..]);
            at += ObjectVersion.SizeBytes;
        }

        Guid session = default;
        ulong epoch = 0;
        if ((flags & RequestFlags.Forwarded) != 0)
        {
            session = new Guid(span.Slice(at, 16));
            epoch = BinaryPrimitives.ReadUInt64LittleEndian(span[(at + 16)..]);
        }

        head = new ObjectRequestHead(
            new PoolId(BinaryPrimitives.ReadUInt64LittleEndian(span)),
            ObjectId.Read(span[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(span[32..]),
            BinaryPrimitives.ReadInt32LittleEndian(span[36..]),
            condition,
            session,
            epoch);
        body = body.Slice(size);
        return true;
    }
}

/// <summary>Reads and writes <see cref="ObjectVersion"/>s: u64 incarnation, u64 counter. Every non-error answer about an object begins with one.</summary>
public static class VersionCodec
{
    /// <summary>Writes 16 bytes.</summary>
    /// <param name="destination">Where to.</param>
    /// <param name="version">The version.</param>
    public static void Write(Span<byte> destination, ObjectVersion version)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(destination, version.Incarnation);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], version.Counter);
    }

    /// <summary>Reads 16 bytes.</summary>
    /// <param name="source">Where from.</param>
    public static ObjectVersion Read(ReadOnlySpan<byte> source) => new(
        BinaryPrimitives.ReadUInt64LittleEndian(source), BinaryPrimitives.ReadUInt64LittleEndian(source[8..]));
}

/// <summary>
/// One entry of a write batch: u32 index, u8 kind (0 put, 1 flush), 3 zero bytes. The <see cref="ObjectRequestHead.Count"/> entries
/// stand after the head; the pages of the puts follow them in the same order, each of the pool's page size.
/// </summary>
/// <param name="Index">The page.</param>
/// <param name="IsFlush">Whether the page is removed rather than stored.</param>
public readonly record struct BatchEntry(uint Index, bool IsFlush)
{
    /// <summary>Bytes of an entry: 8.</summary>
    public const int SizeBytes = 8;

    /// <summary>Writes the entry.</summary>
    /// <param name="destination">At least 8 bytes.</param>
    public void Write(Span<byte> destination)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(destination, Index);
        BinaryPrimitives.WriteUInt32LittleEndian(destination[4..], IsFlush ? 1u : 0u);
    }

    /// <summary>Reads the entry; false where the kind is unknown or a zero byte is not zero.</summary>
    /// <param name="source">At least 8 bytes.</param>
    /// <param name="entry">The entry.</param>
    public static bool TryRead(ReadOnlySpan<byte> source, out BatchEntry entry)
    {
        var kind = BinaryPrimitives.ReadUInt32LittleEndian(source[4..]);
        entry = new BatchEntry(BinaryPrimitives.ReadUInt32LittleEndian(source), kind == 1);
        return kind <= 1;
    }
}

/// <summary>
/// The body of a batch's answer (status <see cref="Status.Ok"/>): the object's version (16 bytes), then a bit per entry in order (32 bytes, least
/// significant bit of the first byte first): get: hit; put: a page was there before; flush: a page was there.
/// In a get batch the pages of the hits follow in order.
/// </summary>
public static class BatchAnswer
{
    /// <summary>Bytes of the bit field: 32.</summary>
    public const int BitsBytes = ProtocolLimits.MaxBatchPages / 8;

    /// <summary>Bytes before the pages: 48.</summary>
    public const int HeadBytes = ObjectVersion.SizeBytes + BitsBytes;
}
