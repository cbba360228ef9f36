using Grid.Protocol;

namespace Grid.Client;

/// <summary>
/// Storing one value. What fits into one batch, the slot and the value's pages, takes effect at once. What is longer is announced first: an entry that nobody reads yet goes into the slot with the
/// first piece, then come the pieces between, and the last one makes the value visible and flushes what it replaces. If the writer is interrupted, the announcement says what it left.
/// </summary>
internal sealed class CacheWrite(CachePages pages, CacheKey key, PagedValue value, CacheLifetime lifetime, bool onlyIfAbsent, TimeProvider time)
{
    private readonly ulong _id = CacheEntry.NewId();
    private Turns _turns = new("storing");
    private ulong? _announced;
    private ulong? _wasThere;
    private bool _isInDoubt;

    private long NowTicks => time.GetUtcNow().UtcTicks;

    private SlotAddress At => key.At;

    /// <summary>Stores the value.</summary>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>. If it was not applied, what was there before is.</exception>
    public async ValueTask<CacheSetOutcome> RunAsync(CancellationToken cancellationToken)
    {
        var length = value.Bytes.Length;
        var count = length <= CacheSlot.InlineMaxBytes(pages.PageBytes) ? 0 : CacheEntry.PagesOf(length, pages.PageBytes);
        try
        {
            for (; ; await _turns.NextAsync(cancellationToken).ConfigureAwait(false))
            {
                var run = count == 0 ? default : PageRun.Random(count, pages.RoomBits);
                var outcome = count < pages.BatchPages
                    ? await AtOnceAsync(run, cancellationToken).ConfigureAwait(false)
                    : await InPiecesAsync(run, cancellationToken).ConfigureAwait(false);
                if (outcome is { } known) return known;
            }
        }
        catch (GridException e) when (_isInDoubt && _turns.IsInDoubt(e))
        {
            throw _turns.InDoubt(e);
        }
    }

