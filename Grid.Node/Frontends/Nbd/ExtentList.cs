namespace Grid.Node.Frontends.Nbd;

/// <summary>Makes runs of one state out of the pages that pieces of a range have.</summary>
internal sealed class ExtentList
{
    private readonly List<Extent> _extents = [];

    /// <summary>The runs so far, each of another state than the one before.</summary>
    public IReadOnlyList<Extent> Extents => _extents;

    /// <summary>Adds the next piece.</summary>
    /// <param name="piece">The piece.</param>
    /// <param name="pages">Numbers of the pages that its object has, ascending; those outside of the piece do not count.</param>
    /// <param name="pageBytes">Bytes of a page.</param>
    public void Add(Piece piece, IReadOnlyList<uint> pages, int pageBytes)
    {
        var next = 0;
        for (var page = 0; page < piece.Pages; page++)
        {
            var index = piece.First + (uint)page;
            while (next < pages.Count && pages[next] < index) next++;
            var isThere = next < pages.Count && pages[next] == index;
            Append((uint)piece.Overlap(page, pageBytes).Bytes, isThere ? ExtentState.Allocated : ExtentState.Hole | ExtentState.Zero);
        }
    }

    private void Append(uint bytes, ExtentState state)
    {
        if (_extents.Count > 0 && _extents[^1].State == state) _extents[^1] = new Extent(_extents[^1].LengthBytes + bytes, state);
        else _extents.Add(new Extent(bytes, state));
    }
}
