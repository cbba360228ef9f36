using System.Buffers;
using System.Buffers.Binary;
using Grid.Node.Memory;
using Grid.Node.Objects;
using Grid.Node.Pools;
using Grid.Protocol;

namespace Grid.Node.Gateway;

/// <summary>
/// Turns the frame of an operation on an object into a request, copying its pages once, into the store. Everything a frame can get wrong is
/// checked here, so that no actor checks again.
/// </summary>
internal static class RequestParser
{
    /// <summary>Fills a request; null on success, else what is wrong.</summary>
    /// <param name="header">The frame's header.</param>
    /// <param name="body">Its body.</param>
    /// <param name="request">The request.</param>
    /// <param name="services">What the gateway uses.</param>
    /// <param name="caller">Who sent it.</param>
    /// <param name="store">Where its pages go; null: it is only checked, another node carries it out.</param>
    public static ParseError? Parse(in FrameHeader header, ReadOnlySequence<byte> body, ObjectRequest request, GatewayServices services, HelloRequest caller, PageStore? store)
    {
        var flags = (RequestFlags)header.Flags;
        if (!ObjectRequestHead.TryRead(ref body, flags, out var head)) return ParseError.Malformed("the frame is too short for its request, or has unknown flags");
        if ((flags & RequestFlags.Forwarded) != 0 && caller.Agent != PeerAgent.Name) return ParseError.BadArgument("forwarded requests are accepted from nodes of the grid only");
        if ((flags & (RequestFlags.Keep | RequestFlags.Take)) == (RequestFlags.Keep | RequestFlags.Take))
            return ParseError.BadArgument("keep and take exclude each other");
        if (!services.Objects.Pools.TryGet(head.Pool, out var pool) || pool.Tenant != caller.Tenant)
            return new ParseError(Status.NoSuchPool, $"pool {head.Pool} does not exist");
        if ((flags & RequestFlags.Forwarded) != 0)
        {
            if (services.Sessions.EnterForwarded(head.Session, head.Epoch, Environment.TickCount64) is not { } session)
                return new ParseError(Status.NotServing, "the session has reconnected meanwhile");
            (request.Session, request.Epoch) = (session, head.Epoch);
        }

        request.Flags = flags;
        request.Pool = pool;
        request.Key = head.Key;
        request.Index = head.Index;
        request.Condition = head.Condition;
        var isBatch = header.Opcode is Opcode.WriteBatch or Opcode.GetBatch;
        if ((flags & RequestFlags.Conditional) != 0 && !isBatch) return ParseError.BadArgument("only batches can be conditional");
        if ((flags & (RequestFlags.Keep | RequestFlags.Take)) != 0 && header.Opcode is not (Opcode.Get or Opcode.GetBatch))
            return ParseError.BadArgument("keep and take are for gets");
        if (isBatch && head.Count is < 1 or > ProtocolLimits.MaxBatchPages && isBatch)
            return ParseError.BadArgument($"a batch has 1 to {ProtocolLimits.MaxBatchPages} entries, not {head.Count}");
        if ((isBatch || header.Opcode == Opcode.FlushObject) && head.Index != 0) return ParseError.BadArgument("the index must be 0 here");
        return header.Opcode switch
        {
            Opcode.Put => ParsePut(head, body, request, pool, store),
            Opcode.WriteBatch => ParseWriteBatch(head, body, request, pool, store),
            Opcode.GetBatch => ParseGetBatch(head, body, request, pool),
            Opcode.ListPages => ParseListPages(head, body, request),
            _ => body.Length == 0 && head.Count == 0 ? null : ParseError.Malformed("the frame has bytes beyond its request"),
        };
    }

    private static ParseError? ParsePut(in ObjectRequestHead head, in ReadOnlySequence<byte> body, ObjectRequest request, PoolEntry pool, PageStore? store)
    {
        var pageBytes = pool.Options.PageSizeBytes;
        if (body.Length != head.Count) return ParseError.Malformed("the page's length is not what the frame says");
        if (head.Count != pageBytes) return ParseError.BadArgument($"the page has {head.Count} bytes, pool '{pool.Info.Name}' has pages of {pageBytes}");
        if (store is not null) StorePage(body, request, pool, store);
        return null;
    }

    private static ParseError? ParseWriteBatch(in ObjectRequestHead head, ReadOnlySequence<byte> body, ObjectRequest request, PoolEntry pool, PageStore? store)
    {
        if (body.Length < head.Count * BatchEntry.SizeBytes) return ParseError.Malformed("the frame is too short for its batch");
        Span<byte> raw = stackalloc byte[ProtocolLimits.MaxBatchPages * BatchEntry.SizeBytes];
        raw = raw[..(head.Count * BatchEntry.SizeBytes)];
        body.Slice(0, raw.Length).CopyTo(raw);
        body = body.Slice(raw.Length);
        var puts = 0;
        var entries = request.Entries;
        for (var i = 0; i < head.Count; i++)
        {
            if (!BatchEntry.TryRead(raw[(i * BatchEntry.SizeBytes)..], out entries[i])) return ParseError.Malformed("a batch entry is neither put nor flush");
            if (!entries[i].IsFlush) puts++;
        }

        var pageBytes = pool.Options.PageSizeBytes;
        if (body.Length != (long)puts * pageBytes)
            return ParseError.BadArgument($"{puts} pages of {pageBytes} bytes are expected in pool '{pool.Info.Name}', {body.Length} bytes were sent");
        if (body.Length > ProtocolLimits.MaxBatchBytes) return ParseError.BadArgument($"a batch holds at most {ProtocolLimits.MaxBatchBytes} bytes of pages");
        if (Duplicate(entries.AsSpan(0, head.Count)) is { } twice) return ParseError.BadArgument($"index {twice} stands in the batch twice");
        request.Count = head.Count;
        request.Pages.AsSpan(0, request.Count).Clear();
        if (store is not null) StoreBatch(body, request, pool, store);
        return null;
    }

