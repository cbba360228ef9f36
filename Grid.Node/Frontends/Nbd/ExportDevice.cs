using Grid.Client;
using Grid.Protocol;

namespace Grid.Node.Frontends.Nbd;

/// <summary>
/// A device over the pages of its pool. A page that is missing reads as zeros; a page that is written in part is read, changed and written on the condition that nobody changed it in
/// between, so that any number of nodes may serve the device. What is acknowledged is durable: pages of persistent pools are before they are acknowledged.
/// </summary>
internal sealed class ExportDevice : IExportDevice
{
    private static readonly byte[] Zeroes = new byte[ProtocolLimits.MaxBatchBytes];

    private readonly Pool _pool;
    private readonly ExportLayout _layout;
    private readonly TimeSpan _timeout;
    private readonly PageLocks _locks = new();

    /// <summary>A device.</summary>
    /// <param name="pool">Its pool.</param>
    /// <param name="timeout">How long a request may take.</param>
    public ExportDevice(Pool pool, TimeSpan timeout)
    {
        (_pool, _timeout) = (pool, timeout);
        _layout = new ExportLayout(pool.PageSizeBytes);
    }

    /// <summary>Bytes of a page.</summary>
    private int PageBytes => _layout.PageBytes;

    /// <summary>Reads.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="destination">What is filled, all of it.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>Whether there was a page at all; where there was none, everything is zero.</returns>
    public async ValueTask<bool> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        var clock = new RequestClock(_timeout);
        var hits = 0;
        await EachAsync(offset, destination.Length, _layout.BatchPages, async piece =>
        {
            if (await ReadPieceAsync(piece, destination.Slice((int)piece.At, piece.Bytes), clock, cancellation).ConfigureAwait(false)) Interlocked.Increment(ref hits);
        }, clock, cancellation).ConfigureAwait(false);
        return hits > 0;
    }

    /// <summary>Writes; durable when it returns.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="data">What.</param>
    /// <param name="cancellation">Gives up what was not sent.</param>
    /// <exception cref="NbdException">The pool refused a page.</exception>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        var clock = new RequestClock(_timeout);
        return EachAsync(offset, data.Length, _layout.BatchPages, piece => ChangeAsync(piece, data.Slice((int)piece.At, piece.Bytes), clock, cancellation), clock, cancellation);
    }

    /// <summary>Makes a range zero, by flushing the pages that lie in it whole; durable when it returns.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="length">How far.</param>
    /// <param name="keepsPages">Whether pages of zeros are put instead.</param>
    /// <param name="cancellation">Gives up what was not sent.</param>
    /// <exception cref="NbdException">The pool refused a page.</exception>
    public ValueTask ZeroAsync(long offset, long length, bool keepsPages, CancellationToken cancellation)
    {
        var clock = new RequestClock(_timeout);
        if (keepsPages) return EachAsync(offset, length, _layout.BatchPages, piece => ChangeAsync(piece, Zeroes.AsMemory(0, piece.Bytes), clock, cancellation), clock, cancellation);
        return EachAsync(offset, length, NbdExport.ObjectBytes / PageBytes, piece => FlushAsync(piece, offset, clock, cancellation), clock, cancellation);
    }

    /// <summary>What of a range has pages: runs that begin at its beginning and cover all of it, or less where it is long.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="length">How far.</param>
    /// <param name="cancellation">Gives up.</param>
    public async ValueTask<IReadOnlyList<Extent>> StatusAsync(long offset, uint length, CancellationToken cancellation)
    {
        // A gibibyte of 16 MiB objects at a time: the client asks on for the rest.
        const int MostObjects = 64;
        var clock = new RequestClock(_timeout);
        var pieces = _layout.Split(offset, length, NbdExport.ObjectBytes / PageBytes).Take(MostObjects).ToArray();
        var maps = new List<uint>[pieces.Length];
        await Parallel.ForEachAsync(
            Enumerable.Range(0, pieces.Length),
            PieceWork.Some(cancellation),
            async (i, token) => maps[i] = await clock.RepeatAsync(() => PagesAsync(pieces[i], token), token).ConfigureAwait(false)).ConfigureAwait(false);
        var extents = new ExtentList();
        for (var i = 0; i < pieces.Length; i++) extents.Add(pieces[i], maps[i], PageBytes);
        return extents.Extents;
    }

    /// <summary>Nothing is left to do: what was acknowledged is durable.</summary>
    /// <param name="cancellation">Not used: nothing is waited for.</param>
    public ValueTask FlushAsync(CancellationToken cancellation) => ValueTask.CompletedTask;

    public void Dispose() => _locks.Dispose();

    /// <summary>Has every piece of a range done, each again where that may help.</summary>
    private ValueTask EachAsync(long offset, long length, int mostPages, Func<Piece, ValueTask> action, RequestClock clock, CancellationToken cancellation) =>
        PieceWork.EachAsync(
            _layout.Split(offset, length, mostPages),
            async piece => await clock.RepeatAsync(
                async () =>
                {
                    await action(piece).ConfigureAwait(false);
                    return true;
                },
                cancellation).ConfigureAwait(false),
            cancellation);

    private ValueTask<bool> ReadPieceAsync(Piece piece, Memory<byte> destination, RequestClock clock, CancellationToken cancellation) =>
        PieceWork.ReadAsync(piece, PageBytes, destination, pages => ReadPagesAsync(piece, pages, clock, cancellation));

    /// <summary>Reads whole pages; what is missing is zero.</summary>
    private async ValueTask<bool> ReadPagesAsync(Piece piece, Memory<byte> pages, RequestClock clock, CancellationToken cancellation)
    {
        if (piece.Pages == 1)
        {
            var got = await _pool.GetAsync(piece.Object, piece.First, pages, GetMode.Keep, clock.Call(), cancellation).ConfigureAwait(false);
            if (!got.Hit) pages.Span.Clear();
            return got.Hit;
        }

        var indexes = new uint[piece.Pages];
        for (var i = 0; i < indexes.Length; i++) indexes[i] = piece.First + (uint)i;
        var result = await _pool.GetBatchAsync(piece.Object, indexes, pages, GetMode.Keep, onlyIf: null, clock.Call(), cancellation).ConfigureAwait(false);
        for (var i = 0; i < indexes.Length; i++)
            if (!result.Hits[i]) pages.Span.Slice(i * PageBytes, PageBytes).Clear();
        return result.Hits.Count > 0;
    }

    /// <summary>Puts a piece: whole pages as they are, pages that are cut with what they had.</summary>
    private async ValueTask ChangeAsync(Piece piece, ReadOnlyMemory<byte> data, RequestClock clock, CancellationToken cancellation)
    {
        if (!IsCut(piece))
        {
            await PutAsync(piece, data, clock, cancellation).ConfigureAwait(false);
            return;
        }

        using var held = await _locks.TakeAsync(piece, cancellation).ConfigureAwait(false);
        await new PageChange(_pool, piece, data).RunAsync(clock, cancellation).ConfigureAwait(false);
    }

    /// <summary>Puts whole pages. That they are there twice where an answer was lost does no harm: see <see cref="RequestClock"/>.</summary>
    private async ValueTask PutAsync(Piece piece, ReadOnlyMemory<byte> data, RequestClock clock, CancellationToken cancellation)
    {
        var batch = piece.Pages == 1 ? null : new WriteBatch();
        for (var i = 0; i < piece.Pages; i++) batch?.Put(piece.First + (uint)i, data.Slice(i * PageBytes, PageBytes));
        while (true)
        {
            RefusalReason reason;
            if (batch is null)
            {
                var put = await _pool.PutAsync(piece.Object, piece.First, data, clock.Call(), cancellation).ConfigureAwait(false);
                if (put.Stored) return;
                reason = put.Reason;
            }
            else
            {
                var written = await _pool.WriteBatchAsync(piece.Object, batch, onlyIf: null, clock.Call(), cancellation).ConfigureAwait(false);
                if (written.Outcome == BatchOutcome.Applied) return;
                reason = written.Reason;
            }

            await Refusals.WaitAsync(reason, _pool.Name, clock, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>Flushes a piece of up to an object.</summary>
    private async ValueTask FlushAsync(Piece piece, long offset, RequestClock clock, CancellationToken cancellation)
    {
        if (piece.Bytes == NbdExport.ObjectBytes)
        {
            await _pool.FlushObjectAsync(piece.Object, clock.Call(), cancellation).ConfigureAwait(false);
            return;
        }

        foreach (var part in _layout.Split(offset + piece.At, piece.Bytes, ProtocolLimits.MaxBatchPages))
        {
            if (IsCut(part))
            {
                using var held = await _locks.TakeAsync(part, cancellation).ConfigureAwait(false);
                await new PageChange(_pool, part, data: null).RunAsync(clock, cancellation).ConfigureAwait(false);
                continue;
            }

            var batch = new WriteBatch();
            for (var i = 0; i < part.Pages; i++) batch.Flush(part.First + (uint)i);
            var flushed = await _pool.WriteBatchAsync(part.Object, batch, onlyIf: null, clock.Call(), cancellation).ConfigureAwait(false);
            if (flushed.Outcome != BatchOutcome.Applied) throw new NbdException(NbdError.Io, $"pool '{_pool.Name}' answered a flush with {flushed.Outcome} ({flushed.Reason})");
        }
    }

    private async ValueTask<List<uint>> PagesAsync(Piece piece, CancellationToken cancellation)
    {
        var pages = new List<uint>();
        var end = piece.First + (uint)piece.Pages;
        await foreach (var part in _pool.ListPagesAsync(piece.Object, piece.First, cancellation).ConfigureAwait(false))
        {
            pages.AddRange(part.Indexes);
            if (pages.Count > 0 && pages[^1] >= end) break;
        }

        return pages;
    }

    private bool IsCut(Piece piece) => piece.Cuts(0, PageBytes) || piece.Cuts(piece.Pages - 1, PageBytes);
}
