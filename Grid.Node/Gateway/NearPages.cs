using System.Buffers;
using Grid.Node.Memory;
using Grid.Node.Objects;
using Grid.Protocol;

namespace Grid.Node.Gateway;

/// <summary>Asks for pages through <see cref="NearPages"/>.</summary>
internal interface INearCaller
{
    /// <summary>An object has answered; called by its actor's thread and must not block.</summary>
    /// <param name="asker">What was asked for it.</param>
    /// <param name="pages">The answer, which is to be let go of (<see cref="NearPages.Release"/>); null where it does not stand.</param>
    void OnNear(object asker, NearAnswer? pages);
}

/// <summary>What an object of this node has answered, with the pages that it holds until it is let go of.</summary>
/// <param name="Request">The request, answered.</param>
internal readonly record struct NearAnswer(ObjectRequest Request);

/// <summary>
/// The short way to objects that live on this node, for parts of it that are themselves asked by others: their actors are asked as connections ask them, without a connection in between. Only for whole pages of one object, and
/// only as long as all goes well: whatever is answered otherwise (the object has moved, its journal is away, a put was refused) takes the way of every client, which knows what to do.
/// </summary>
internal sealed class NearPages : IRequestSink, IOrphanClaimer, IDisposable
{
    private readonly GatewayServices _services;
    private readonly PoolId _pool;
    private readonly int _pageBytes;
    private readonly INearCaller _caller;
    private readonly RequestPool _requests;
    private readonly InlineRun _inline = new();

    /// <summary>A way to the objects of a pool.</summary>
    /// <param name="services">The gateway's.</param>
    /// <param name="pool">The pool.</param>
    /// <param name="pageBytes">Bytes of its pages.</param>
    /// <param name="mostRequests">How many may be under way at a time.</param>
    /// <param name="caller">Who asks.</param>
    public NearPages(GatewayServices services, PoolId pool, int pageBytes, int mostRequests, INearCaller caller)
    {
        (_services, _pool, _pageBytes, _caller) = (services, pool, pageBytes, caller);
        _requests = new RequestPool(this, mostRequests, int.MaxValue);
        services.Connections.EnterFrontend(this);
    }

    private PageStore Store => _services.Objects.Store;

    /// <summary>From here on, on this thread, actors that are asked run on it.</summary>
    public void Begin() => _inline.Begin();

    /// <summary>Runs the actors that were asked.</summary>
    public void RunAll() => _inline.RunAll();

    /// <summary>Asks an object of this node for pages, or puts them, if it lives here and one request can carry them.</summary>
    /// <param name="asker">What it is asked for.</param>
    /// <param name="id">The object.</param>
    /// <param name="first">The first page.</param>
    /// <param name="pages">How many.</param>
    /// <param name="isWrite">Whether they are put.</param>
    /// <param name="data">Their bytes, where they are put.</param>
    /// <returns>False where nothing was begun.</returns>
    public bool TryBegin(object asker, ObjectId id, uint first, int pages, bool isWrite, ReadOnlyMemory<byte> data)
    {
        if (pages > ProtocolLimits.MaxBatchPages || (long)pages * _pageBytes > ProtocolLimits.MaxBatchBytes || _services.Connections.IsDraining) return false;
        var key = new ObjectKey(_pool, id);
        if (!_services.Objects.Pools.TryGet(_pool, out var pool) || !_services.Objects.Registry.TryGet(key, out var entry) || _requests.TryRent(0) is not { } request) return false;
        (request.Pool, request.Key, request.Asker) = (pool, key, asker);
        request.Opcode = (isWrite, pages) switch
        {
            (false, 1) => Opcode.Get,
            (false, _) => Opcode.GetBatch,
            (true, 1) => Opcode.Put,
            (true, _) => Opcode.WriteBatch,
        };
        request.Flags = isWrite ? RequestFlags.None : RequestFlags.Keep;
        request.Index = pages == 1 ? first : 0;
        if (pages > 1)
        {
            for (var i = 0; i < pages; i++) request.Entries[i] = new BatchEntry(first + (uint)i, IsFlush: false);
            request.Count = pages;
            request.Pages.AsSpan(0, pages).Clear();
        }

        if (isWrite) RequestParser.StorePages(new ReadOnlySequence<byte>(data), request, pool, Store);
        request.MarkQueued();
        request.TellTo(entry);
        return true;
    }

