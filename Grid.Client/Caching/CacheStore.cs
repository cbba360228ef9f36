using System.Buffers;
using Microsoft.Extensions.Logging;

namespace Grid.Client;

/// <summary>What became of a value that was to be stored.</summary>
internal enum CacheSetOutcome
{
    /// <summary>It is there, or was and has been replaced or removed by somebody since.</summary>
    Stored,

    /// <summary>The pool takes no more: it is not there, and what was under the key is not either.</summary>
    Refused,

    /// <summary>It was to be stored only if nothing was there, and something is.</summary>
    Present,
}

/// <summary>
/// Values under keys, in a pool. A value is an entry in a slot, read and changed as one page, and, if it does not fit in there, pages of the same object that only this entry names.
/// Pages are put before the entry that names them is, and are never changed while one does; who reads them does it on the condition that they have not been since it read the entry. So nobody sees a
/// value that is not whole. Every change is conditional, and every value has an id: whether a change of unknown outcome was made can be read.
/// </summary>
internal sealed class CacheStore : IAsyncDisposable
{
    private readonly GridCacheOptions _options;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CacheLayout _layout;
    private readonly CacheConnection _connection;
    private readonly CacheSweeper _sweeper;

    public CacheStore(GridCacheOptions options, TimeProvider time, ILogger logger)
    {
        _options = options;
        _time = time;
        _logger = logger;
        _layout = new CacheLayout(options.Objects, options.SlotBits, options.InstanceName);
        _connection = new CacheConnection(options, logger);
        _sweeper = new CacheSweeper(_connection, _layout, options.SweepInterval, time, logger);
    }

    public DateTimeOffset Now => _time.GetUtcNow();

    public CacheSweeper Sweeper => _sweeper;

    public CacheKey Locate(CacheDomain domain, string key) => _layout.Locate(domain, key);

    /// <summary>Whether reading a value of a distributed cache renews its sliding expiration.</summary>
    public bool RenewsOnGet => _options.RenewOnGet;

