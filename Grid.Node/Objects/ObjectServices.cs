using System.Security.Cryptography;
using Akka.Actor;
using Grid.Node.Cluster;
using Grid.Node.Journal;
using Grid.Node.Memory;
using Grid.Node.Pools;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>What every object actor of a node uses.</summary>
internal sealed class ObjectServices
{
    private bool _isLeaving;
    private bool _isHandingOver;

    /// <summary>Pages of objects that ended here and whose shard goes elsewhere.</summary>
    public required KeptAside Aside { get; init; }

    /// <summary>Brings objects what other nodes keep of them.</summary>
    public required WarmPull Pull { get; init; }

    /// <summary>Where shards are that this node does not serve.</summary>
    public required ShardWhereabouts Whereabouts { get; init; }

    /// <summary>Whether there are other members.</summary>
    public required Func<bool> HasPeers { get; init; }

    /// <summary>Set while this node hands everything over: its own shard region forwards nothing any more.</summary>
    public bool IsHandingOver
    {
        get => Volatile.Read(ref _isHandingOver);
        set => Volatile.Write(ref _isHandingOver, value);
    }

    /// <summary>Where page bytes lie.</summary>
    public required PageStore Store { get; init; }

    /// <summary>The pools as this node sees them.</summary>
    public required PoolView Pools { get; init; }

    /// <summary>Which objects are ready here.</summary>
    public ObjectRegistry Registry { get; } = new();

    /// <summary>Which shards this node may serve.</summary>
    public required ShardTable Shards { get; init; }

    /// <summary>Opens and closes them.</summary>
    public IActorRef Guard { get; set; } = ActorRefs.Nobody;

    /// <summary>Watches object actors and has gateways claim what they leave behind.</summary>
    public IActorRef Watcher { get; set; } = ActorRefs.Nobody;

    /// <summary>Whether what can't be evicted (indexes, objects, buffers) takes more than half of the memory limit.</summary>
    public bool IsCrowded => Store.ReservedBytes > Store.LimitBytes / 2;

    /// <summary>Reads persistent objects' events.</summary>
    public required JournalReader Journal { get; init; }

    /// <summary>Whether the journal can be written.</summary>
    public required JournalHealth Health { get; init; }

    /// <summary>Which objects may clean their journals now.</summary>
    public required CleaningTurns CleaningTurns { get; init; }

    /// <summary>Limits of the journal's events.</summary>
    public required ObjectLimits Limits { get; init; }

    /// <summary>Set once everything here has been handed over: requests for objects are sent away from now on.</summary>
    public bool IsLeaving
    {
        get => Volatile.Read(ref _isLeaving);
        set => Volatile.Write(ref _isLeaving, value);
    }

    /// <summary>Where clients reach this node, <c>host:port</c>.</summary>
    public string DataAddress { get; set; } = "";

    /// <summary>Has objects answer what they hold and end.</summary>
    /// <param name="life">Those of a shard that was closed; null: all, for the node leaves and nobody takes them over in time.</param>
    public void EndObjects(ShardLife? life)
    {
        foreach (var (_, entry) in Registry.Entries)
            if (life is null || entry.Life == life) entry.Actor.Tell(ShardClosed.Instance, ActorRefs.NoSender);
    }

    /// <summary>Frees the pages a request brought, where they are not stored after all.</summary>
    public void DropPages(ObjectRequest request)
    {
        if (request.Opcode == Opcode.Put)
        {
            Store.Free(request.Page);
            Store.Unpin(request.Page);
            request.Page = default;
        }
        else if (request.Opcode == Opcode.WriteBatch)
        {
            foreach (ref var page in request.Pages.AsSpan(0, request.Count))
            {
                Store.Free(page);
                Store.Unpin(page);
                page = default;
            }
        }
    }

    /// <summary>Lets go of the pages an answer holds; those that left the index with a take are freed.</summary>
    public void ReleaseAnswer(ObjectRequest request)
    {
        if (request.Opcode == Opcode.Get)
        {
            Release(request.Page, request.PageIsOurs);
            request.Page = default;
        }
        else if (request.Opcode == Opcode.GetBatch)
        {
            foreach (ref var page in request.Pages.AsSpan(0, request.Count))
            {
                Release(page, request.PageIsOurs);
                page = default;
            }
        }
    }

    private void Release(PageRef page, bool isOurs)
    {
        if (isOurs) Store.Free(page);
        Store.Unpin(page);
    }

    /// <summary>A number for a new life of an object: random, so that two lives never share one.</summary>
    public ulong NextIncarnation()
    {
        Span<byte> bytes = stackalloc byte[8];
        ulong incarnation;
        do
        {
            RandomNumberGenerator.Fill(bytes);
            incarnation = BitConverter.ToUInt64(bytes);
        }
        while (incarnation == 0);
        return incarnation;
    }
}

/// <summary>Bounds of a persistent object's work.</summary>
/// <param name="EventTargetBytes">A group-commit event is closed when its pages reach this many bytes.</param>
/// <param name="WriterBackoff">How long a failed writer rests before the next is started.</param>
/// <param name="Upkeep">When checkpoints are written and journals cleaned.</param>
internal sealed record ObjectLimits(int EventTargetBytes, TimeSpan WriterBackoff, UpkeepLimits Upkeep);
