using System.Buffers;
using System.Globalization;

namespace Grid.Protocol;

/// <summary>The name of one object over the whole grid: a pool and an object in it.</summary>
/// <param name="Pool">The pool.</param>
/// <param name="Object">The object.</param>
public readonly record struct ObjectKey(PoolId Pool, ObjectId Object)
{
    private static readonly SearchValues<char> Digits = SearchValues.Create("0123456789");

    /// <summary><c>pool/object</c>: the pool in decimal, the object as 48 hexadecimal digits. Also the entity id of the object's actor.</summary>
    public override string ToString() => $"{Pool}/{Object}";

    /// <summary>Parses what <see cref="ToString"/> gives; false where the text is something else. The object's digits may be of either case.</summary>
    /// <param name="text">The text.</param>
    /// <param name="key">The key.</param>
    public static bool TryParse(ReadOnlySpan<char> text, out ObjectKey key)
    {
        key = default;
        var slash = text.IndexOf('/');
        // One text a key: no leading zeros, and no NUL characters, which ulong.TryParse lets pass at the end.
        if (slash < 1
            || text[..slash].ContainsAnyExcept(Digits)
            || (text[0] == '0' && slash > 1)
            || !ulong.TryParse(text[..slash], NumberStyles.None, CultureInfo.InvariantCulture, out var pool)
            || !ObjectId.TryParse(text[(slash + 1)..], out var id))
            return false;
        key = new ObjectKey(new PoolId(pool), id);
        return true;
    }
}
