namespace Grid.Protocol;

/// <summary>The address of one page: pool, object, index.</summary>
/// <param name="Pool">The pool.</param>
/// <param name="Object">The object inside the pool.</param>
/// <param name="Index">The page number inside the object; the whole 32-bit range is usable.</param>
public readonly record struct Handle(PoolId Pool, ObjectId Object, uint Index)
{
    /// <summary>The object this page belongs to.</summary>
    public ObjectKey Key => new(Pool, Object);

    /// <summary><c>pool/object/index</c>.</summary>
    public override string ToString() => $"{Pool}/{Object}/{Index}";
}
