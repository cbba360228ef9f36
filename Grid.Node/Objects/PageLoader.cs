using System.Runtime.CompilerServices;
using Akka.Actor;
using Grid.Node.Journal;
using Grid.Node.Memory;
using Grid.Node.Pools;
using Grid.Protocol;
using Status = Grid.Protocol.Status;

namespace Grid.Node.Objects;

/// <summary>An event read back for its pages, or why it could not be.</summary>
/// <param name="SequenceNr">The event.</param>
/// <param name="Payload">Its bytes.</param>
/// <param name="Failure">Why there are none.</param>
internal sealed record EventLoaded(long SequenceNr, ReadOnlyMemory<byte> Payload, Exception? Failure);

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

    /// <summary>An event has come: gives its pages to those who wait, then keeps them in memory where the index still points there.</summary>
    public void OnLoaded(EventLoaded loaded)
    {
        _loading--;
        LoadNext();
        if (!_waiting.Remove(loaded.SequenceNr, out var waiting)) return;
        var failure = loaded.Failure;
        EventReader? reader = null;
        if (failure is null)
        {
            try
            {
                reader = EventReader.Open(key, loaded.SequenceNr, loaded.Payload);
            }
            catch (JournalCorruptException corrupt)
            {
                failure = corrupt;
            }
        }

        foreach (var request in waiting) Give(request, loaded.SequenceNr, reader, failure);
        if (reader is not null) Keep(reader, loaded.SequenceNr);
    }

    private void Give(ObjectRequest request, long sequenceNr, EventReader? reader, Exception? failure)
    {
        // A request that failed over another of its events is answered already.
        if (request.MissingPages == 0) return;
        var holdsEvent = reader is not null && request.MissingPages * (long)pool.Options.PageSizeBytes * 2 >= reader.Header.EventBytes;
        for (var i = 0; i < request.EntryCount && failure is null; i++)
        {
            if (request.Loaded![i].SequenceNr != sequenceNr) continue;
            try
            {
                var page = reader!.Page(request.EntryIndex(i));
                // A few pages must not hold a whole event until their answer is sent.
                request.Loaded[i] = new LoadedPage(sequenceNr, page.Codec, holdsEvent ? page.Stored : page.Stored.ToArray());
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

    private void Keep(EventReader reader, long sequenceNr)
    {
        foreach (var item in reader.Entries)
        {
            if (item.Kind != EventEntryKind.Put) continue;
            ref var entry = ref index.Find(item.Index);
            if (Unsafe.IsNullRef(ref entry) || entry.SequenceNr != sequenceNr || services.Store.IsAlive(entry.Page)) continue;
            if (!TryPage(reader, item, out var page) || !services.Store.TryStoreEncoded(pool.Account, page.Codec, page.Stored.Span, out var kept)) continue;
            entry.Page = kept;
            services.Store.Publish(kept, evictable: true);
        }
    }

    /// <summary>A damaged page is not kept, and no error either until somebody asks for it.</summary>
    private static bool TryPage(EventReader reader, in EventEntry entry, out StoredPage page)
    {
        try
        {
            return reader.TryPage(entry.Index, out page);
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
            var payload = await services.Journal.ReadEventAsync(JournalIds.ForObject(key), sequenceNr, CancellationToken.None).ConfigureAwait(false);
            self.Tell(new EventLoaded(sequenceNr, payload, null));
        }
        catch (Exception failure)
        {
            self.Tell(new EventLoaded(sequenceNr, default, failure));
        }
    }
}
