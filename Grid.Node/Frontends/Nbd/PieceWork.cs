using System.Buffers;

namespace Grid.Node.Frontends.Nbd;

/// <summary>What every device does with the pieces of a request.</summary>
internal static class PieceWork
{
    /// <summary>Pieces of one request that are under way at a time.</summary>
    private const int AtOnce = 8;

    /// <summary>How some are done at a time.</summary>
    /// <param name="cancellation">No more are begun then.</param>
    public static ParallelOptions Some(CancellationToken cancellation) => new() { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellation };

    /// <summary>Has every piece done, some at a time. Where one fails no more are begun, and nothing is under way any more when this returns.</summary>
    /// <param name="pieces">The pieces.</param>
    /// <param name="action">What is done with each.</param>
    /// <param name="cancellation">No more are begun then.</param>
    public static async ValueTask EachAsync<T>(IEnumerable<T> pieces, Func<T, ValueTask> action, CancellationToken cancellation)
    {
        var few = pieces.Take(2).ToArray();
        if (few.Length == 1) await action(few[0]).ConfigureAwait(false);
        else await Parallel.ForEachAsync(pieces, Some(cancellation), (piece, _) => action(piece)).ConfigureAwait(false);
    }

    /// <summary>Reads a piece by whole pages, of which the first and the last may be cut.</summary>
    /// <param name="piece">The piece.</param>
    /// <param name="pageBytes">Bytes of a page.</param>
    /// <param name="destination">What is filled, all of it.</param>
    /// <param name="readPages">Reads its pages; says whether there was any.</param>
    /// <returns>What <paramref name="readPages"/> said.</returns>
    public static async ValueTask<bool> ReadAsync(Piece piece, int pageBytes, Memory<byte> destination, Func<Memory<byte>, ValueTask<bool>> readPages)
    {
        var bytes = piece.Pages * pageBytes;
        if (piece.Skip == 0 && piece.Bytes == bytes) return await readPages(destination).ConfigureAwait(false);
        var whole = ArrayPool<byte>.Shared.Rent(bytes);
        try
        {
            var isHit = await readPages(whole.AsMemory(0, bytes)).ConfigureAwait(false);
            whole.AsMemory(piece.Skip, piece.Bytes).CopyTo(destination);
            return isHit;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(whole);
        }
    }
}
