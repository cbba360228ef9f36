using System.Buffers;
using Grid.Protocol;
using Microsoft.Extensions.Logging;

namespace Grid.Client;

/// <summary>
/// The few operations on pages that the cache is made of. Every change of a slot is one batch on the condition that nobody changed the slot since it was read; pages that the slot names no more
/// are flushed with it, or, if they are too many, right after it.
/// </summary>
internal sealed class CachePages(Pool pool, int roomBits, ILogger logger)
{
    public int PageBytes => pool.PageSizeBytes;

    public string PoolName => pool.Name;

    /// <summary>The binary logarithm of how many pages of values an object has room for.</summary>
    public int RoomBits => roomBits;

    /// <summary>The most pages of a batch.</summary>
    public int BatchPages { get; } = Math.Min(ProtocolLimits.MaxBatchPages, ProtocolLimits.MaxBatchBytes / pool.PageSizeBytes);

    /// <summary>Reads a slot and, at the same instant, whether none of some pages is there.</summary>
    /// <param name="at">The slot.</param>
    /// <param name="wanted">The pages: at most one less than <see cref="BatchPages"/>.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="GridException">It failed, or the page is no slot.</exception>
    public async ValueTask<SlotView> ReadSlotAsync(SlotAddress at, PageRun wanted, CancellationToken cancellationToken)
    {
        // Pages of others that are in the way come along: room for them all.
        var buffer = ArrayPool<byte>.Shared.Rent((1 + wanted.Count) * PageBytes);
        try
        {
            bool isHit;
            var isFree = true;
            ObjectVersion version;
            if (wanted.Count == 0)
            {
                (isHit, version) = await pool.GetAsync(at.Object, at.Index, buffer, GetMode.Keep, null, cancellationToken).ConfigureAwait(false);
            }
            else
            {
                var indexes = new uint[1 + wanted.Count];
                indexes[0] = at.Index;
                for (var i = 0; i < wanted.Count; i++) indexes[i + 1] = wanted[i];
                var result = await pool.GetBatchAsync(at.Object, indexes, buffer, GetMode.Keep, null, null, cancellationToken).ConfigureAwait(false);
                isHit = result.Hits[0];
                isFree = result.Hits.Count == (isHit ? 1 : 0);
                version = result.Version;
            }

            return new SlotView(buffer, isHit ? Parse(at, buffer.AsMemory(0, PageBytes)) : CacheSlot.Empty, version, isFree);
        }
        catch
        {
            ArrayPool<byte>.Shared.Return(buffer);
            throw;
        }
    }

