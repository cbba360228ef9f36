using System.Runtime.ExceptionServices;
using Grid.Client;
using Grid.Client.Frontends;
using Grid.Protocol;

namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>
/// Writes through: first the pages are flushed and their units marked, then the origin is written, then the pages are put as they are written, or flushed once more, and the marks go. A reader puts what it read of the
/// origin on the condition that none of it was put or flushed since it missed: so what it read before or during a write does not outlive the write. While a mark is there nobody puts pages of the unit: that is
/// for writers that die in the middle.
/// </summary>
/// <param name="pool">The pool.</param>
/// <param name="map">How the device lies in it.</param>
/// <param name="timeout">How long the invalidation after a write is tried.</param>
internal sealed class UnitWriter(Pool pool, UnitMap map, TimeSpan timeout)
{
    /// <summary>
    /// Pages that are being written at a time up to which they are put. An object remembers for so many absent pages since when they are absent; past that it is in doubt, and a conditional put in vain.
    /// </summary>
    private const int MostPutPages = 96;

    // Writes of this node to one unit are one after the other, so that they do not take each other for writers of another node.
    private readonly KeyedLocks<UnitId> _writing = new();
    private int _pagesInFlight;

    /// <summary>Writes a piece.</summary>
    /// <param name="piece">The piece.</param>
    /// <param name="data">Its bytes; null: they are not known here, and the pages are flushed.</param>
    /// <param name="write">Writes the origin.</param>
    /// <param name="clock">The time it has.</param>
    /// <param name="cancellation">Gives up what was not begun.</param>
    /// <exception cref="NbdException">It failed; the message says at what.</exception>
    public async ValueTask WriteAsync(WritePiece piece, ReadOnlyMemory<byte>? data, Func<ValueTask> write, RequestClock clock, CancellationToken cancellation)
    {
        var held = new List<KeyedLocks<UnitId>.Hold>();
        var pages = piece.LastPage - piece.FirstPage + 1;
        Interlocked.Add(ref _pagesInFlight, pages);
        try
        {
            // In one order, so that two writes never wait for each other.
            for (var unit = map.UnitOf(piece.FirstPage); unit <= map.UnitOf(piece.LastPage); unit++)
                held.Add(await _writing.EnterAsync(new UnitId(piece.Object, unit), cancellation).ConfigureAwait(false));
            await WriteLockedAsync(piece, data, write, clock, cancellation).ConfigureAwait(false);
        }
        finally
        {
            foreach (var hold in held) hold.Dispose();
            Interlocked.Add(ref _pagesInFlight, -pages);
        }
    }

    private async ValueTask WriteLockedAsync(WritePiece piece, ReadOnlyMemory<byte>? data, Func<ValueTask> write, RequestClock clock, CancellationToken cancellation)
    {
        var mark = UnitMark.OfWriter();
        var begun = await BeginAsync(piece, mark, clock, cancellation).ConfigureAwait(false);
        Exception? failure = null;
        try
        {
            await write().ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // Whatever it is, part of it may be written: it is thrown once the pages are invalidated.
            failure = e;
        }

        try
        {
            // Not to be given up, and with a time of its own: what was read in between must go.
            await EndAsync(piece, failure is null ? data : null, mark, begun, new RequestClock(timeout)).ConfigureAwait(false);
        }
        catch (GridException e)
        {
            var origin = failure is null ? "the origin is written" : $"the origin was being written ({failure.Message})";
            throw new NbdException(NbdError.Io, $"{origin}, but that its pages are invalid was not acknowledged by pool '{pool.Name}': {e.Message}");
        }

        if (failure is not null) ExceptionDispatchInfo.Throw(failure);
    }

    /// <summary>Flushes and marks. A refusal has flushed as well, and marks nothing.</summary>
    private async ValueTask<WriteBatchResult> BeginAsync(WritePiece piece, UnitMark mark, RequestClock clock, CancellationToken cancellation)
    {
        var batch = Flushes(piece);
        var page = mark.ToPage(map.PageBytes);
        foreach (var index in Marks(piece)) batch.Put(index, page);
        try
        {
            return await clock.RepeatAsync(() => pool.WriteBatchAsync(piece.Object, batch, onlyIf: null, clock.Call(), cancellation), cancellation).ConfigureAwait(false);
        }
        catch (GridException e)
        {
            throw new NbdException(NbdError.Io, $"the origin was not written, for its pages in pool '{pool.Name}' could not be invalidated: {e.Message}");
        }
    }

