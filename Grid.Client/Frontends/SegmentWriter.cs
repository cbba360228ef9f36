using System.Runtime.ExceptionServices;
using System.Security.Cryptography;
using Grid.Protocol;

namespace Grid.Client.Frontends;

/// <summary>
/// Writes bytes of one segment through: first its pages are flushed and the segment's mark is put, then the origin is written, then the pages are flushed once more and the mark goes. While the mark is there nobody puts
/// pages of the segment; so what a reader has read from the origin while it was being written does not stay, also where this process ends in the middle.
/// </summary>
internal sealed class SegmentWriter(Pool pool, IOrigin origin, CachedFileOptions options)
{
    private const int MarkBytes = 16;
    private readonly CallOptions _call = new() { Timeout = options.InvalidateTimeout, AtLeastOnce = true };

    /// <exception cref="GridException">An invalidation was not acknowledged; the message says whether the origin has been written.</exception>
    public async ValueTask WriteAsync(SegmentMap map, long offset, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        var segment = SegmentMap.SegmentOf(offset);
        var obj = map.ObjectOf(segment);
        var (first, last) = ((uint)(offset / map.PageSizeBytes), (uint)((offset + data.Length - 1) / map.PageSizeBytes));
        var mark = new byte[map.PageSizeBytes];
        RandomNumberGenerator.Fill(mark.AsSpan(0, MarkBytes));
        var begun = await BeginAsync(obj, segment, first, last, mark, cancellationToken).ConfigureAwait(false);
        Exception? failure = null;
        try
        {
            await origin.WriteAsync(offset, data, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e)
        {
            // Whatever it is, part of it may be written: it is thrown once the pages are invalidated.
            failure = e;
        }

        try
        {
            // Not to be given up: what was read in between must go.
            await EndAsync(obj, segment, first, last, mark, begun, CancellationToken.None).ConfigureAwait(false);
        }
        catch (GridException e)
        {
            throw new OutcomeUnknownException(
                $"{origin.Name}: bytes {offset} to {offset + data.Length - 1} {(failure is null ? "are written" : $"were being written ({failure.Message})")}, but the invalidation after it was not acknowledged: repeat the write. {e.Message}", e);
        }

        if (failure is not null) ExceptionDispatchInfo.Throw(failure);
    }

    private async ValueTask<WriteBatchResult> BeginAsync(ObjectId obj, long segment, uint first, uint last, byte[] mark, CancellationToken cancellationToken)
    {
        try
        {
            return await pool.WriteBatchAsync(obj, Flushes(first, last).Put(SegmentMap.MarkOf(segment), mark), null, _call, cancellationToken).ConfigureAwait(false);
        }
        catch (GridException e)
        {
            throw new GridException($"{origin.Name}: nothing was written, for its pages in the grid could not be invalidated: {e.Message}", CallOutcome.NotApplied, e);
        }
    }

    private async ValueTask EndAsync(ObjectId obj, long segment, uint first, uint last, byte[] mark, WriteBatchResult begun, CancellationToken cancellationToken)
    {
        var markIndex = SegmentMap.MarkOf(segment);
        if (begun.Outcome == BatchOutcome.Applied)
        {
            var ended = await pool.WriteBatchAsync(obj, Flushes(first, last).Flush(markIndex), begun.Version, _call, cancellationToken).ConfigureAwait(false);
            if (ended.Outcome == BatchOutcome.Applied) return;
        }

        // Refused at the beginning, or the owner has changed, or another writer is at work: the pages go, and the mark if it is this one's.
        await pool.WriteBatchAsync(obj, Flushes(first, last), null, _call, cancellationToken).ConfigureAwait(false);
        var found = new byte[mark.Length];
        var got = await pool.GetAsync(obj, markIndex, found, GetMode.Keep, _call, cancellationToken).ConfigureAwait(false);
        if (got.Hit && found.AsSpan().SequenceEqual(mark))
            await pool.WriteBatchAsync(obj, new WriteBatch().Flush(markIndex), got.Version, _call, cancellationToken).ConfigureAwait(false);
    }

    private static WriteBatch Flushes(uint first, uint last)
    {
        var batch = new WriteBatch();
        for (var index = first; index <= last; index++) batch.Flush(index);
        return batch;
    }
}
