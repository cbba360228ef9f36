using System.Buffers;
using Grid.Protocol;

namespace Grid.Tests.Client.Support;

/// <summary>The pages and pools behind one or several <see cref="ScriptedNode"/>s.</summary>
internal sealed class MemoryGrid
{
    private readonly Lock _gate = new();
    private readonly Dictionary<Handle, byte[]> _pages = [];
    private readonly Dictionary<ObjectKey, ulong> _counters = [];
    private readonly List<PoolInfo> _pools = [];

    public Guid Id { get; } = Guid.NewGuid();

    /// <summary>The nodes and owners told to clients.</summary>
    public Topology Topology { get; set; } = new([], Enumerable.Repeat(-1, 128).ToArray());

    /// <summary>Puts that took effect on a handle, repetitions included.</summary>
    public int PutsApplied { get; private set; }

    public ValueTask ServeAsync(NodeRequest request)
    {
        lock (_gate)
        {
            return request.Opcode switch
            {
                Opcode.Put => Put(request),
                Opcode.Get => Get(request),
                Opcode.FlushPage => FlushPage(request),
                Opcode.FlushObject => FlushObject(request),
                Opcode.WriteBatch => WriteBatch(request),
                Opcode.GetBatch => GetBatch(request),
                Opcode.Ping => request.AnswerAsync(Status.Ok, default),
                Opcode.Topology => request.AnswerAsync(Status.Ok, TopologyBody()),
                Opcode.PoolCreate or Opcode.PoolOpen or Opcode.PoolFreeze or Opcode.PoolThaw or Opcode.PoolStat or Opcode.PoolDestroy => ServePool(request),
                Opcode.PoolList => request.AnswerAsync(Status.Ok, ListBody()),
                Opcode.Echo => request.AnswerObjectAsync(Status.Ok, default, new byte[4096]),
                _ => request.FailAsync(Status.UnknownOperation, $"operation {request.Opcode} is unknown"),
            };
        }
    }

    public bool Holds(Handle handle)
    {
        lock (_gate) return _pages.ContainsKey(handle);
    }

    private static Handle HandleOf(NodeRequest request, uint index) => new(request.Head.Pool, request.Head.Object, index);

    private ObjectVersion Version(NodeRequest request, ulong changes = 0)
    {
        var counter = _counters.GetValueOrDefault(request.Head.Key) + changes;
        _counters[request.Head.Key] = counter;
        return new ObjectVersion(7, counter);
    }

    private bool Takes(NodeRequest request) => (request.Flags & RequestFlags.Take) != 0
        || ((request.Flags & RequestFlags.Keep) == 0 && _pools.Find(pool => pool.Id == request.Head.Pool) is { Options.GetTakesByDefault: true });

    private ValueTask Put(NodeRequest request)
    {
        if (_pools.Find(pool => pool.Id == request.Head.Pool) is { Frozen: true })
        {
            _pages.Remove(HandleOf(request, request.Head.Index));
            return request.AnswerObjectAsync(Status.Refused, Version(request, 1), detail: (byte)RefusalReason.Frozen);
        }

        PutsApplied++;
        _pages[HandleOf(request, request.Head.Index)] = request.Rest.ToArray();
        return request.AnswerObjectAsync(Status.Ok, Version(request, 1));
    }

    private ValueTask Get(NodeRequest request)
    {
        var handle = HandleOf(request, request.Head.Index);
        if (!_pages.TryGetValue(handle, out var page)) return request.AnswerObjectAsync(Status.Miss, Version(request));
        if (Takes(request)) _pages.Remove(handle);
        return request.AnswerObjectAsync(Status.Ok, Version(request, Takes(request) ? 1u : 0), page);
    }

    private ValueTask FlushPage(NodeRequest request)
    {
        var was = _pages.Remove(HandleOf(request, request.Head.Index));
        return request.AnswerObjectAsync(was ? Status.Ok : Status.Miss, Version(request, 1));
    }

    private ValueTask FlushObject(NodeRequest request)
    {
        var handles = _pages.Keys.Where(handle => handle.Key == request.Head.Key).ToList();
        handles.ForEach(handle => _pages.Remove(handle));
        return request.AnswerObjectAsync(handles.Count > 0 ? Status.Ok : Status.Miss, Version(request, 1));
    }

