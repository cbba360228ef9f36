using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics;
using Grid.Client;
using Grid.Client.Frontends;
using Grid.Protocol;

namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>
/// Reads what is missing of a unit from the origin, and puts it on the condition that none of it was put or flushed since. Who reads says so with a mark, and readers of other nodes wait for the pages: so a page is read from
/// the origin once. The mark is renewed while the origin takes its time; one that is not renewed is nobody's any more.
/// </summary>
/// <param name="pool">The pool.</param>
/// <param name="map">How the device lies in it.</param>
/// <param name="origin">The origin.</param>
/// <param name="limits">How long is waited for what.</param>
internal sealed class UnitReader(Pool pool, UnitMap map, IDeviceOrigin origin, OriginLimits limits)
{
    // One caller fetches, the others find the pages then. Writers have locks of their own: a read does not wait for a write that waits for the grid.
    private readonly KeyedLocks<UnitId> _fetching = new();
    private readonly CallOptions _trusting = new() { Timeout = limits.CacheTimeout };
    private readonly CallOptions _suspecting = new() { Timeout = limits.SuspectTimeout };

    // When the grid failed last for an object from which nothing was heard since.
    private readonly ConcurrentDictionary<ObjectId, long> _suspects = new();
    private readonly ConcurrentDictionary<UnitId, (UnitMark Mark, long Since)> _stuck = new();

    /// <summary>Whether the grid failed for an object a moment ago: reads of it go to the origin for a while.</summary>
    public bool IsPaused(ObjectId obj) => _suspects.TryGetValue(obj, out var since) && Stopwatch.GetElapsedTime(since) < limits.PauseAfterFailure;

    /// <summary>Notes that the grid failed for an object.</summary>
    public void Suspect(ObjectId obj) => _suspects[obj] = Stopwatch.GetTimestamp();

    /// <summary>Notes that the grid answered for an object.</summary>
    public void Trust(ObjectId obj)
    {
        if (!_suspects.IsEmpty) _suspects.TryRemove(obj, out _);
    }

    /// <summary>How an object is asked.</summary>
    public CallOptions Call(ObjectId obj) => _suspects.ContainsKey(obj) ? _suspecting : _trusting;

