using System.Buffers;
using System.Runtime.CompilerServices;
using Akka.Actor;
using Grid.Node.Memory;
using Grid.Node.Pools;
using Grid.Protocol;
using Status = Grid.Protocol.Status;

namespace Grid.Node.Objects;

/// <summary>An object of an ephemeral pool: lives in memory only, every operation takes effect at once.</summary>
internal sealed class EphemeralObject(ObjectServices services, ObjectKey key, PoolEntry pool) : ObjectActor(services, key, pool)
{
    private QuotaGate? _quota;

    private bool _isPulling;

    protected override bool IsIdle => _quota is not { IsWaiting: true } && !_isPulling;

    protected override void Begin()
    {
        _quota = new QuotaGate(Pool, Self);
        if (Services.Aside.TakeBack(Key) is { } mine)
        {
            TakeBack(mine);
        }
        else if (Life!.MayPull(Key, Services.Pull.Within))
        {
            // Nobody is served before what is kept has come, or its time is over: nothing can come back that was changed meanwhile.
            _isPulling = true;
            Services.Pull.Begin(Key, Life, Self);
            return;
        }

        EnterRegistry();
    }

    protected override void ReleasePages()
    {
        if (!TryKeepAside()) Index.RemoveAll();
    }

    protected override void Serve(ObjectRequest request)
    {
        if (_quota!.IsWaiting) _quota.Park(request);
        else Execute(request);
    }

    protected override bool ReceiveOther(object message)
    {
        if (message is PagesPulled pulled)
        {
            _isPulling = false;
            Adopt(pulled);
            if (!IsStopping) EnterRegistry();
            StopWhenIdle();
            return true;
        }

        if (message is not QuotaAnswer answer) return false;
        _quota!.Resume(answer, Serve);
        StopWhenIdle();
        return true;
    }

    private void Execute(ObjectRequest request)
    {
        if (RefusesByLease(request)) return;
        switch (request.Opcode)
        {
            case Opcode.Get:
                Get(request);
                break;
            case Opcode.Put:
                Put(request);
                break;
            case Opcode.FlushPage:
                var was = IsPresent(request.Index);
                Index.Remove(request.Index);
                Changes.Emptied(request.Index);
                request.Answer(was ? Status.Ok : Status.Miss, Changes.Version);
                break;
            case Opcode.FlushObject:
                Index.DropStale(Changes);
                var any = Index.RemoveAll() > 0;
                Changes.EmptiedAll();
                request.Answer(any ? Status.Ok : Status.Miss, Changes.Version);
                break;
            case Opcode.WriteBatch:
                WriteBatch(request);
                break;
            case Opcode.GetBatch:
                GetBatch(request);
                break;
            default:
                request.Fail(Status.UnknownOperation, $"operation {(byte)request.Opcode} is unknown");
                break;
        }
    }

    /// <summary>Installs what another node kept of this object; what there is no room or quota for is a miss.</summary>
    private void Adopt(PagesPulled pulled)
    {
        foreach (var part in pulled.Parts)
        {
            var reader = new BodyReader(new ReadOnlySequence<byte>(part));
            _ = reader.UInt32();
            var pageBytes = Pool.Options.PageSizeBytes;
            for (var left = reader.Count(minEntryBytes: sizeof(uint) + pageBytes); left > 0; left--)
            {
                var index = reader.UInt32();
                var bytes = reader.Raw(pageBytes);
                if (!Pool.Quota.TryTake(1)) return;
                if (!Services.Store.TryStore(Pool.Account, bytes, out var page))
                {
                    Pool.Quota.Give(1);
                    return;
                }

                Install(index, page);
            }
        }
    }

    private void Get(ObjectRequest request)
    {
        if (!TryResolve(request.Index, request.Takes, out var page))
        {
            request.Answer(Status.Miss, Changes.Version);
            return;
        }

        request.Page = page;
        request.PageIsOurs = request.Takes;
        request.Answer(Status.Ok, Changes.Version);
    }