    /// <summary>The value under a key, to be disposed; null where there is none.</summary>
    public async ValueTask<CacheValue?> GetAsync(CacheKey key, bool renews, CancellationToken cancellationToken)
    {
        while (true)
        {
            var pages = await OpenAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                return await GetAsync(pages, key, renews, cancellationToken).ConfigureAwait(false);
            }
            catch (NoSuchPoolException) when (_connection.Forget(pages))
            {
                // Destroyed since it was opened: looked for, or created, anew.
            }
        }
    }

    /// <summary>Stores a value. The caller's memory is the caller's again when the call has ended.</summary>
    public async ValueTask<CacheSetOutcome> SetAsync(CacheKey key, ReadOnlySequence<byte> value, CacheLifetime lifetime, bool onlyIfAbsent, CancellationToken cancellationToken)
    {
        if (value.Length > _options.MaxValueBytes)
            throw new ArgumentException($"The value has {value.Length} bytes, MaxValueBytes allows {_options.MaxValueBytes}.", nameof(value));
        while (true)
        {
            var pages = await OpenAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                using var paged = new PagedValue(value, pages.PageBytes);
                return await new CacheWrite(pages, key, paged, lifetime, onlyIfAbsent, _time).RunAsync(cancellationToken).ConfigureAwait(false);
            }
            catch (NoSuchPoolException) when (_connection.Forget(pages))
            {
                // As above.
            }
        }
    }

    /// <summary>Removes what is under a key; with an id, only that value.</summary>
    public async ValueTask RemoveAsync(CacheKey key, ulong? id, CancellationToken cancellationToken)
    {
        while (true)
        {
            var pages = await OpenAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                await RemoveAsync(pages, key, id, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (NoSuchPoolException) when (_connection.Forget(pages))
            {
                // As above.
            }
        }
    }

    /// <summary>Renews a sliding expiration, if there is a value and it has one.</summary>
    public async ValueTask RefreshAsync(CacheKey key, CancellationToken cancellationToken)
    {
        while (true)
        {
            var pages = await OpenAsync(cancellationToken).ConfigureAwait(false);
            try
            {
                await RefreshAsync(pages, key, null, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (NoSuchPoolException) when (_connection.Forget(pages))
            {
                // As above.
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _sweeper.DisposeAsync().ConfigureAwait(false);
        await _connection.DisposeAsync().ConfigureAwait(false);
    }

    private async ValueTask<CachePages> OpenAsync(CancellationToken cancellationToken)
    {
        var pages = await _connection.OpenAsync(cancellationToken).ConfigureAwait(false);
        _sweeper.Begin();
        return pages;
    }

    private async ValueTask<CacheValue?> GetAsync(CachePages pages, CacheKey key, bool renews, CancellationToken cancellationToken)
    {
        for (var turn = new Turns("reading"); ; await turn.NextAsync(cancellationToken).ConfigureAwait(false))
        {
            using var view = await pages.ReadSlotAsync(key.At, default, cancellationToken).ConfigureAwait(false);
            if (view.Slot.Find(key.Hash) is not { } entry) return null;
            var now = Now.UtcTicks;
            var (isWhole, value) = entry.Lifetime.IsOver(now) ? (false, null) : await ReadAsync(pages, key, view, entry, cancellationToken).ConfigureAwait(false);
            if (value is not null)
            {
                if (renews && entry.Lifetime.WantsRenewal(now)) await RenewAsync(pages, key, entry.Id, cancellationToken).ConfigureAwait(false);
                return value;
            }

            if (!isWhole)
            {
                await DropAsync(pages, key, view, entry, cancellationToken).ConfigureAwait(false);
                return null;
            }
        }
    }

    /// <summary>Reads a value. Not whole: pages of it are gone for good. Whole, but none: it was replaced while it was read.</summary>
    private static async ValueTask<(bool IsWhole, CacheValue? Value)> ReadAsync(
        CachePages pages, CacheKey key, SlotView view, CacheEntry entry, CancellationToken cancellationToken)
    {
        if (entry.State == CacheEntryState.Inline)
        {
            var inline = new CacheValue(entry.Id, entry.Length, entry.Length);
            entry.Inline.CopyTo(inline.Buffer);
            return (true, inline);
        }

        var run = entry.Run(pages.PageBytes);
        if ((long)run.Count * pages.PageBytes > Array.MaxLength) throw new GridException("The value is too long for this program's memory.", CallOutcome.NotApplied);
        var value = new CacheValue(entry.Id, entry.Length, run.Count * pages.PageBytes);
        try
        {
            var version = view.Version;
            var turn = new Turns("reading");
            for (var at = 0; at < run.Count;)
            {
                var part = run.Part(at, Math.Min(pages.BatchPages, run.Count - at));
                var result = await pages.ReadRunAsync(key.At.Object, part, value.Buffer[(at * pages.PageBytes)..], version, cancellationToken).ConfigureAwait(false);
                if (result.Outcome == BatchOutcome.Applied)
                {
                    if (result.Hits.Count < part.Count) return Without(value, isWhole: false);
                    at += part.Count;
                    continue;
                }

                // Changed, or the node cannot tell. While the slot names the same value, its pages have not been changed: what was read counts, and the rest is read with the newer version.
                await turn.NextAsync(cancellationToken).ConfigureAwait(false);
                using var again = await pages.ReadSlotAsync(key.At, default, cancellationToken).ConfigureAwait(false);
                if (again.Slot.Find(key.Hash)?.Id != entry.Id) return Without(value, isWhole: true);
                version = again.Version;
            }

            return (true, value);
        }
        catch
        {
            value.Dispose();
            throw;
        }
    }

    private static (bool IsWhole, CacheValue? Value) Without(CacheValue value, bool isWhole)
    {
        value.Dispose();
        return (isWhole, null);
    }

    private static async ValueTask RemoveAsync(CachePages pages, CacheKey key, ulong? id, CancellationToken cancellationToken)
    {
        var turn = new Turns("removing");
        try
        {
            for (; ; await turn.NextAsync(cancellationToken).ConfigureAwait(false))
            {
                using var view = await pages.ReadSlotAsync(key.At, default, cancellationToken).ConfigureAwait(false);
                // If the value is another now, this removal was, or may count as being, just before it came.
                if (view.Slot.Find(key.Hash) is not { } entry || entry.Id != (id ??= entry.Id)) return;
                try
                {
                    var outcome = await pages.ReplaceAsync(key.At, view, view.Slot.Without(entry), default, null, 0, cancellationToken).ConfigureAwait(false);
                    // A refusal has emptied the slot as well.
                    if (outcome != BatchOutcome.ConditionFailed) return;
                }
                catch (OutcomeUnknownException e)
                {
                    turn.Unknown(e);
                }
            }
        }
        catch (GridException e) when (turn.IsInDoubt(e))
        {
            throw turn.InDoubt(e);
        }
    }

    /// <summary>Renews the sliding expiration of what is under a key; with an id, only of that value.</summary>
    private async ValueTask RefreshAsync(CachePages pages, CacheKey key, ulong? id, CancellationToken cancellationToken)
    {
        for (var turn = new Turns("renewing"); ; await turn.NextAsync(cancellationToken).ConfigureAwait(false))
        {
            using var view = await pages.ReadSlotAsync(key.At, default, cancellationToken).ConfigureAwait(false);
            var now = Now.UtcTicks;
            if (view.Slot.Find(key.Hash) is not { } entry || (id is not null && entry.Id != id)) return;
            if (entry.Lifetime.IsOver(now))
            {
                await DropAsync(pages, key, view, entry, cancellationToken).ConfigureAwait(false);
                return;
            }

            if (!entry.Lifetime.WantsRenewal(now)) return;
            var renewed = view.Slot.With(entry, entry with { Lifetime = entry.Lifetime.UsedAt(now) });
            try
            {
                if (await pages.ReplaceAsync(key.At, view, renewed, default, null, 0, cancellationToken).ConfigureAwait(false) != BatchOutcome.ConditionFailed) return;
            }
            catch (OutcomeUnknownException e)
            {
                turn.Unknown(e);
            }
        }
    }

    /// <summary>Renews after a read. The value has been read: that it may expire too early now is worth a warning, not the value.</summary>
    private async ValueTask RenewAsync(CachePages pages, CacheKey key, ulong id, CancellationToken cancellationToken)
    {
        try
        {
            await RefreshAsync(pages, key, id, cancellationToken).ConfigureAwait(false);
        }
        catch (GridException e)
        {
            _logger.NotRenewed(pages.PoolName, e);
        }
    }

    /// <summary>Flushes an entry that is a miss for ever, and its pages, if nobody was faster. The answer is a miss in any case.</summary>
    private async ValueTask DropAsync(CachePages pages, CacheKey key, SlotView view, CacheEntry entry, CancellationToken cancellationToken)
    {
        try
        {
            await pages.ReplaceAsync(key.At, view, view.Slot.Without(entry), default, null, 0, cancellationToken).ConfigureAwait(false);
        }
        catch (GridException e)
        {
            _logger.NotDropped(pages.PoolName, e);
        }
    }
}