    private async ValueTask EndAsync(WritePiece piece, ReadOnlyMemory<byte>? data, UnitMark mark, WriteBatchResult begun, RequestClock clock)
    {
        var pages = piece.LastPage - piece.FirstPage + 1;
        // Where somebody else's mark was there, another write may be under way, or have ended in the middle: what the origin has in the end is not known here.
        var isAlone = begun.Outcome == BatchOutcome.Applied && Enumerable.Range(pages, Marks(piece).Count()).All(entry => !begun.Existed[entry]);
        if (isAlone && data is { } bytes && Volatile.Read(ref _pagesInFlight) <= MostPutPages)
        {
            var ended = await WriteAsync(piece.Object, WithoutMarks(piece, Puts(piece, bytes)), begun.Version, clock).ConfigureAwait(false);
            // A refusal has left all of it empty.
            if (ended.Outcome != BatchOutcome.ConditionFailed) return;
        }

        // They are not to be put, or somebody else has changed something, or the object is in doubt about that, or this was applied and not heard of: the pages go, and the marks that are this write's.
        await WriteAsync(piece.Object, Flushes(piece), null, clock).ConfigureAwait(false);
        if (begun.Outcome != BatchOutcome.Applied) return;
        var unmarked = await WriteAsync(piece.Object, WithoutMarks(piece, new WriteBatch()), begun.Version, clock).ConfigureAwait(false);
        if (unmarked.Outcome == BatchOutcome.ConditionFailed) await UnmarkAsync(piece.Object, [.. Marks(piece)], mark, clock).ConfigureAwait(false);
    }

    private ValueTask<WriteBatchResult> WriteAsync(ObjectId obj, WriteBatch batch, ObjectVersion? onlyIf, RequestClock clock) =>
        clock.RepeatAsync(() => pool.WriteBatchAsync(obj, batch, onlyIf, clock.Call(), CancellationToken.None), CancellationToken.None);

    private async ValueTask UnmarkAsync(ObjectId obj, uint[] marks, UnitMark mark, RequestClock clock)
    {
        var found = new byte[marks.Length * map.PageBytes];
        while (true)
        {
            var got = await clock.RepeatAsync(() => pool.GetBatchAsync(obj, marks, found, GetMode.Keep, onlyIf: null, clock.Call(), CancellationToken.None), CancellationToken.None).ConfigureAwait(false);
            var batch = new WriteBatch();
            for (var i = 0; i < marks.Length; i++)
                if (got.Hits[i] && UnitMark.Of(found.AsSpan(i * map.PageBytes)) == mark) batch.Flush(marks[i]);
            if (batch.Count == 0) return;
            var written = await WriteAsync(obj, batch, got.Version, clock).ConfigureAwait(false);
            // A mark that stays keeps pages out of the pool, and nothing else.
            if (written.Outcome != BatchOutcome.ConditionFailed || clock.IsOver) return;
        }
    }

    private IEnumerable<uint> Marks(WritePiece piece)
    {
        for (var unit = map.UnitOf(piece.FirstPage); unit <= map.UnitOf(piece.LastPage); unit++) yield return UnitMap.MarkOf(unit);
    }

    private WriteBatch WithoutMarks(WritePiece piece, WriteBatch batch)
    {
        foreach (var index in Marks(piece)) batch.Flush(index);
        return batch;
    }

    private static WriteBatch Flushes(WritePiece piece)
    {
        var batch = new WriteBatch();
        for (var page = piece.FirstPage; page <= piece.LastPage; page++) batch.Flush((uint)page);
        return batch;
    }

    /// <summary>Puts the pages that are whole, and flushes those that are cut: what else they hold is not known here.</summary>
    private WriteBatch Puts(WritePiece piece, ReadOnlyMemory<byte> data)
    {
        var batch = new WriteBatch();
        var inObject = piece.Offset % NbdExport.ObjectBytes;
        for (var page = piece.FirstPage; page <= piece.LastPage; page++)
        {
            var at = ((long)page * map.PageBytes) - inObject;
            if (at >= 0 && at + map.PageBytes <= piece.Bytes) batch.Put((uint)page, data.Slice((int)at, map.PageBytes));
            else batch.Flush((uint)page);
        }

        return batch;
    }
}