    /// <inheritdoc/>
    public void Complete(ObjectRequest request)
    {
        var asker = request.Asker!;
        var stands = request.Status == Status.Ok || (request.Status == Status.Miss && request.Opcode == Opcode.Get);
        if (!stands) Release(new NearAnswer(request));
        _caller.OnNear(asker, stands ? new NearAnswer(request) : null);
    }

    /// <inheritdoc/>
    public void ClaimOrphans(ObjectEntry entry)
    {
        foreach (var request in _requests.All()) request.ClaimFrom(entry);
    }

    /// <summary>Whether a read found any page.</summary>
    public static bool HasPages(NearAnswer answer)
    {
        for (var i = 0; i < answer.Request.EntryCount; i++)
            if (IsHit(answer.Request, i)) return true;
        return false;
    }

    /// <summary>Whether every page that a read found is there as it is: writing it out cannot fail.</summary>
    public bool IsPlain(NearAnswer answer)
    {
        for (var i = 0; i < answer.Request.EntryCount; i++)
            if (IsHit(answer.Request, i) && !IsPlain(answer.Request, i)) return false;
        return true;
    }

    /// <summary>Decodes a read's pages; what is missing is zero.</summary>
    /// <exception cref="InvalidDataException">A page is damaged.</exception>
    public void CopyTo(NearAnswer answer, Span<byte> pages)
    {
        var near = answer.Request;
        for (var i = 0; i < near.EntryCount; i++)
        {
            var page = pages.Slice(i * _pageBytes, _pageBytes);
            if (!IsHit(near, i)) page.Clear();
            else if (IsLoaded(near, i)) PageCodecs.Decode(near.Loaded![i].Codec, near.Loaded[i].Stored.Span, page);
            else Store.CopyTo(PageOf(near, i), page);
        }
    }

    /// <summary>Writes a read's pages, which are plain; what is missing is zero.</summary>
    public void Write(IBufferWriter<byte> output, NearAnswer answer)
    {
        var near = answer.Request;
        for (var i = 0; i < near.EntryCount; i++)
        {
            if (IsHit(near, i)) AnswerWriter.WritePage(output, near, i, PageOf(near, i), Store);
            else WriteZeros(output);
        }
    }

    /// <summary>Lets go of an answer; once.</summary>
    public void Release(NearAnswer answer)
    {
        var near = answer.Request;
        _services.Metrics.Operation(near.Opcode, near.Status);
        PoolCounting.Count(near);
        _services.Objects.ReleaseAnswer(near);
        _services.Objects.DropPages(near);
        near.Asker = null;
        _requests.Return(near, near.IsReusable);
    }

    public void Dispose() => _services.Connections.LeaveFrontend(this);

    private static PageRef PageOf(ObjectRequest near, int i) => near.Opcode == Opcode.Get ? near.Page : near.Pages[i];

    private static bool IsHit(ObjectRequest near, int i) => near.Status == Status.Ok && (near.Opcode == Opcode.Get || near.Bits.Get(i));

    private static bool IsLoaded(ObjectRequest near, int i) => near.Loaded is { } loaded && loaded[i].SequenceNr != 0;

    private bool IsPlain(ObjectRequest near, int i)
    {
        if (IsLoaded(near, i)) return near.Loaded![i].Codec == PageCodec.Raw && near.Loaded[i].Stored.Length == _pageBytes;
        if (PageOf(near, i).IsSameFilled) return true;
        return Store.Stored(PageOf(near, i), [], out var codec).Length == _pageBytes && codec == PageCodec.Raw;
    }

    private void WriteZeros(IBufferWriter<byte> output)
    {
        for (var left = _pageBytes; left > 0;)
        {
            var span = output.GetSpan();
            var bytes = Math.Min(left, span.Length);
            span[..bytes].Clear();
            output.Advance(bytes);
            left -= bytes;
        }
    }
}