    /// <summary>Whether none of some pages is there, and the version at which that was so.</summary>
    public async ValueTask<(bool IsFree, ObjectVersion Version)> AreFreeAsync(ObjectId obj, PageRun run, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(run.Count * PageBytes);
        try
        {
            var result = await pool.GetBatchAsync(obj, Indexes(run), buffer, GetMode.Keep, null, null, cancellationToken).ConfigureAwait(false);
            return (result.Hits.Count == 0, result.Version);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Reads a run of at most <see cref="BatchPages"/> pages, on the condition that none of them was changed since the version.</summary>
    public ValueTask<GetBatchResult> ReadRunAsync(ObjectId obj, PageRun run, Memory<byte> destination, ObjectVersion onlyIf, CancellationToken cancellationToken) =>
        pool.GetBatchAsync(obj, Indexes(run), destination, GetMode.Keep, onlyIf, null, cancellationToken);

    /// <summary>Puts a run of pages of a value, on the condition that nobody changed any of these handles since the version.</summary>
    public ValueTask<WriteBatchResult> WriteRunAsync(ObjectId obj, PageRun run, PagedValue value, int firstPage, ObjectVersion onlyIf, CancellationToken cancellationToken)
    {
        var batch = new WriteBatch();
        for (var i = 0; i < run.Count; i++) batch.Put(run[i], value[firstPage + i]);
        return pool.WriteBatchAsync(obj, batch, onlyIf, null, cancellationToken);
    }

    /// <summary>
    /// Puts a slot in place of the one that was read, if nobody changed it, and with it the pages of a run; flushes the pages of entries that are gone. A refusal leaves the slot empty:
    /// then the pages of all its entries are flushed.
    /// </summary>
    /// <param name="at">The slot.</param>
    /// <param name="was">The slot as it was read.</param>
    /// <param name="now">The slot as it is to be.</param>
    /// <param name="run">Pages to put with it: at most one less than <see cref="BatchPages"/>.</param>
    /// <param name="value">What these pages hold.</param>
    /// <param name="firstPage">The number of the first of them in the value.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="GridException">It failed.</exception>
    public async ValueTask<BatchOutcome> ReplaceAsync(
        SlotAddress at, SlotView was, CacheSlot now, PageRun run, PagedValue? value, int firstPage, CancellationToken cancellationToken)
    {
        var page = ArrayPool<byte>.Shared.Rent(PageBytes);
        try
        {
            var batch = new WriteBatch();
            if (now.Entries.Count > 0)
            {
                now.Write(page.AsSpan(0, PageBytes));
                batch.Put(at.Index, page.AsMemory(0, PageBytes));
            }
            else
            {
                batch.Flush(at.Index);
            }

            for (var i = 0; i < run.Count; i++) batch.Put(run[i], value![firstPage + i]);
            var gone = was.Slot.RunsGoneIn(now, PageBytes).SelectMany(Indexes).ToArray();
            var withIt = Math.Min(gone.Length, ProtocolLimits.MaxBatchPages - batch.Count);
            for (var i = 0; i < withIt; i++) batch.Flush(gone[i]);
            var result = await pool.WriteBatchAsync(at.Object, batch, was.Version, null, cancellationToken).ConfigureAwait(false);
            if (result.Outcome == BatchOutcome.Refused)
            {
                logger.Refused(pool.Name, result.Reason);
                gone = [.. was.Slot.RunsGoneIn(CacheSlot.Empty, PageBytes).SelectMany(Indexes)];
                withIt = 0;
            }

            if (result.Outcome != BatchOutcome.ConditionFailed) await ClearAsync(at.Object, gone.AsMemory(withIt), result.Version, cancellationToken).ConfigureAwait(false);
            return result.Outcome;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(page);
        }
    }

    /// <summary>Flushes pages, unless somebody put, flushed or took them since the version.</summary>
    /// <returns>How many pages the batches held that were applied.</returns>
    public async ValueTask<int> FlushAsync(ObjectId obj, ReadOnlyMemory<uint> indexes, ObjectVersion onlyIf, CancellationToken cancellationToken)
    {
        var flushed = 0;
        for (var at = 0; at < indexes.Length; at += BatchPages)
        {
            var piece = indexes[at..Math.Min(indexes.Length, at + BatchPages)];
            if (await TryFlushAsync(obj, piece, onlyIf, cancellationToken).ConfigureAwait(false))
            {
                flushed += piece.Length;
                continue;
            }

            // Of pages that are not there the node may not be able to tell whether they changed since; of those that are it is.
            var there = await ThereAsync(obj, piece, cancellationToken).ConfigureAwait(false);
            if (there.Length > 0 && await TryFlushAsync(obj, there, onlyIf, cancellationToken).ConfigureAwait(false)) flushed += there.Length;
        }

        return flushed;
    }

    /// <summary>The object's pages from an index on.</summary>
    public IAsyncEnumerable<PageList> ListAsync(ObjectId obj, uint from, CancellationToken cancellationToken) => pool.ListPagesAsync(obj, from, cancellationToken);

    /// <summary>Reads one page as it is.</summary>
    public ValueTask<GetResult> GetAsync(ObjectId obj, uint index, Memory<byte> page, CancellationToken cancellationToken) =>
        pool.GetAsync(obj, index, page, GetMode.Keep, null, cancellationToken);

    /// <summary>Puts one page, on the condition that nobody changed it since the version.</summary>
    public async ValueTask<bool> PutAsync(ObjectId obj, uint index, ReadOnlyMemory<byte> page, ObjectVersion onlyIf, CancellationToken cancellationToken) =>
        (await pool.WriteBatchAsync(obj, new WriteBatch().Put(index, page), onlyIf, null, cancellationToken).ConfigureAwait(false)).Outcome == BatchOutcome.Applied;

    public static uint[] Indexes(PageRun run)
    {
        var indexes = new uint[run.Count];
        for (var i = 0; i < indexes.Length; i++) indexes[i] = run[i];
        return indexes;
    }

    /// <summary>Flushes what no entry names any more. The change it belongs to has taken effect: what fails here is garbage that the sweep finds, no failure of that change.</summary>
    public async ValueTask ClearAsync(ObjectId obj, ReadOnlyMemory<uint> indexes, ObjectVersion onlyIf, CancellationToken cancellationToken)
    {
        try
        {
            await FlushAsync(obj, indexes, onlyIf, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is GridException or OperationCanceledException)
        {
            logger.PagesLeft(indexes.Length, pool.Name, obj, e);
        }
    }

    private async ValueTask<bool> TryFlushAsync(ObjectId obj, ReadOnlyMemory<uint> indexes, ObjectVersion onlyIf, CancellationToken cancellationToken)
    {
        var batch = new WriteBatch();
        foreach (var index in indexes.Span) batch.Flush(index);
        return (await pool.WriteBatchAsync(obj, batch, onlyIf, null, cancellationToken).ConfigureAwait(false)).Outcome == BatchOutcome.Applied;
    }

    /// <summary>Those of some pages that are there: at most <see cref="BatchPages"/>.</summary>
    private async ValueTask<uint[]> ThereAsync(ObjectId obj, ReadOnlyMemory<uint> indexes, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(indexes.Length * PageBytes);
        try
        {
            var result = await pool.GetBatchAsync(obj, indexes, buffer, GetMode.Keep, null, null, cancellationToken).ConfigureAwait(false);
            return [.. indexes.ToArray().Where((_, i) => result.Hits[i])];
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private CacheSlot Parse(SlotAddress at, ReadOnlyMemory<byte> page)
    {
        try
        {
            return CacheSlot.Read(page);
        }
        catch (FormatException e)
        {
            throw new GridException(
                $"Page {at.Index} of object {at.Object} in pool '{pool.Name}' is not a cache's: {e.Message}. Something else writes into this pool; give the cache one of its own.", CallOutcome.NotApplied, e);
        }
    }
}