    /// <summary>Reads some pages of a unit.</summary>
    /// <param name="part">The number of the object.</param>
    /// <param name="unit">The unit.</param>
    /// <param name="first">The first page of it.</param>
    /// <param name="pages">What is filled.</param>
    /// <param name="clock">The time it has.</param>
    /// <param name="cancellation">Gives up.</param>
    public async ValueTask ReadAsync(long part, UnitId unit, int first, Memory<byte> pages, RequestClock clock, CancellationToken cancellation)
    {
        if (IsPaused(unit.Object))
        {
            await ReadOriginAsync(part, unit, first, pages, clock, cancellation).ConfigureAwait(false);
            return;
        }

        using var held = await _fetching.EnterAsync(unit, cancellation).ConfigureAwait(false);
        var buffer = ArrayPool<byte>.Shared.Rent(UnitMap.UnitBytes + map.PageBytes);
        try
        {
            if (IsPaused(unit.Object) || !await TryThroughGridAsync(part, unit, first, pages.Length / map.PageBytes, buffer, clock, cancellation).ConfigureAwait(false))
                await ReadOriginAsync(part, unit, first, pages, clock, cancellation).ConfigureAwait(false);
            else buffer.AsMemory(first * map.PageBytes, pages.Length).CopyTo(pages);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Gets a unit's pages, or fetches those that are missing. False where pages may not or cannot be put: the origin is to be read, and that is all.</summary>
    private async ValueTask<bool> TryThroughGridAsync(long part, UnitId unit, int first, int count, byte[] buffer, RequestClock clock, CancellationToken cancellation)
    {
        var pages = map.PagesOf(part, unit.Number);
        uint[] indexes = [.. Enumerable.Range(unit.Number * map.UnitPages, pages).Select(page => (uint)page), UnitMap.MarkOf(unit.Number)];
        var (seen, since) = (default(UnitMark), Stopwatch.GetTimestamp());
        var wait = limits.FirstWait;
        try
        {
            while (true)
            {
                var got = await pool.GetBatchAsync(unit.Object, indexes, buffer.AsMemory(0, indexes.Length * map.PageBytes), GetMode.Keep, onlyIf: null, Call(unit.Object), cancellation).ConfigureAwait(false);
                Trust(unit.Object);
                if (Enumerable.Range(first, count).All(page => got.Hits[page])) return true;
                var mark = got.Hits[pages] ? UnitMark.Of(buffer.AsSpan(pages * map.PageBytes)) : default;
                if (mark.IsWriters && !IsStuck(unit, mark)) return false;
                if (mark.IsThere && !mark.IsWriters)
                {
                    if (mark != seen) (seen, since) = (mark, Stopwatch.GetTimestamp());
                    if (Stopwatch.GetElapsedTime(since) < limits.ClaimTimeout)
                    {
                        if (clock.IsOver) return false;
                        await Task.Delay(wait, cancellation).ConfigureAwait(false);
                        if (wait < limits.LongestWait) wait *= 2;
                        continue;
                    }
                }

                var claim = UnitMark.OfReader();
                var claimed = await pool.WriteBatchAsync(unit.Object, new WriteBatch().Put(indexes[pages], claim.ToPage(map.PageBytes)), got.Version, Call(unit.Object), cancellation).ConfigureAwait(false);
                if (claimed.Outcome == BatchOutcome.ConditionFailed) continue;
                _stuck.TryRemove(unit, out _);
                await FetchAsync(part, unit, indexes, got.Hits, buffer, claim, claimed, clock, cancellation).ConfigureAwait(false);
                return true;
            }
        }
        catch (GridException)
        {
            Suspect(unit.Object);
            return false;
        }
    }

    private async ValueTask FetchAsync(long part, UnitId unit, uint[] indexes, BatchBits hits, byte[] buffer, UnitMark claim, WriteBatchResult claimed, RequestClock clock, CancellationToken cancellation)
    {
        var pages = indexes.Length - 1;
        var version = claimed.Version;
        var isClaimed = claimed.Outcome == BatchOutcome.Applied;
        var reading = ReadMissingAsync(part, unit, pages, hits, buffer, clock, cancellation);
        try
        {
            while (await Task.WhenAny(reading, Task.Delay(limits.RenewAfter, CancellationToken.None)).ConfigureAwait(false) != reading)
                if (isClaimed) (claim, version, isClaimed) = await RenewAsync(unit, indexes, hits, claim, version).ConfigureAwait(false);
            await reading.ConfigureAwait(false);
        }
        catch
        {
            // The buffer is the origin's as long as it reads.
            await reading.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await UnclaimAsync(unit, indexes[pages], claim, version).ConfigureAwait(false);
            throw;
        }

        var batch = new WriteBatch();
        for (var page = 0; page < pages; page++)
            if (!hits[page]) batch.Put(indexes[page], buffer.AsMemory(page * map.PageBytes, map.PageBytes));
        batch.Flush(indexes[pages]);
        try
        {
            var put = await pool.WriteBatchAsync(unit.Object, batch, version, Call(unit.Object), cancellation).ConfigureAwait(false);
            if (put.Outcome == BatchOutcome.ConditionFailed) await UnclaimAsync(unit, indexes[pages], claim, version).ConfigureAwait(false);
        }
        catch (GridException)
        {
            // What was read is right; it is only not there for others. Who waits for it finds out when the mark is not renewed.
            Suspect(unit.Object);
        }
    }

    /// <summary>Reads the runs of pages that missed.</summary>
    private async Task ReadMissingAsync(long part, UnitId unit, int pages, BatchBits hits, byte[] buffer, RequestClock clock, CancellationToken cancellation)
    {
        for (var at = 0; at < pages;)
        {
            var end = at;
            while (end < pages && !hits[end]) end++;
            if (end > at) await ReadOriginAsync(part, unit, at, buffer.AsMemory(at * map.PageBytes, (end - at) * map.PageBytes), clock, cancellation).ConfigureAwait(false);
            at = end + 1;
        }
    }

    /// <summary>Reads pages of a unit; what lies behind the device's end is zero.</summary>
    private async ValueTask ReadOriginAsync(long part, UnitId unit, int first, Memory<byte> pages, RequestClock clock, CancellationToken cancellation)
    {
        var offset = UnitMap.OffsetOf(part, unit.Number) + ((long)first * map.PageBytes);
        var bytes = (int)Math.Min(pages.Length, map.SizeBytes - offset);
        await origin.ReadAsync(offset, pages[..bytes], clock, cancellation).ConfigureAwait(false);
        pages.Span[bytes..].Clear();
    }

    /// <summary>Puts another mark in the place of the one there is, on the condition that neither it nor a page that is to be put has been changed: from its version on, only what comes later counts.</summary>
    private async ValueTask<(UnitMark Claim, ObjectVersion Version, bool IsClaimed)> RenewAsync(UnitId unit, uint[] indexes, BatchBits hits, UnitMark claim, ObjectVersion version)
    {
        var next = UnitMark.OfReader();
        var batch = new WriteBatch();
        for (var page = 0; page < indexes.Length - 1; page++)
            if (!hits[page]) batch.Flush(indexes[page]);
        try
        {
            var renewed = await pool.WriteBatchAsync(unit.Object, batch.Put(indexes[^1], next.ToPage(map.PageBytes)), version, Call(unit.Object)).ConfigureAwait(false);
            // Where it did not apply, the version of before stays the condition of the put, which will not hold either.
            return renewed.Outcome == BatchOutcome.Applied ? (next, renewed.Version, true) : (claim, version, false);
        }
        catch (GridException)
        {
            return (claim, version, false);
        }
    }

    /// <summary>Takes a claim away, so that others need not wait. Where it fails they wait a little longer.</summary>
    private async ValueTask UnclaimAsync(UnitId unit, uint index, UnitMark claim, ObjectVersion version)
    {
        try
        {
            var flushed = await pool.WriteBatchAsync(unit.Object, new WriteBatch().Flush(index), version, Call(unit.Object)).ConfigureAwait(false);
            if (flushed.Outcome != BatchOutcome.ConditionFailed) return;
            var page = new byte[map.PageBytes];
            var got = await pool.GetAsync(unit.Object, index, page, GetMode.Keep, Call(unit.Object)).ConfigureAwait(false);
            if (got.Hit && UnitMark.Of(page) == claim) await pool.WriteBatchAsync(unit.Object, new WriteBatch().Flush(index), got.Version, Call(unit.Object)).ConfigureAwait(false);
        }
        catch (GridException)
        {
            Suspect(unit.Object);
        }
    }

    /// <summary>Whether a writer's mark has been seen for longer than any write takes: its writer has died.</summary>
    private bool IsStuck(UnitId unit, UnitMark mark)
    {
        const int Most = 4096;
        if (_stuck.Count > Most) _stuck.Clear();
        var known = _stuck.AddOrUpdate(unit, _ => (mark, Stopwatch.GetTimestamp()), (_, old) => old.Mark == mark ? old : (mark, Stopwatch.GetTimestamp()));
        return Stopwatch.GetElapsedTime(known.Since) > limits.MarkTimeout;
    }
}
