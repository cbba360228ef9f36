namespace Grid.Node.Journal;

/// <summary>
/// A page's place: what the index of an object is ordered by, in memory and in the pieces of its checkpoints. Every index has a place of its own, and indexes that lie
/// together, or apart by some power of two, have places far from each other. Part of the journal's format.
/// </summary>
public static class PagePlace
{
    private const uint Factor = 0x9E3779B9;

    /// <summary>The place of an index: index × 0x9E3779B9 modulo 2^32.</summary>
    /// <param name="index">The index.</param>
    public static uint Of(uint index) => unchecked(index * Factor);
}