    /// <summary>Stores the pages of a put or of a batch, one after the other, or says in the request why not.</summary>
    public static void StorePages(in ReadOnlySequence<byte> pages, ObjectRequest request, PoolEntry pool, PageStore store)
    {
        if (request.Opcode == Opcode.Put) StorePage(pages, request, pool, store);
        else StoreBatch(pages, request, pool, store);
    }

    private static void StorePage(in ReadOnlySequence<byte> body, ObjectRequest request, PoolEntry pool, PageStore store)
    {
        if (pool.Frozen) request.Refusal = RefusalReason.Frozen;
        else if (store.TryStore(pool.Account, body, out var page)) request.Page = page;
        else request.Refusal = RefusalReason.Capacity;
    }

    private static void StoreBatch(ReadOnlySequence<byte> body, ObjectRequest request, PoolEntry pool, PageStore store)
    {
        var pageBytes = pool.Options.PageSizeBytes;
        if (pool.Frozen && request.HasPuts) request.Refusal = RefusalReason.Frozen;
        for (var i = 0; i < request.Count && request.Refusal == RefusalReason.None; i++)
        {
            if (request.Entries[i].IsFlush) continue;
            if (store.TryStore(pool.Account, body.Slice(0, pageBytes), out request.Pages[i])) body = body.Slice(pageBytes);
            else request.Refusal = RefusalReason.Capacity;
        }

        if (request.Refusal == RefusalReason.None) return;
        // All or nothing: what was stored of a batch that can't be stored whole goes at once.
        foreach (ref var page in request.Pages.AsSpan(0, request.Count))
        {
            store.Free(page);
            store.Unpin(page);
            page = default;
        }
    }

    private static ParseError? ParseGetBatch(in ObjectRequestHead head, in ReadOnlySequence<byte> body, ObjectRequest request, PoolEntry pool)
    {
        if (body.Length != head.Count * sizeof(uint)) return ParseError.Malformed("the batch's length is not what the frame says");
        if ((long)head.Count * pool.Options.PageSizeBytes > ProtocolLimits.MaxBatchBytes)
            return ParseError.BadArgument($"a batch holds at most {ProtocolLimits.MaxBatchBytes} bytes of pages");
        Span<byte> raw = stackalloc byte[ProtocolLimits.MaxBatchPages * sizeof(uint)];
        body.CopyTo(raw);
        var entries = request.Entries;
        for (var i = 0; i < head.Count; i++) entries[i] = new BatchEntry(BinaryPrimitives.ReadUInt32LittleEndian(raw[(i * sizeof(uint))..]), false);
        if (Duplicate(entries.AsSpan(0, head.Count)) is { } twice) return ParseError.BadArgument($"index {twice} stands in the batch twice");
        request.Count = head.Count;
        request.Pages.AsSpan(0, head.Count).Clear();
        return null;
    }

    private static ParseError? ParseListPages(in ObjectRequestHead head, in ReadOnlySequence<byte> body, ObjectRequest request)
    {
        if (body.Length != 0) return ParseError.Malformed("the frame has bytes beyond its request");
        if (head.Count is < 1 or > ProtocolLimits.MaxListedPages)
            return ParseError.BadArgument($"a piece of a list has 1 to {ProtocolLimits.MaxListedPages} pages, not {head.Count}");
        request.Most = head.Count;
        return null;
    }

    private static uint? Duplicate(ReadOnlySpan<BatchEntry> entries)
    {
        Span<uint> sorted = stackalloc uint[ProtocolLimits.MaxBatchPages];
        sorted = sorted[..entries.Length];
        var ascending = true;
        for (var i = 0; i < entries.Length; i++)
        {
            sorted[i] = entries[i].Index;
            ascending &= i == 0 || sorted[i] > sorted[i - 1];
        }

        if (ascending) return null;
        sorted.Sort();
        for (var i = 1; i < sorted.Length; i++)
            if (sorted[i] == sorted[i - 1]) return sorted[i];
        return null;
    }
}

/// <summary>What is wrong with a request.</summary>
/// <param name="Status">The answer's status.</param>
/// <param name="Text">The answer's text.</param>
internal sealed record ParseError(Status Status, string Text)
{
    /// <summary>The frame makes no sense: the connection ends after the answer.</summary>
    public static ParseError Malformed(string text) => new(Status.Malformed, text);

    /// <summary>An argument is wrong.</summary>
    public static ParseError BadArgument(string text) => new(Status.BadArgument, text);
}
