namespace Grid.Protocol;

/// <summary>One node asks another for pages of an object that it keeps for the shard's next life: u64 pool, 3 x u64 object, u64 the life's number.</summary>
/// <param name="Key">The object.</param>
/// <param name="Incarnation">The number of the shard's life, which only the grid's nodes know.</param>
public readonly record struct PullRequest(ObjectKey Key, ulong Incarnation)
{
    /// <summary>Writes the request's body.</summary>
    /// <param name="writer">Where to.</param>
    public void Write(ref BodyWriter writer)
    {
        writer.UInt64(Key.Pool.Value);
        writer.Object(Key.Object);
        writer.UInt64(Incarnation);
    }

    /// <summary>Reads the request's body.</summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">It makes no sense.</exception>
    public static PullRequest Read(ref BodyReader reader) => new(new ObjectKey(new PoolId(reader.UInt64()), reader.Object()), reader.UInt64());
}
