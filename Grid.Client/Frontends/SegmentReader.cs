using System.Buffers;

namespace Grid.Client.Frontends;

/// <summary>
/// Reads pages of one segment: from the grid, and what misses there from the origin. What was read is put under the condition that none of its pages was put or flushed, and no write of the
/// segment was begun, since they missed: so it is never older than what a writer has invalidated.
/// </summary>
internal sealed class SegmentReader(Pool pool, IOrigin origin, CachedFileOptions options, CachedFileCounts counts)
{
    private readonly KeyedLocks<long> _fetching = new();
    private readonly CallOptions _call = new() { Timeout = options.CacheTimeout };

    /// <summary>Fills the buffer with pages, whole ones; past the end of the file, with zeros.</summary>
    public async ValueTask ReadAsync(OriginState state, SegmentMap map, long segment, int first, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        var count = buffer.Length / map.PageSizeBytes;
        if (state.IsCertain && !counts.IsPaused)
        {
            if (await TryGetAsync(map, segment, first, count, buffer, cancellationToken).ConfigureAwait(false)) return;
            // One caller fetches, the others find the pages then: the origin is asked once.
            using var held = await _fetching.EnterAsync(segment, cancellationToken).ConfigureAwait(false);
            if (await TryFetchAsync(state, map, segment, first, count, buffer, cancellationToken).ConfigureAwait(false)) return;
        }

        counts.Asked(0, count);
        await ReadOriginAsync(state, map, segment, first, buffer, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Asks the grid for pages; whether all of them were there.</summary>
    private async ValueTask<bool> TryGetAsync(SegmentMap map, long segment, int first, int count, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        try
        {
            var got = await pool.GetBatchAsync(map.ObjectOf(segment), Indexes(map, segment, first, count), buffer, GetMode.Keep, options: _call, cancellationToken: cancellationToken).ConfigureAwait(false);
            if (got.Hits.Count < count) return false;
            counts.Asked(count, 0);
            return true;
        }
        catch (GridException e)
        {
            counts.CacheFailed(e);
            return false;
        }
    }

    /// <summary>Reads what is missing, with some of its neighbours, from the origin, and puts it. False where the grid could not even be asked.</summary>
    private async ValueTask<bool> TryFetchAsync(OriginState state, SegmentMap map, long segment, int first, int count, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        if (counts.IsPaused) return false;
        var (from, fetch) = Around(state, map, segment, first, count);
        var indexes = Indexes(map, segment, from, fetch);
        if (origin.IsWritable) indexes = [.. indexes, SegmentMap.MarkOf(segment)];
        var rented = ArrayPool<byte>.Shared.Rent(indexes.Length * map.PageSizeBytes);
        try
        {
            GetBatchResult got;
            try
            {
                got = await pool.GetBatchAsync(map.ObjectOf(segment), indexes, rented, GetMode.Keep, options: _call, cancellationToken: cancellationToken).ConfigureAwait(false);
            }
            catch (GridException e)
            {
                counts.CacheFailed(e);
                return false;
            }

            var missing = Enumerable.Range(first - from, count).Count(at => !got.Hits[at]);
            if (missing > 0)
            {
                var isBeingWritten = origin.IsWritable && got.Hits[fetch];
                await FetchMissingAsync(state, map, segment, from, fetch, got, rented, cancellationToken).ConfigureAwait(false);
                await PutAsync(map, segment, from, fetch, got, rented, isBeingWritten, cancellationToken).ConfigureAwait(false);
            }

            counts.Asked(count - missing, missing);
            rented.AsMemory((first - from) * map.PageSizeBytes, buffer.Length).CopyTo(buffer);
            return true;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    /// <summary>Reads the runs of pages that missed.</summary>
    private async ValueTask FetchMissingAsync(OriginState state, SegmentMap map, long segment, int from, int fetch, GetBatchResult got, byte[] pages, CancellationToken cancellationToken)
    {
        for (var at = 0; at < fetch;)
        {
            var end = at;
            while (end < fetch && !got.Hits[end]) end++;
            if (end > at)
            {
                var run = pages.AsMemory(at * map.PageSizeBytes, (end - at) * map.PageSizeBytes);
                await ReadOriginAsync(state, map, segment, from + at, run, cancellationToken).ConfigureAwait(false);
            }

            at = end + 1;
        }
    }

    private async ValueTask PutAsync(SegmentMap map, long segment, int from, int fetch, GetBatchResult got, byte[] pages, bool isBeingWritten, CancellationToken cancellationToken)
    {
        var batch = new WriteBatch();
        for (var at = 0; at < fetch; at++)
            if (!got.Hits[at]) batch.Put(IndexOf(map, segment, from + at), pages.AsMemory(at * map.PageSizeBytes, map.PageSizeBytes));
        var puts = batch.Count;
        var stored = false;
        if (!isBeingWritten)
        {
            // Being in the batch, the mark is in the condition: there was none, and there is none.
            if (origin.IsWritable) batch.Flush(SegmentMap.MarkOf(segment));
            try
            {
                stored = (await pool.WriteBatchAsync(map.ObjectOf(segment), batch, got.Version, _call, cancellationToken).ConfigureAwait(false)).Outcome == BatchOutcome.Applied;
            }
            catch (GridException e)
            {
                counts.CacheFailed(e);
            }
        }

        counts.Put(puts, stored);
    }

    private async ValueTask ReadOriginAsync(OriginState state, SegmentMap map, long segment, int first, Memory<byte> pages, CancellationToken cancellationToken)
    {
        var offset = (segment * SegmentMap.SegmentBytes) + ((long)first * map.PageSizeBytes);
        counts.ReadOrigin(pages.Length / map.PageSizeBytes);
        var read = await origin.ReadAsync(state, offset, pages, cancellationToken).ConfigureAwait(false);
        // One that is written may have grown meanwhile, never shrunk.
        if (read < Math.Min(pages.Length, state.LengthBytes - offset))
            throw new OriginChangedException($"{origin.Name} ends at byte {offset + read}, it had {state.LengthBytes} bytes: refresh, and read again.");
        pages.Span[read..].Clear();
    }

    /// <summary>The pages to fetch together with these: aligned, of this segment, of the file.</summary>
    private (int From, int Count) Around(OriginState state, SegmentMap map, long segment, int first, int count)
    {
        var unit = Math.Min(options.FetchPages, map.Pages);
        var inFile = (state.LengthBytes - (segment * SegmentMap.SegmentBytes) + map.PageSizeBytes - 1) / map.PageSizeBytes;
        var from = first / unit * unit;
        var end = (int)Math.Min(Math.Min((first + count + unit - 1) / unit * unit, map.Pages), Math.Max(inFile, first + count));
        return (from, end - from);
    }

    private static uint IndexOf(SegmentMap map, long segment, int page) => (uint)((segment * map.Pages) + page);

    private static uint[] Indexes(SegmentMap map, long segment, int first, int count)
    {
        var indexes = new uint[count];
        for (var i = 0; i < count; i++) indexes[i] = IndexOf(map, segment, first + i);
        return indexes;
    }
}
