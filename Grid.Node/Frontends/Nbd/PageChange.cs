using System.Buffers;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Node.Frontends.Nbd;

/// <summary>
/// Changes a piece of which the first or the last page is cut: these are read, changed, and put with the whole pages between them in one batch, on the condition that nobody changed any of
/// them since. Where somebody did, it begins again: no update is lost, on whatever node it was made.
/// </summary>
/// <param name="pool">The device's pool.</param>
/// <param name="piece">The piece.</param>
/// <param name="data">Its bytes; null: zeros, for which whole pages are flushed and a page that is missing need not be put.</param>
internal sealed class PageChange(Pool pool, Piece piece, ReadOnlyMemory<byte>? data)
{
    private readonly int _pageBytes = pool.PageSizeBytes;
    private readonly WriteBatch _batch = new();

    /// <summary>Does it.</summary>
    /// <param name="clock">The time it has.</param>
    /// <param name="cancellation">Gives up what was not sent.</param>
    /// <exception cref="NbdException">The pool refused a page, or others changed them until the time was over.</exception>
    public async ValueTask RunAsync(RequestClock clock, CancellationToken cancellation)
    {
        var last = piece.Pages - 1;
        int[] cut = last > 0 && piece.Cuts(0, _pageBytes) && piece.Cuts(last, _pageBytes) ? [0, last] : [piece.Cuts(0, _pageBytes) ? 0 : last];
        uint[] indexes = [.. cut.Select(page => piece.First + (uint)page)];
        var buffer = ArrayPool<byte>.Shared.Rent(cut.Length * _pageBytes);
        try
        {
            var pages = buffer.AsMemory(0, cut.Length * _pageBytes);
            var (version, present) = await ReadAsync(indexes, pages, clock, cancellation).ConfigureAwait(false);
            while (true)
            {
                Fill(cut, pages, present);
                if (_batch.Count == 0) return;
                var result = await pool.WriteBatchAsync(piece.Object, _batch, version, clock.Call(), cancellation).ConfigureAwait(false);
                if (result.Outcome == BatchOutcome.Applied) return;
                if (result.Outcome == BatchOutcome.Refused)
                {
                    // The pages are empty now, and what they held is here: it is what the next attempt begins with, as long as nobody else has written.
                    await Refusals.WaitAsync(result.Reason, pool.Name, clock, cancellation).ConfigureAwait(false);
                    version = result.Version;
                    continue;
                }

                if (clock.IsOver) throw new NbdException(NbdError.Io, $"others changed the pages at {piece.Object}/{piece.First} again and again until the request's time was over");
                await Task.Delay(Random.Shared.Next((int)Refusals.Pause.TotalMilliseconds), cancellation).ConfigureAwait(false);
                (version, present) = await ReadAsync(indexes, pages, clock, cancellation).ConfigureAwait(false);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private async ValueTask<(ObjectVersion Version, BatchBits Present)> ReadAsync(uint[] indexes, Memory<byte> pages, RequestClock clock, CancellationToken cancellation)
    {
        pages.Span.Clear();
        var got = await pool.GetBatchAsync(piece.Object, indexes, pages, GetMode.Keep, onlyIf: null, clock.Call(), cancellation).ConfigureAwait(false);
        return (got.Version, got.Hits);
    }

    private void Fill(int[] cut, Memory<byte> pages, BatchBits present)
    {
        _batch.Clear();
        for (var page = 0; page < piece.Pages; page++)
        {
            var index = piece.First + (uint)page;
            var (inPage, inPiece, bytes) = piece.Overlap(page, _pageBytes);
            var place = Array.IndexOf(cut, page);
            if (place < 0)
            {
                if (data is { } whole) _batch.Put(index, whole.Slice(inPiece, bytes));
                else _batch.Flush(index);
                continue;
            }

            if (data is null && !present[place]) continue;
            var old = pages.Slice(place * _pageBytes, _pageBytes);
            var part = old.Span.Slice(inPage, bytes);
            if (data is { } some) some.Span.Slice(inPiece, bytes).CopyTo(part);
            else part.Clear();
            _batch.Put(index, old);
        }
    }
}