    private void Put(ObjectRequest request)
    {
        var refusal = Pool.Frozen ? RefusalReason.Frozen : request.Refusal;
        if (refusal == RefusalReason.None && !TryTakeQuota(request)) return;
        if (refusal != RefusalReason.None)
        {
            Services.DropPages(request);
            if (Index.Remove(request.Index)) Changes.Emptied(request.Index);
            request.Answer(Status.Refused, Changes.Version, refusal);
            return;
        }

        Install(request.Index, request.Page);
        request.Page = default;
        request.Answer(Status.Ok, Changes.Version);
    }

    private void WriteBatch(ObjectRequest request)
    {
        if (!ConditionHolds(request))
        {
            Services.DropPages(request);
            request.Answer(Status.ConditionFailed, Changes.Version);
            return;
        }

        var refusal = !request.HasPuts ? RefusalReason.None : Pool.Frozen ? RefusalReason.Frozen : request.Refusal;
        if (refusal == RefusalReason.None && !TryTakeQuota(request)) return;
        if (refusal != RefusalReason.None) Services.DropPages(request);
        for (var i = 0; i < request.Count; i++)
        {
            var entry = request.Entries[i];
            if (IsPresent(entry.Index)) request.Bits.Set(i);
            if (entry.IsFlush || refusal != RefusalReason.None)
            {
                Index.Remove(entry.Index);
                Changes.Emptied(entry.Index);
                continue;
            }

            Install(entry.Index, request.Pages[i]);
            request.Pages[i] = default;
        }

        request.Answer(refusal == RefusalReason.None ? Status.Ok : Status.Refused, Changes.Version, refusal);
    }

    private void GetBatch(ObjectRequest request)
    {
        if (!ConditionHolds(request))
        {
            request.Answer(Status.ConditionFailed, Changes.Version);
            return;
        }

        var takes = request.Takes;
        for (var i = 0; i < request.Count; i++)
        {
            if (!TryResolve(request.Entries[i].Index, takes, out var page)) continue;
            request.Bits.Set(i);
            request.Pages[i] = page;
        }

        request.PageIsOurs = takes;
        request.Answer(Status.Ok, Changes.Version);
    }

    /// <summary>Pins the page for the answer; where it is taken, it leaves the index and belongs to the answer.</summary>
    private bool TryResolve(uint index, bool take, out PageRef page)
    {
        page = default;
        ref var entry = ref Index.Find(index);
        if (Unsafe.IsNullRef(ref entry)) return false;
        if (!Services.Store.TryPin(entry.Page))
        {
            Changes.Evicted(entry.Changed);
            Index.RemoveEntry(index);
            return false;
        }

        page = entry.Page;
        if (!take) return true;
        Index.RemoveEntry(index);
        Changes.Emptied(index);
        return true;
    }

    private void Install(uint index, PageRef page)
    {
        Index.Set(index, page, Changes.Put(index), 0);
        Services.Store.Publish(page, evictable: true);
    }

    private bool IsPresent(uint index)
    {
        ref var entry = ref Index.Find(index);
        return !Unsafe.IsNullRef(ref entry) && Services.Store.IsAlive(entry.Page);
    }

    private bool ConditionHolds(ObjectRequest request) => (request.Flags & RequestFlags.Conditional) == 0 || Unchanged(request);

    /// <summary>Takes quota for new entries, first giving back that of evicted ones; false where the request has to wait.</summary>
    private bool TryTakeQuota(ObjectRequest request)
    {
        var pages = FreshPages(request);
        if (pages == 0 || Pool.Quota.TryTake(pages)) return true;
        if (Index.DropStale(Changes) > 0) pages = FreshPages(request);
        return _quota!.TryTake(request, pages);
    }

    private int FreshPages(ObjectRequest request)
    {
        if (request.Opcode == Opcode.Put) return Index.Contains(request.Index) ? 0 : 1;
        var fresh = 0;
        for (var i = 0; i < request.Count; i++)
            if (!request.Entries[i].IsFlush && !Index.Contains(request.Entries[i].Index)) fresh++;
        return fresh;
    }
}
