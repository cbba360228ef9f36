using System.Runtime.CompilerServices;
using Grid.Node.Memory;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>What a persistent object's requests do to its index once their event is committed (or when they need none), and their answers.</summary>
internal sealed class WriteEffects(ObjectServices services, AccountedIndex pages, ChangeTracker changes, PageLoader loader)
{
    private readonly List<PageRef> _stored = [];

    /// <summary>A get takes effect: its pages are pinned, or read from the journal by the sequence numbers they have at this instant.</summary>
    public void Resolve(ObjectRequest request)
    {
        var takes = request.Takes;
        var hit = false;
        for (var i = 0; i < request.EntryCount; i++)
        {
            var index = request.EntryIndex(i);
            ref var entry = ref pages.Find(index);
            if (Unsafe.IsNullRef(ref entry)) continue;
            hit = true;
            request.Bits.Set(i);
            if (services.Store.TryPin(entry.Page)) loader.Hand(request, i, entry.Page);
            else loader.Want(request, i, entry.SequenceNr);
            if (!takes) continue;
            // A pinned frame outlives its Free until the answer is copied out.
            pages.Remove(index);
            changes.Emptied(index);
        }

        request.EffectVersion = changes.Version;
        loader.AnswerOrLoad(request, request.Opcode == Opcode.GetBatch || hit ? Status.Ok : Status.Miss);
    }

    /// <summary>The request takes effect: its event is committed (or it needs none).</summary>
    public void Execute(ObjectRequest request, long sequenceNr)
    {
        switch (request.Opcode)
        {
            case Opcode.Get or Opcode.GetBatch:
                Resolve(request);
                return;
            case Opcode.FlushObject:
                var any = pages.RemoveAll() > 0;
                changes.EmptiedAll();
                request.Answer(any ? Status.Ok : Status.Miss, changes.Version);
                return;
        }

        var was = false;
        Span<byte> word = stackalloc byte[sizeof(ulong)];
        for (var i = 0; i < request.EntryCount; i++)
        {
            var index = request.EntryIndex(i);
            if (pages.Contains(index))
            {
                was = true;
                request.Bits.Set(i);
            }

            if (request.Stores(i))
            {
                var page = request.GiveUpPage(i);
                pages.Set(index, page, changes.Put(index), sequenceNr, services.Store.Stored(page, word, out _).Length);
                _stored.Add(page);
            }
            else
            {
                pages.Remove(index);
                changes.Emptied(index);
            }
        }

        if (request.Refusal != RefusalReason.None)
        {
            services.DropPages(request);
            request.Answer(Status.Refused, changes.Version, request.Refusal);
            return;
        }

        request.Answer(was || request.Opcode != Opcode.FlushPage ? Status.Ok : Status.Miss, changes.Version);
    }

    /// <summary>The event has taken effect: only now may its pages be evicted. A get of this very event must not have to read one that a later entry of it removed.</summary>
    public void Publish()
    {
        foreach (var page in _stored) services.Store.Publish(page, evictable: true);
        _stored.Clear();
    }
}
