using System.Buffers;
using Grid.Client;
using Grid.Node.Gateway;
using Grid.Node.Memory;
using Grid.Node.Objects;
using Grid.Protocol;

namespace Grid.Node.Frontends.Nbd;

/// <summary>
/// The short way to objects that live on this node: their actors are asked as the gateway asks them, without a connection in between. Only for whole pages of one object, and only as long as all goes well:
/// whatever is answered otherwise (the object has moved, its journal is away, a put was refused) takes the long way, which knows what to do.
/// </summary>
internal sealed class NearPages : IRequestSink, IOrphanClaimer, IDisposable
{
    private readonly GatewayServices _services;
    private readonly PoolId _pool;
    private readonly int _pageBytes;
    private readonly Action<NbdReply, bool> _onAnswered;
    private readonly RequestPool _requests;
    private readonly InlineRun _inline = new();

    /// <summary>A way to the objects of a pool.</summary>
    /// <param name="services">The gateway's.</param>
    /// <param name="pool">The pool.</param>
    /// <param name="mostRequests">How many may be under way at a time.</param>
    /// <param name="onAnswered">Told of each reply, and whether it stands; called by the actor's thread and must not block.</param>
    public NearPages(GatewayServices services, Pool pool, int mostRequests, Action<NbdReply, bool> onAnswered)
    {
        (_services, _pool, _pageBytes, _onAnswered) = (services, pool.Id, pool.PageSizeBytes, onAnswered);
        _requests = new RequestPool(this, mostRequests, int.MaxValue);
        services.Connections.EnterFrontend(this);
    }

    private PageStore Store => _services.Objects.Store;

    /// <summary>From here on, on this thread, actors that are asked run on it.</summary>
    public void Begin() => _inline.Begin();

    /// <summary>Runs the actors that were asked.</summary>
    public void RunAll() => _inline.RunAll();

    /// <summary>Asks an object of this node for the pages of a read or a write, if there is one and they are whole.</summary>
    /// <param name="reply">What is answered.</param>
    /// <param name="data">A write's bytes.</param>
    /// <returns>False where nothing was begun.</returns>
    public bool TryBegin(NbdReply reply, ReadOnlyMemory<byte> data)
    {
        var (offset, bytes) = ((long)reply.Request.Offset, reply.Request.LengthBytes);
        var inObject = offset % NbdExport.ObjectBytes;
        if ((offset | bytes) % _pageBytes != 0 || inObject + bytes > NbdExport.ObjectBytes || bytes > ProtocolLimits.MaxBatchBytes) return false;
        var pages = (int)(bytes / _pageBytes);
        if (pages > ProtocolLimits.MaxBatchPages || _services.Connections.IsDraining) return false;
        var key = new ObjectKey(_pool, NbdExport.ObjectOf((ulong)(offset / NbdExport.ObjectBytes)));
        if (!_services.Objects.Pools.TryGet(_pool, out var pool) || !_services.Objects.Registry.TryGet(key, out var entry) || _requests.TryRent(0) is not { } request) return false;
        (request.Pool, request.Key, request.Asker) = (pool, key, reply);
        var first = (uint)(inObject / _pageBytes);
        var isWrite = reply.Request.Command == NbdCommand.Write;
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
        var reply = (NbdReply)request.Asker!;
        var stands = request.Status == Status.Ok || (request.Status == Status.Miss && reply.Request.Command == NbdCommand.Read);
        reply.Near = request;
        if (!stands) Release(reply);
        _onAnswered(reply, stands);
    }

    /// <inheritdoc/>
    public void ClaimOrphans(ObjectEntry entry)
    {
        foreach (var request in _requests.All()) request.ClaimFrom(entry);
    }

    /// <summary>
    /// Before a read's reply is written: what could turn out to be damaged is decoded first, for nothing can be taken back once the reply's head is out. A page as it is goes from the store straight to the client.
    /// </summary>
    /// <exception cref="InvalidDataException">A page is damaged.</exception>
    public void Prepare(NbdReply reply)
    {
        var near = reply.Near!;
        if (reply.Request.Command != NbdCommand.Read) return;
        var (hasPages, isPlain) = (false, true);
        for (var i = 0; i < near.EntryCount; i++)
        {
            if (!IsHit(near, i)) continue;
            hasPages = true;
            isPlain &= IsPlain(near, i);
        }

        if (!hasPages) Release(reply);
        if (!hasPages || isPlain) return;
        reply.Data = reply.Buffer = ArrayPool<byte>.Shared.Rent((int)reply.Request.LengthBytes);
        for (var i = 0; i < near.EntryCount; i++)
        {
            var page = reply.Data.AsSpan(i * _pageBytes, _pageBytes);
            if (!IsHit(near, i)) page.Clear();
            else if (IsLoaded(near, i)) PageCodecs.Decode(near.Loaded![i].Codec, near.Loaded[i].Stored.Span, page);
            else Store.CopyTo(PageOf(near, i), page);
        }

        Release(reply);
    }

    /// <summary>Writes the pages of a reply that was prepared.</summary>
    public void Write(IBufferWriter<byte> output, NbdReply reply)
    {
        var near = reply.Near!;
        for (var i = 0; i < near.EntryCount; i++)
        {
            if (!IsHit(near, i)) WriteZeros(output);
            else if (IsLoaded(near, i)) output.Write(near.Loaded![i].Stored.Span);
            else Store.CopyTo(PageOf(near, i), output);
        }
    }

    /// <summary>Lets go of what a reply holds of an object.</summary>
    public void Release(NbdReply reply)
    {
        if (reply.Near is not { } near) return;
        reply.Near = null;
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