    private async ValueTask<CacheSetOutcome?> AtOnceAsync(PageRun run, CancellationToken cancellationToken)
    {
        using var view = await pages.ReadSlotAsync(At, run, cancellationToken).ConfigureAwait(false);
        var (outcome, there) = Look(view, _id);
        if (outcome is not null || !view.IsFree) return outcome;
        var entry = run.Count == 0 ? Entry(CacheEntryState.Inline, _id, lifetime) with { Inline = value.Bytes } : Entry(CacheEntryState.Paged, _id, lifetime) with { FirstPage = run.First };
        var next = view.Slot.Without(there).WithoutDead(NowTicks).With(entry, pages.PageBytes);
        return await ReplaceAsync(view, there, next, run, 0, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<CacheSetOutcome?> InPiecesAsync(PageRun run, CancellationToken cancellationToken)
    {
        // Each attempt has an id of its own: what an earlier one announced is not this one's.
        var id = CacheEntry.NewId();
        var first = pages.BatchPages - 1;
        var last = Math.Min(pages.BatchPages - 1, run.Count - first);
        var announced = await AnnounceAsync(id, run, first, cancellationToken).ConfigureAwait(false);
        if (announced != CacheSetOutcome.Stored) return announced;
        for (var at = first; at < run.Count - last;)
        {
            var count = Math.Min(pages.BatchPages, run.Count - last - at);
            switch (await PutPieceAsync(run.Part(at, count), at, cancellationToken).ConfigureAwait(false))
            {
                case CacheSetOutcome.Stored:
                    at += count;
                    break;
                case CacheSetOutcome.Refused:
                    await WithdrawAsync(id, run.Part(0, at), withValue: true, cancellationToken).ConfigureAwait(false);
                    return CacheSetOutcome.Refused;
                default:
                    await WithdrawAsync(id, run.Part(0, at), withValue: false, cancellationToken).ConfigureAwait(false);
                    return null;
            }
        }

        return await FinishAsync(id, run, last, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Puts the first pages and the entry that says that the others come; null: not done, or unknown whether.</summary>
    private async ValueTask<CacheSetOutcome?> AnnounceAsync(ulong id, PageRun run, int first, CancellationToken cancellationToken)
    {
        using var view = await pages.ReadSlotAsync(At, run.Part(0, first), cancellationToken).ConfigureAwait(false);
        var (outcome, _) = Look(view, id);
        if (outcome is not null || !view.IsFree) return outcome;
        var now = NowTicks;
        var earlier = _announced is { } announced ? view.Slot.Find(announced) : null;
        var entry = Entry(CacheEntryState.Pending, id, new CacheLifetime(CacheLifetime.Never, 0, now)) with { FirstPage = run.First };
        var next = view.Slot.Without(earlier).WithoutDead(now).With(entry, pages.PageBytes);
        _announced = id;
        try
        {
            return OutcomeOf(await pages.ReplaceAsync(At, view, next, run.Part(0, first), value, 0, cancellationToken).ConfigureAwait(false));
        }
        catch (OutcomeUnknownException e)
        {
            // The value cannot be seen either way: begin again, and withdraw this then.
            _turns.Unknown(e);
            return null;
        }
    }

    /// <summary>Puts pages between the first and the last ones; null: somebody else's are there, or perhaps these.</summary>
    private async ValueTask<CacheSetOutcome?> PutPieceAsync(PageRun part, int firstPage, CancellationToken cancellationToken)
    {
        for (var turn = new Turns("storing"); ; await turn.NextAsync(cancellationToken).ConfigureAwait(false))
        {
            var (isFree, version) = await pages.AreFreeAsync(At.Object, part, cancellationToken).ConfigureAwait(false);
            if (!isFree) return null;
            try
            {
                var result = await pages.WriteRunAsync(At.Object, part, value, firstPage, version, cancellationToken).ConfigureAwait(false);
                if (result.Outcome != BatchOutcome.ConditionFailed) return OutcomeOf(result.Outcome);
            }
            catch (OutcomeUnknownException e)
            {
                _turns.Unknown(e);
            }
        }
    }

    /// <summary>Puts the last pages and makes the value visible; null: the announcement is gone, or somebody else's pages are there.</summary>
    private async ValueTask<CacheSetOutcome?> FinishAsync(ulong id, PageRun run, int lastPages, CancellationToken cancellationToken)
    {
        var firstPage = run.Count - lastPages;
        var (written, last) = (run.Part(0, firstPage), run.Part(firstPage, lastPages));
        for (var turn = new Turns("storing"); ; await turn.NextAsync(cancellationToken).ConfigureAwait(false))
        {
            using var view = await pages.ReadSlotAsync(At, last, cancellationToken).ConfigureAwait(false);
            var (outcome, there) = Look(view, id);
            var mine = view.Slot.Find(id);
            if (outcome is not null || mine is null) return outcome;
            if (!view.IsFree)
            {
                await WithdrawAsync(id, written, withValue: false, cancellationToken).ConfigureAwait(false);
                return null;
            }

            var entry = mine with { State = CacheEntryState.Paged, Lifetime = lifetime };
            var next = view.Slot.Without(mine).Without(there).WithoutDead(NowTicks).With(entry, pages.PageBytes);
            outcome = await ReplaceAsync(view, there, next, last, firstPage, cancellationToken).ConfigureAwait(false);
            if (outcome == CacheSetOutcome.Refused) await pages.ClearAsync(At.Object, CachePages.Indexes(written), view.Version, cancellationToken).ConfigureAwait(false);
            if (outcome is not null) return outcome;
        }
    }

    /// <summary>
    /// Takes back what was announced and the pages that were put: after a refusal together with the value that was there before. While the announcement is there, nobody else has flushed these
    /// pages or put others there.
    /// </summary>
    private async ValueTask WithdrawAsync(ulong id, PageRun written, bool withValue, CancellationToken cancellationToken)
    {
        for (var turn = new Turns("storing"); ; await turn.NextAsync(cancellationToken).ConfigureAwait(false))
        {
            using var view = await pages.ReadSlotAsync(At, default, cancellationToken).ConfigureAwait(false);
            var mine = view.Slot.Find(id);
            var next = view.Slot.Without(mine).Without(withValue ? view.Slot.Find(key.Hash) : null);
            if (next.Entries.Count == view.Slot.Entries.Count) return;
            try
            {
                if (await pages.ReplaceAsync(At, view, next, default, null, 0, cancellationToken).ConfigureAwait(false) == BatchOutcome.ConditionFailed) continue;
                if (mine is not null) await pages.ClearAsync(At.Object, CachePages.Indexes(written), view.Version, cancellationToken).ConfigureAwait(false);
                return;
            }
            catch (OutcomeUnknownException e)
            {
                turn.Unknown(e);
            }
        }
    }

    private async ValueTask<CacheSetOutcome?> ReplaceAsync(
        SlotView view, CacheEntry? there, CacheSlot next, PageRun run, int firstPage, CancellationToken cancellationToken)
    {
        try
        {
            return OutcomeOf(await pages.ReplaceAsync(At, view, next, run, value, firstPage, cancellationToken).ConfigureAwait(false));
        }
        catch (OutcomeUnknownException e)
        {
            _turns.Unknown(e);
            _isInDoubt = true;
            _wasThere = there?.Id;
            return null;
        }
    }

    /// <summary>
    /// What is under the key, and whether that is the end already: the value itself, after a change of unknown outcome; or one that came after that change was tried: then this one was, or may count
    /// as having been, there just before it.
    /// </summary>
    private (CacheSetOutcome? Outcome, CacheEntry? There) Look(SlotView view, ulong id)
    {
        var there = view.Slot.Find(key.Hash);
        if (there is null) return (null, null);
        if (there.Id == id || (_isInDoubt && there.Id != _wasThere)) return (CacheSetOutcome.Stored, there);
        return (onlyIfAbsent && !there.Lifetime.IsOver(NowTicks) ? CacheSetOutcome.Present : null, there);
    }

    private CacheEntry Entry(CacheEntryState state, ulong id, CacheLifetime entryLifetime) =>
        new() { Key = key.Hash, Id = id, State = state, Lifetime = entryLifetime, Length = value.Bytes.Length };

    private static CacheSetOutcome? OutcomeOf(BatchOutcome outcome) => outcome switch
    {
        BatchOutcome.Applied => CacheSetOutcome.Stored,
        BatchOutcome.Refused => CacheSetOutcome.Refused,
        _ => null,
    };
}