    private ValueTask WriteBatch(NodeRequest request)
    {
        if ((request.Flags & RequestFlags.Conditional) != 0 && request.Head.Condition != Version(request))
            return request.AnswerObjectAsync(Status.ConditionFailed, Version(request));
        var entries = request.Rest.Span;
        var puts = 0;
        for (var i = 0; i < request.Head.Count; i++)
            if (BatchEntry.TryRead(entries[(i * BatchEntry.SizeBytes)..], out var entry) && !entry.IsFlush) puts++;
        var pages = entries[(request.Head.Count * BatchEntry.SizeBytes)..];
        var pageBytes = puts == 0 ? 0 : pages.Length / puts;
        var bits = new byte[BatchAnswer.BitsBytes];
        for (var i = 0; i < request.Head.Count; i++)
        {
            _ = BatchEntry.TryRead(entries[(i * BatchEntry.SizeBytes)..], out var entry);
            if (_pages.Remove(HandleOf(request, entry.Index))) bits[i >> 3] |= (byte)(1 << (i & 7));
            if (entry.IsFlush) continue;
            _pages[HandleOf(request, entry.Index)] = pages[..pageBytes].ToArray();
            pages = pages[pageBytes..];
        }

        return request.AnswerObjectAsync(Status.Ok, Version(request, 1), bits);
    }

    private ValueTask GetBatch(NodeRequest request)
    {
        if ((request.Flags & RequestFlags.Conditional) != 0 && request.Head.Condition != Version(request))
            return request.AnswerObjectAsync(Status.ConditionFailed, Version(request));
        var output = new ArrayBufferWriter<byte>();
        var bits = new byte[BatchAnswer.BitsBytes];
        var indexes = new BodyReader(new ReadOnlySequence<byte>(request.Rest));
        var takes = Takes(request);
        var pages = new ArrayBufferWriter<byte>();
        for (var i = 0; i < request.Head.Count; i++)
        {
            var handle = HandleOf(request, indexes.UInt32());
            if (!_pages.TryGetValue(handle, out var page)) continue;
            bits[i >> 3] |= (byte)(1 << (i & 7));
            pages.Write(page);
            if (takes) _pages.Remove(handle);
        }

        output.Write(bits);
        output.Write(pages.WrittenSpan);
        return request.AnswerObjectAsync(Status.Ok, Version(request), output.WrittenMemory);
    }

    private ValueTask ServePool(NodeRequest request)
    {
        var reader = new BodyReader(new ReadOnlySequence<byte>(request.Rest));
        var name = reader.String();
        var at = _pools.FindIndex(pool => pool.Name == name);
        if (request.Opcode == Opcode.PoolCreate)
        {
            if (at >= 0) return request.FailAsync(Status.PoolExists, $"pool '{name}' exists");
            _pools.Add(new PoolInfo(new PoolId((ulong)_pools.Count + 1), name, "default", PoolCodec.ReadOptions(ref reader), false, 1));
            return request.AnswerAsync(Status.Ok, InfoBody(_pools[^1]));
        }

        if (at < 0) return request.FailAsync(Status.NoSuchPool, $"there is no pool '{name}'");
        if (request.Opcode == Opcode.PoolFreeze) _pools[at] = _pools[at] with { Frozen = true };
        if (request.Opcode == Opcode.PoolThaw) _pools[at] = _pools[at] with { Frozen = false };
        if (request.Opcode == Opcode.PoolStat) return request.AnswerAsync(Status.Ok, StatBody(_pools[at]));
        if (request.Opcode != Opcode.PoolDestroy) return request.AnswerAsync(Status.Ok, InfoBody(_pools[at]));
        _pools[at] = _pools[at] with { Name = $"{name}.destroyed" };
        return request.AnswerAsync(Status.Ok, default);
    }

    private ReadOnlyMemory<byte> TopologyBody()
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new BodyWriter(output);
        Topology.Write(ref writer);
        return output.WrittenMemory;
    }

    private ReadOnlyMemory<byte> ListBody()
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new BodyWriter(output);
        writer.UInt32((uint)_pools.Count);
        foreach (var pool in _pools) PoolCodec.WriteInfo(ref writer, pool);
        return output.WrittenMemory;
    }

    private ReadOnlyMemory<byte> StatBody(PoolInfo pool)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new BodyWriter(output);
        PoolCodec.WriteStat(ref writer, new PoolStat { Pool = pool, Pages = (ulong)_pages.Keys.Count(handle => handle.Pool == pool.Id) });
        return output.WrittenMemory;
    }

    private static ReadOnlyMemory<byte> InfoBody(PoolInfo pool)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new BodyWriter(output);
        PoolCodec.WriteInfo(ref writer, pool);
        return output.WrittenMemory;
    }
}
