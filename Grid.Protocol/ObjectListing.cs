namespace Grid.Protocol;

/// <summary>An object in a list.</summary>
/// <param name="Id">Its id.</param>
/// <param name="Pages">Pages it holds: exactly in a persistent pool, at most so many in an ephemeral one; null where its newest event is damaged, so that nobody can tell.</param>
public readonly record struct ListedObject(ObjectId Id, ulong? Pages)
{
    /// <summary>Bytes it takes in a frame.</summary>
    public const int SizeBytes = ObjectId.SizeBytes + sizeof(ulong);
}

/// <summary>Asks for a piece of the list of a pool's objects: u64 pool, 3 x u64 first id, u32 the most objects, u32 flags (1: also empty ones).</summary>
/// <param name="Pool">The pool.</param>
/// <param name="From">The first id asked for; zero for the beginning.</param>
/// <param name="Most">The most objects, 1 to <see cref="ProtocolLimits.MaxListedObjects"/>.</param>
/// <param name="WithEmpty">Whether objects that hold nothing any more, but of which the journal has events, are listed too.</param>
public readonly record struct ObjectListRequest(PoolId Pool, ObjectId From, int Most, bool WithEmpty)
{
    private const uint WithEmptyBit = 1;

    /// <summary>Writes the request's body.</summary>
    /// <param name="writer">Where to.</param>
    public void Write(ref BodyWriter writer)
    {
        writer.UInt64(Pool.Value);
        writer.Object(From);
        writer.UInt32((uint)Most);
        writer.UInt32(WithEmpty ? WithEmptyBit : 0);
    }

    /// <summary>Reads the request's body.</summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">It makes no sense.</exception>
    public static ObjectListRequest Read(ref BodyReader reader)
    {
        var (pool, from, most, flags) = (new PoolId(reader.UInt64()), reader.Object(), reader.UInt32(), reader.UInt32());
        if ((flags & ~WithEmptyBit) != 0) throw new ProtocolException($"flags {flags:x} of a list of objects are unknown");
        return new ObjectListRequest(pool, from, (int)Math.Min(most, int.MaxValue), flags != 0);
    }
}

/// <summary>A piece of the list of a pool's objects: u32 whether it is the last (0 or 1), 3 x u64 where the next begins, u32 count, per object 3 x u64 id and u64 pages.</summary>
/// <param name="Objects">The objects, their ids ascending; may be none even where more follow.</param>
/// <param name="Next">The id with which to ask for the next piece.</param>
/// <param name="IsLast">Whether nothing follows.</param>
public sealed record ObjectListPart(IReadOnlyList<ListedObject> Objects, ObjectId Next, bool IsLast)
{
    /// <summary>Writes the answer's body.</summary>
    /// <param name="writer">Where to.</param>
    public void Write(ref BodyWriter writer)
    {
        writer.Bool32(IsLast);
        writer.Object(Next);
        writer.UInt32((uint)Objects.Count);
        foreach (var item in Objects)
        {
            writer.Object(item.Id);
            writer.UInt64(item.Pages ?? ulong.MaxValue);
        }
    }

    /// <summary>Reads the answer's body.</summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">It makes no sense.</exception>
    public static ObjectListPart Read(ref BodyReader reader)
    {
        var (isLast, next) = (reader.Bool32(), reader.Object());
        var objects = new ListedObject[reader.Count(ListedObject.SizeBytes)];
        for (var i = 0; i < objects.Length; i++)
        {
            var (id, pages) = (reader.Object(), reader.UInt64());
            objects[i] = new ListedObject(id, pages == ulong.MaxValue ? null : pages);
        }

        return new ObjectListPart(objects, next, isLast);
    }
}

/// <summary>
/// A piece of the list of an object's pages, all of one instant: u32 whether it is the last (0 or 1), u32 where the next begins, u32 count, the indexes. In the answer the
/// object's version stands before it.
/// </summary>
/// <param name="Indexes">The page numbers, ascending.</param>
/// <param name="Next">The page number with which to ask for the next piece.</param>
/// <param name="IsLast">Whether nothing follows.</param>
public sealed record PageListPart(IReadOnlyList<uint> Indexes, uint Next, bool IsLast)
{
    /// <summary>Writes it.</summary>
    /// <param name="writer">Where to.</param>
    public void Write(ref BodyWriter writer)
    {
        writer.Bool32(IsLast);
        writer.UInt32(Next);
        writer.UInt32((uint)Indexes.Count);
        foreach (var index in Indexes) writer.UInt32(index);
    }

    /// <summary>Reads it.</summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">It makes no sense.</exception>
    public static PageListPart Read(ref BodyReader reader)
    {
        var (isLast, next) = (reader.Bool32(), reader.UInt32());
        var indexes = new uint[reader.Count(sizeof(uint))];
        for (var i = 0; i < indexes.Length; i++) indexes[i] = reader.UInt32();
        return new PageListPart(indexes, next, isLast);
    }
}

/// <summary>Forms that these bodies share.</summary>
internal static class ListingFields
{
    public static void Object(this ref BodyWriter writer, ObjectId id)
    {
        writer.UInt64(id.Word0);
        writer.UInt64(id.Word1);
        writer.UInt64(id.Word2);
    }

    public static ObjectId Object(this ref BodyReader reader) => new(reader.UInt64(), reader.UInt64(), reader.UInt64());

    public static void Bool32(this ref BodyWriter writer, bool value) => writer.UInt32(value ? 1u : 0);

    public static bool Bool32(this ref BodyReader reader) => reader.UInt32() switch
    {
        0 => false,
        1 => true,
        var value => throw new ProtocolException($"{value} stands where 0 or 1 must"),
    };
}
