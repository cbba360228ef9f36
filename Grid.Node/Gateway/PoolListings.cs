using System.Buffers;
using Grid.Node.Journal;
using Grid.Node.Objects;
using Grid.Node.Pools;
using Grid.Protocol;

namespace Grid.Node.Gateway;

/// <summary>
/// What a pool holds, and whether its journal is sound. Persistent pools are answered from the journal, by any node, without loading an object; of ephemeral ones
/// this node tells what it holds now.
/// </summary>
internal static class PoolListings
{
    /// <summary>Reads the request and starts it; it answers itself.</summary>
    /// <exception cref="ProtocolException">The body makes no sense.</exception>
    public static void Start(Opcode opcode, in ReadOnlySequence<byte> body, ObjectRequest request, GatewayServices services, HelloRequest caller)
    {
        var reader = new BodyReader(body);
        var list = opcode == Opcode.ListObjects ? ObjectListRequest.Read(ref reader) : default;
        var verify = opcode == Opcode.VerifyObject ? VerifyRequest.Read(ref reader) : default;
        reader.End();
        request.MarkQueued();
        if (!request.TryTake()) return;
        var id = opcode == Opcode.ListObjects ? list.Pool : verify.Pool;
        if (services.Connections.IsDraining) request.Fail(Status.NotServing, "the node is stopping");
        else if (!services.Objects.Pools.TryGet(id, out var pool) || pool.Tenant != caller.Tenant) request.Fail(Status.NoSuchPool, $"pool {id} does not exist");
        else if (opcode == Opcode.ListObjects) List(list, pool, request, services.Objects);
        else Verify(verify, pool, request, services.Objects);
    }

    private static void List(ObjectListRequest list, PoolEntry pool, ObjectRequest request, ObjectServices objects)
    {
        if (list.Most is < 1 or > ProtocolLimits.MaxListedObjects)
            request.Fail(Status.BadArgument, $"a piece of a list has 1 to {ProtocolLimits.MaxListedObjects} objects, not {list.Most}");
        else if (pool.Options.Kind == PoolKind.Persistent) _ = AnswerAsync(request, async () => (await objects.Journal.ListObjectsAsync(list).ConfigureAwait(false)).Write);
        else request.AnswerBody(Status.Ok, default, Held(list, objects.Registry).Write);
    }

    private static void Verify(VerifyRequest verify, PoolEntry pool, ObjectRequest request, ObjectServices objects)
    {
        if (pool.Options.Kind != PoolKind.Persistent) request.Fail(Status.BadArgument, $"pool '{pool.Info.Name}' is ephemeral: it has no journal");
        else if (verify.MaxBytes is < 1 or > ProtocolLimits.MaxVerifyBytes)
            request.Fail(Status.BadArgument, $"a verification reads 1 to {ProtocolLimits.MaxVerifyBytes} bytes at a time, not {verify.MaxBytes}");
        else _ = AnswerAsync(request, async () => (await objects.Journal.VerifyAsync(verify).ConfigureAwait(false)).Write);
    }

    /// <summary>The objects of an ephemeral pool that live on this node.</summary>
    private static ObjectListPart Held(ObjectListRequest list, ObjectRegistry registry)
    {
        var smallest = new Smallest<ObjectId>(list.Most);
        foreach (var (key, entry) in registry.Entries)
            if (key.Pool == list.Pool && key.Object.CompareTo(list.From) >= 0 && (list.WithEmpty || entry.Pages > 0)) smallest.Add(key.Object);
        var ids = smallest.Take(out var isAll);
        var objects = new List<ListedObject>(ids.Length);
        foreach (var id in ids)
        {
            var pages = registry.TryGet(new ObjectKey(list.Pool, id), out var entry) ? (ulong)entry.Pages : 0;
            if (pages > 0 || list.WithEmpty) objects.Add(new ListedObject(id, pages));
        }

        var next = ids.Length == 0 ? list.From : ObjectOrder.After(ids[^1]);
        return new ObjectListPart(objects, next, isAll || next == default);
    }

    private static async Task AnswerAsync(ObjectRequest request, Func<Task<WriteBody>> body)
    {
        try
        {
            request.AnswerBody(Status.Ok, default, await body().ConfigureAwait(false));
        }
        catch (JournalCorruptException corrupt)
        {
            request.Fail(Status.Corrupt, corrupt.Message);
        }
        catch (Exception failure)
        {
            // Nothing was to be changed, so nothing is in doubt.
            request.Fail(Status.FailedNotApplied, failure.Message);
        }
    }
}
