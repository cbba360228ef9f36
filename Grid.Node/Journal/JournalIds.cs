using System.Globalization;
using Grid.Protocol;

namespace Grid.Node.Journal;

/// <summary>The persistence ids under which things stand in the journal.</summary>
public static class JournalIds
{
    /// <summary>The pool registry.</summary>
    public const string Pools = "pools";

    /// <summary>What the journals of all objects, and no others, begin with.</summary>
    public const string ObjectPrefix = "o-";

    /// <summary>The journal of an object: <c>o-{pool}-{48 hexadecimal digits}</c>.</summary>
    /// <param name="key">The object.</param>
    public static string ForObject(ObjectKey key) => string.Create(CultureInfo.InvariantCulture, $"{ObjectPrefix}{key.Pool.Value}-{key.Object}");

    /// <summary>What the journals of all objects of a pool, and no others, begin with: <c>o-{pool}-</c>.</summary>
    /// <param name="pool">The pool.</param>
    public static string PoolPrefix(PoolId pool) => string.Create(CultureInfo.InvariantCulture, $"{ObjectPrefix}{pool.Value}-");

    /// <summary>Parses what <see cref="ForObject"/> gives; false where the id is something else.</summary>
    /// <param name="persistenceId">The persistence id.</param>
    /// <param name="key">The object.</param>
    public static bool TryParseObject(ReadOnlySpan<char> persistenceId, out ObjectKey key)
    {
        key = default;
        if (!persistenceId.StartsWith(ObjectPrefix, StringComparison.Ordinal)) return false;
        var rest = persistenceId[ObjectPrefix.Length..];
        var dash = rest.IndexOf('-');
        if (dash < 0
            || !ulong.TryParse(rest[..dash], NumberStyles.None, CultureInfo.InvariantCulture, out var pool)
            || !ObjectId.TryParse(rest[(dash + 1)..], out var id))
            return false;
        key = new ObjectKey(new PoolId(pool), id);
        return true;
    }
}
