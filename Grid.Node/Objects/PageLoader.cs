using System.Runtime.CompilerServices;
using Akka.Actor;
using Grid.Node.Admin;
using Grid.Node.Journal;
using Grid.Node.Memory;
using Grid.Node.Pools;
using Grid.Protocol;
using Status = Grid.Protocol.Status;

namespace Grid.Node.Objects;

/// <summary>An event read back for its pages, or why it could not be.</summary>
/// <param name="SequenceNr">The event.</param>
/// <param name="Event">Its bytes; the receiver gives them back.</param>
/// <param name="Failure">Why there are none.</param>
internal sealed record EventLoaded(long SequenceNr, EventBuffer? Event, Exception? Failure) : IBearsPages
{
    long IBearsPages.PageBytes => Event?.Bytes.Length ?? 0;
}

/// <summary>
/// Brings pages that are not in memory back from the journal. Many gets of one event's pages cost one read; what was read is kept in memory
/// while there is room. A few events are read at a time, each of up to a megabyte; the others wait, in order.
/// </summary>
internal sealed class PageLoader(ObjectServices services, ObjectKey key, PoolEntry pool, IActorRef self, AccountedIndex index)
{
    private const int MaxLoading = 8;

    private readonly Dictionary<long, List<ObjectRequest>> _waiting = [];
    private readonly Queue<long> _notBegun = new();
    private int _loading;

    /// <summary>Whether reads are under way.</summary>
    public bool IsBusy => _waiting.Count > 0;

    /// <summary>The oldest event that somebody waits for.</summary>
    public long OldestEvent => _waiting.Count == 0 ? long.MaxValue : _waiting.Keys.Min();

    /// <summary>Hands a pinned page to an answer.</summary>
    public void Hand(ObjectRequest request, int entry, PageRef page)
    {
        if (request.Opcode == Opcode.GetBatch) request.Pages[entry] = page;
        else request.Page = page;
    }

    /// <summary>Notes that an answer needs a page of an event.</summary>
    public void Want(ObjectRequest request, int entry, long sequenceNr)
    {
        request.Loaded ??= new LoadedPage[request.EntryCount];
        request.Loaded[entry] = new LoadedPage(sequenceNr, default, default);
        request.MissingPages++;
    }

    /// <summary>Answers where nothing is missing; else reads what is.</summary>
    public void AnswerOrLoad(ObjectRequest request, Status status)
    {
        if (request.MissingPages == 0)
        {
            request.Answer(status, request.EffectVersion);
            return;
        }

        foreach (var page in request.Loaded!)
        {
            if (page.SequenceNr == 0) continue;
            if (_waiting.TryGetValue(page.SequenceNr, out var waiting))
            {
                if (waiting[^1] != request) waiting.Add(request);
                continue;
            }

            _waiting.Add(page.SequenceNr, [request]);
            _notBegun.Enqueue(page.SequenceNr);
        }

        LoadNext();
    }

    /// <summary>An event has come: keeps its pages in memory where the index still points there, and gives them to those who wait.</summary>
    public void OnLoaded(EventLoaded loaded)
    {
        using var loadedEvent = loaded.Event;
        _loading--;
        LoadNext();
        if (!_waiting.Remove(loaded.SequenceNr, out var waiting)) return;
        var failure = loaded.Failure;
        EventReader? reader = null;
        if (failure is null)
        {
            try
            {
                reader = EventReader.Open(key, loaded.SequenceNr, loadedEvent!.Bytes);
            }
            catch (JournalCorruptException corrupt)
            {
                failure = corrupt;
            }
        }

        if (reader is not null) Keep(reader, loaded.SequenceNr);
        foreach (var request in waiting) Give(request, loaded.SequenceNr, reader, failure);
    }

    private void Give(ObjectRequest request, long sequenceNr, EventReader? reader, Exception? failure)
    {
        // A request that failed over another of its events is answered already.
        if (request.MissingPages == 0) return;
        for (var i = 0; i < request.EntryCount && failure is null; i++)
        {
            if (request.Loaded![i].SequenceNr != sequenceNr) continue;
            if (TryHandKept(request, i, sequenceNr))
            {
                request.Loaded[i] = default;
                request.MissingPages--;
                continue;
            }

            try
            {
                var page = reader!.Page(request.EntryIndex(i));
                // The event's buffer is given back before the answer is sent.
                request.Loaded[i] = new LoadedPage(sequenceNr, page.Codec, page.Stored.ToArray());
                request.MissingPages--;
            }
            catch (JournalCorruptException corrupt)
            {
                failure = corrupt;
            }
        }

        if (failure is not null)
        {
            request.MissingPages = 0;
            services.ReleaseAnswer(request);
            request.Fail(failure is JournalCorruptException ? Status.Corrupt : Status.FailedNotApplied, failure.Message);
        }
        else if (request.MissingPages == 0)
        {
            request.Answer(Status.Ok, request.EffectVersion);
        }
    }

    /// <summary>Hands a page that is kept by now: it has been checked, and pinned it needs neither a copy nor the event. What a take removed is not kept.</summary>
    private bool TryHandKept(ObjectRequest request, int entry, long sequenceNr)
    {
        ref var held = ref index.Find(request.EntryIndex(entry));
        if (Unsafe.IsNullRef(ref held) || held.SequenceNr != sequenceNr || !services.Store.TryPin(held.Page)) return false;
        Hand(request, entry, held.Page);
        return true;
    }

    /// <summary>From the last entry to the first: of several puts of one index the last counts, and the others find it kept.</summary>
    private void Keep(EventReader reader, long sequenceNr)
    {
        for (var position = reader.Entries.Count - 1; position >= 0; position--)
        {
            var item = reader.Entries[position];
            if (item.Kind != EventEntryKind.Put) continue;
            ref var entry = ref index.Find(item.Index);
            if (Unsafe.IsNullRef(ref entry) || entry.SequenceNr != sequenceNr || services.Store.IsAlive(entry.Page)) continue;
            // What stands before one that is not kept must not be taken for it.
            if (!TryPage(reader, item, out var page) || !services.Store.TryStoreEncoded(pool.Account, page.Codec, page.Stored.Span, out var kept)) return;
            entry.Page = kept;
            services.Store.Publish(kept, evictable: true);
        }
    }

    /// <summary>A damaged page is not kept, and no error either until somebody asks for it.</summary>
    private static bool TryPage(EventReader reader, in EventEntry entry, out StoredPage page)
    {
        try
        {
            page = reader.Page(entry);
            return true;
        }
        catch (JournalCorruptException)
        {
            page = default;
            return false;
        }
    }

    private void LoadNext()
    {
        while (_loading < MaxLoading && _notBegun.TryDequeue(out var sequenceNr))
        {
            _loading++;
            _ = LoadAsync(sequenceNr);
        }
    }

    private async Task LoadAsync(long sequenceNr)
    {
        try
        {
            var whole = await services.Journal.RentEventAsync(JournalIds.ForObject(key), sequenceNr, CancellationToken.None).ConfigureAwait(false);
            self.Tell(new EventLoaded(sequenceNr, whole, null));
        }
        catch (Exception failure)
        {
            self.Tell(new EventLoaded(sequenceNr, null, failure));
        }
    }
}
