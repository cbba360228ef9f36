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

    /// <summary>Reads the head; false where the body is too short, a flag is unknown, or the count exceeds 2³¹ − 1.</summary>
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

        // A count that does not fit an int is no count; whoever reads on can rely on it not being negative.
        var count = BinaryPrimitives.ReadInt32LittleEndian(span[36..]);
        if (count < 0) return false;
        head = new ObjectRequestHead(
            new PoolId(BinaryPrimitives.ReadUInt64LittleEndian(span)),
            ObjectId.Read(span[8..]),
            BinaryPrimitives.ReadUInt32LittleEndian(span[32..]),
            count,
            condition,
            session,
            epoch);
        body = body.Slice(size);
        return true;
    }
}
