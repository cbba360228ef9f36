using Grid.Protocol;

namespace Grid.Client;

/// <summary>A piece of the list of an object's pages, of one instant.</summary>
/// <param name="Indexes">The page numbers, ascending.</param>
/// <param name="Version">The object's version at that instant: two pieces of equal versions are of one state.</param>
/// <param name="IsLast">Whether nothing follows.</param>
public sealed record PageList(IReadOnlyList<uint> Indexes, ObjectVersion Version, bool IsLast)
{
    /// <summary>The most page numbers in a piece.</summary>
    public const int MaxIndexes = 8192;
}
