using Grid.Client;
using Grid.Protocol;

namespace Grid.Node.Frontends.Nbd;

/// <summary>A part of a range of a device that one batch can carry: pages of one object, the first and the last perhaps cut.</summary>
/// <param name="Object">The object.</param>
/// <param name="First">Its first page.</param>
/// <param name="Pages">How many.</param>
/// <param name="Skip">Bytes of the first page before the range.</param>
/// <param name="At">Bytes of the range before this piece.</param>
/// <param name="Bytes">Bytes of the range in this piece.</param>
internal readonly record struct Piece(ObjectId Object, uint First, int Pages, int Skip, long At, int Bytes)
{
    /// <summary>Whether the range has only a part of a page of it.</summary>
    /// <param name="page">The page, from 0.</param>
    /// <param name="pageBytes">Bytes of a page.</param>
    public bool Cuts(int page, int pageBytes) => (page == 0 && Skip > 0) || (page == Pages - 1 && (Skip + Bytes) % pageBytes != 0);

    /// <summary>What the range has of a page: where in the page it begins, where in the piece, and how many bytes.</summary>
    /// <param name="page">The page, from 0.</param>
    /// <param name="pageBytes">Bytes of a page.</param>
    public (int InPage, int InPiece, int Bytes) Overlap(int page, int pageBytes)
    {
        var begin = Math.Max(Skip, page * pageBytes);
        var end = Math.Min(Skip + Bytes, (page + 1) * pageBytes);
        return (begin - (page * pageBytes), begin - Skip, end - begin);
    }
}

/// <summary>How a device lies in the objects of its pool.</summary>
/// <param name="PageBytes">Bytes of a page.</param>
/// <param name="Owner">The device's number where it shares the pool with others, else 0.</param>
internal sealed record ExportLayout(int PageBytes, ulong Owner = 0)
{
    /// <summary>The most pages in a batch.</summary>
    public int BatchPages { get; } = Math.Min(ProtocolLimits.MaxBatchPages, ProtocolLimits.MaxBatchBytes / PageBytes);

    /// <summary>The pieces of a range, in order.</summary>
    /// <param name="offset">Where it begins.</param>
    /// <param name="length">Its bytes.</param>
    /// <param name="mostPages">The most pages in a piece; at most an object's.</param>
    public IEnumerable<Piece> Split(long offset, long length, int mostPages)
    {
        const long ObjectBytes = NbdExport.ObjectBytes;
        for (long at = 0; at < length;)
        {
            var begin = offset + at;
            var inObject = begin % ObjectBytes;
            var skip = (int)(inObject % PageBytes);
            var bytes = (int)Math.Min(Math.Min(length - at, ObjectBytes - inObject), ((long)mostPages * PageBytes) - skip);
            yield return new Piece(NbdExport.ObjectOf((ulong)(begin / ObjectBytes), Owner), (uint)(inObject / PageBytes), (skip + bytes + PageBytes - 1) / PageBytes, skip, at, bytes);
            at += bytes;
        }
    }
}
