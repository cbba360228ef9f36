using System.Globalization;

namespace Grid.Protocol;

/// <summary>The number of a pool, given by the grid at its creation and never used twice.</summary>
/// <param name="Value">The number; 0 is no pool.</param>
public readonly record struct PoolId(ulong Value)
{
    /// <summary>The number in decimal.</summary>
    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture);
}

/// <summary>The name of one object over the whole grid: a pool and an object in it.</summary>
/// <param name="Pool">The pool.</param>
/// <param name="Object">The object.</param>
public readonly record struct ObjectKey(PoolId Pool, ObjectId Object)
{
    /// <summary><c>pool/object</c>: the pool in decimal, the object as 48 hexadecimal digits. Also the entity id of the object's actor.</summary>
    public override string ToString() => $"{Pool}/{Object}";

    /// <summary>Parses what <see cref="ToString"/> gives; false where the text is something else.</summary>
    /// <param name="text">The text.</param>
    /// <param name="key">The key.</param>
    public static bool TryParse(ReadOnlySpan<char> text, out ObjectKey key)
    {
        key = default;
        var slash = text.IndexOf('/');
        if (slash < 0
            || !ulong.TryParse(text[..slash], NumberStyles.None, CultureInfo.InvariantCulture, out var pool)
            || !ObjectId.TryParse(text[(slash + 1)..], out var id))
            return false;
        key = new ObjectKey(new PoolId(pool), id);
        return true;
    }
}

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

/// <summary>
/// The version of an object: an incarnation of its owner and a counter of the changes that incarnation made.
/// Only equality and "changed since" mean anything; versions of two incarnations are never comparable.
/// </summary>
/// <param name="Incarnation">Which life of the object's owner counted; 0 is no version.</param>
/// <param name="Counter">Changes (puts, flushes, takes) in that life so far.</param>
public readonly record struct ObjectVersion(ulong Incarnation, ulong Counter)
{
    /// <summary>Bytes a version takes on the wire: 16.</summary>
    public const int SizeBytes = 16;

    /// <summary><c>incarnation:counter</c>, in hexadecimal and decimal.</summary>
    public override string ToString() => $"{Incarnation:x}:{Counter}";
}
