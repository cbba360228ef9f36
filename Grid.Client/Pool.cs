using System.Runtime.CompilerServices;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>
/// A pool of pages. Every operation is a copy: when the call has returned or thrown, the caller's buffers are the caller's again.
/// Until then they must not change. Safe for use by any number of threads at once; operations on one object take effect one after the other.
/// </summary>
/// <remarks>
/// What is thrown, by every operation: <see cref="ArgumentException"/> for arguments out of range (at once, nothing is sent);
/// <see cref="NoSuchPoolException"/> when the pool was destroyed; <see cref="OutcomeUnknownException"/> when a put, flush or take was sent and it is not known whether it
/// took effect; <see cref="GridUnavailableException"/> and <see cref="GridTimeoutException"/> at the deadline;
/// <see cref="PageCorruptException"/> when stored bytes fail their checksum; otherwise <see cref="GridException"/>.
/// A <see cref="ValueTask{TResult}"/> returned here may be awaited once only.
/// </remarks>
public sealed class Pool
{
    private readonly Router _router;

    internal Pool(Router router, PoolInfo info)
    {
        _router = router;
        Info = info;
        Id = info.Id;
        PageSizeBytes = info.Options.PageSizeBytes;
    }

    /// <summary>The pool as it was when it was created or opened.</summary>
    public PoolInfo Info { get; }

    /// <summary>Its name.</summary>
    public string Name => Info.Name;

    /// <summary>Its number.</summary>
    public PoolId Id { get; }

    /// <summary>Bytes of a page.</summary>
    public int PageSizeBytes { get; }

    /// <summary>Stores a page, in place of the one that may be there. A refusal empties the handle and is an answer, not an exception.</summary>
    /// <param name="obj">The object.</param>
    /// <param name="index">The page number in it.</param>
    /// <param name="page">Exactly <see cref="PageSizeBytes"/> bytes.</param>
    /// <param name="options">How this call differs from the client's defaults.</param>
    /// <param name="cancellationToken">Gives the call up; its outcome is unknown if it was sent already.</param>
    /// <exception cref="ArgumentException">The page's length is wrong.</exception>
    /// <exception cref="OutcomeUnknownException">It is not known whether the page was stored.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public ValueTask<PutResult> PutAsync(
        ObjectId obj, uint index, ReadOnlyMemory<byte> page, CallOptions? options = null, CancellationToken cancellationToken = default)
    {
        if (page.Length != PageSizeBytes) throw Arguments.PageLength(page.Length, PageSizeBytes, nameof(page));
        var operation = _router.Rent(this, obj, Opcode.Put, options, cancellationToken);
        operation.Index = index;
        operation.Page = page;
        return _router.Start<PutResult>(operation);
    }

    /// <summary>Reads a page.</summary>
    /// <param name="obj">The object.</param>
    /// <param name="index">The page number in it.</param>
    /// <param name="destination">At least <see cref="PageSizeBytes"/> bytes; a hit fills the first of them, a miss leaves them alone.</param>
    /// <param name="mode">Whether a page that is found stays; by default as the pool's kind says.</param>
    /// <param name="options">How this call differs from the client's defaults.</param>
    /// <param name="cancellationToken">Gives the call up; whether a take took effect is unknown if it was sent already.</param>
    /// <exception cref="ArgumentException">The destination is too short, or the mode unknown.</exception>
    /// <exception cref="OutcomeUnknownException">It is not known whether a take removed the page.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public ValueTask<GetResult> GetAsync(
        ObjectId obj,
        uint index,
        Memory<byte> destination,
        GetMode mode = GetMode.PoolDefault,
        CallOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        if (destination.Length < PageSizeBytes) throw Arguments.DestinationLength(destination.Length, PageSizeBytes, nameof(destination));
        var flags = FlagsOf(mode);
        var operation = _router.Rent(this, obj, Opcode.Get, options, cancellationToken);
        operation.Flags = flags;
        operation.Index = index;
        operation.Destination = destination;
        operation.HasNoEffect = Keeps(mode);
        return _router.Start<GetResult>(operation);
    }

    /// <summary>Removes a page. Flushing what is not there is no error.</summary>
    /// <param name="obj">The object.</param>
    /// <param name="index">The page number in it.</param>
    /// <param name="options">How this call differs from the client's defaults.</param>
    /// <param name="cancellationToken">Gives the call up; its outcome is unknown if it was sent already.</param>
    /// <exception cref="OutcomeUnknownException">It is not known whether the page was removed.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public ValueTask<FlushResult> FlushPageAsync(ObjectId obj, uint index, CallOptions? options = null, CancellationToken cancellationToken = default)
    {
        var operation = _router.Rent(this, obj, Opcode.FlushPage, options, cancellationToken);
        operation.Index = index;
        return _router.Start<FlushResult>(operation);
    }

    /// <summary>Removes every page of an object.</summary>
    /// <param name="obj">The object.</param>
    /// <param name="options">How this call differs from the client's defaults.</param>
    /// <param name="cancellationToken">Gives the call up; its outcome is unknown if it was sent already.</param>
    /// <exception cref="OutcomeUnknownException">It is not known whether the pages were removed.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public ValueTask<FlushResult> FlushObjectAsync(ObjectId obj, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        _router.Start<FlushResult>(_router.Rent(this, obj, Opcode.FlushObject, options, cancellationToken));

    /// <summary>Stores and removes pages of one object at one instant, all or nothing. A refusal leaves all the batch's handles empty.</summary>
    /// <param name="obj">The object.</param>
    /// <param name="batch">The puts and flushes: at least one. Neither it nor its pages may change until the call has returned.</param>
    /// <param name="onlyIf">Apply only if none of the batch's handles was put, flushed or taken since this version.</param>
    /// <param name="options">How this call differs from the client's defaults.</param>
    /// <param name="cancellationToken">Gives the call up; its outcome is unknown if it was sent already.</param>
    /// <exception cref="ArgumentException">The batch is empty, or one of its pages has a wrong length.</exception>
    /// <exception cref="OutcomeUnknownException">It is not known whether the batch was applied.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public ValueTask<WriteBatchResult> WriteBatchAsync(
        ObjectId obj, WriteBatch batch, ObjectVersion? onlyIf = null, CallOptions? options = null, CancellationToken cancellationToken = default)
    {
        Arguments.RequireBatch(batch, PageSizeBytes);
        var operation = _router.Rent(this, obj, Opcode.WriteBatch, options, cancellationToken);
        operation.Batch = batch;
        operation.SetCondition(onlyIf);
        return _router.Start<WriteBatchResult>(operation);
    }

    /// <summary>Reads pages of one object at one instant.</summary>
    /// <param name="obj">The object.</param>
    /// <param name="indexes">The page numbers: 1 to 256, at most 1 MiB of pages, each once.</param>
    /// <param name="destination">At least their number times <see cref="PageSizeBytes"/> bytes. The page of the i-th index is written at i × <see cref="PageSizeBytes"/>; where it missed, nothing is.</param>
    /// <param name="mode">Whether pages that are found stay; by default as the pool's kind says.</param>
    /// <param name="onlyIf">Read only if none of the batch's handles was put, flushed or taken since this version.</param>
    /// <param name="options">How this call differs from the client's defaults.</param>
    /// <param name="cancellationToken">Gives the call up; whether a take took effect is unknown if it was sent already.</param>
    /// <exception cref="ArgumentException">The indexes are none, too many or not distinct, the destination is too short, or the mode is unknown.</exception>
    /// <exception cref="OutcomeUnknownException">It is not known whether a take removed the pages.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public ValueTask<GetBatchResult> GetBatchAsync(
        ObjectId obj,
        ReadOnlyMemory<uint> indexes,
        Memory<byte> destination,
        GetMode mode = GetMode.PoolDefault,
        ObjectVersion? onlyIf = null,
        CallOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        Arguments.RequireIndexes(indexes.Span, PageSizeBytes);
        if (destination.Length < indexes.Length * PageSizeBytes)
            throw Arguments.DestinationLength(destination.Length, indexes.Length * PageSizeBytes, nameof(destination));
        var flags = FlagsOf(mode);
        var operation = _router.Rent(this, obj, Opcode.GetBatch, options, cancellationToken);
        operation.Flags = flags;
        operation.Indexes = indexes;
        operation.Destination = destination;
        operation.HasNoEffect = Keeps(mode);
        operation.SetCondition(onlyIf);
        return _router.Start<GetBatchResult>(operation);
    }

    /// <summary>The pool's objects, their ids ascending, asked for a piece at a time.</summary>
    /// <remarks>
    /// Of a persistent pool: every object that holds a page from the beginning of the enumeration to its end; one that is written or emptied meanwhile may be there or not. No object is
    /// loaded for it. Of an ephemeral pool: what the node this client is connected to holds at the time, and any of it may have vanished by the time it is read.
    /// </remarks>
    /// <param name="withEmpty">Persistent pools: also objects that hold nothing any more, but of which the journal has events.</param>
    /// <param name="cancellationToken">Gives the enumeration up.</param>
    /// <exception cref="NoSuchPoolException">The pool was destroyed.</exception>
    /// <exception cref="GridException">It failed; nothing is changed by it in any case.</exception>
    public async IAsyncEnumerable<ListedObject> ListObjectsAsync(bool withEmpty = false, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        var part = new ObjectListPart([], default, false);
        while (!part.IsLast)
        {
            var request = new ObjectListRequest(Id, part.Next, ProtocolLimits.MaxListedObjects, withEmpty);
            part = ControlAnswers.Objects(await _router.ControlAsync(Opcode.ListObjects, ControlBodies.Of(request), repeatable: true, cancellationToken).ConfigureAwait(false));
            foreach (var item in part.Objects) yield return item;
        }
    }

    /// <summary>The pages an object holds, their indexes ascending, a piece at a time. Each piece is what the object held at one instant.</summary>
    /// <param name="obj">The object. It is loaded for it (its index, not its pages).</param>
    /// <param name="from">The first index asked for.</param>
    /// <param name="cancellationToken">Gives the enumeration up.</param>
    /// <exception cref="NoSuchPoolException">The pool was destroyed.</exception>
    /// <exception cref="PageCorruptException">The object's journal is damaged.</exception>
    /// <exception cref="GridException">It failed; nothing is changed by it in any case.</exception>
    public async IAsyncEnumerable<PageList> ListPagesAsync(ObjectId obj, uint from = 0, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        for (var next = (uint?)from; next is { } index;)
        {
            var operation = _router.Rent(this, obj, Opcode.ListPages, null, cancellationToken);
            operation.Index = index;
            operation.Most = PageList.MaxIndexes;
            operation.HasNoEffect = true;
            var answer = await _router.Start<ControlAnswer>(operation).ConfigureAwait(false);
            var part = ControlAnswers.PagesOf(answer);
            next = part.IsLast ? null : part.Next;
            yield return new PageList(part.Indexes, answer.Version, part.IsLast);
        }
    }

    /// <summary>
    /// Has the node check what its journal holds of an object of a persistent pool, a piece at a time: every event's header and entries, every page's checksum and size, and that none is missing.
    /// Nothing is changed, and no page travels.
    /// </summary>
    /// <param name="obj">The object. It is not loaded for it.</param>
    /// <param name="cancellationToken">Gives the verification up.</param>
    /// <exception cref="NoSuchPoolException">The pool was destroyed.</exception>
    /// <exception cref="GridArgumentException">The pool is ephemeral.</exception>
    /// <exception cref="GridException">The journal could not be read; damage is no exception.</exception>
    public async IAsyncEnumerable<VerifyPart> VerifyObjectAsync(ObjectId obj, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        const int BytesAtOnce = 4 << 20;
        var part = new VerifyPart(false, 0, 0, 0, 0, []);
        while (!part.IsLast)
        {
            var request = new VerifyRequest(Id, obj, part.Last, BytesAtOnce);
            part = ControlAnswers.Verified(await _router.ControlAsync(Opcode.VerifyObject, ControlBodies.Of(request), repeatable: true, cancellationToken).ConfigureAwait(false));
            yield return part;
        }
    }

    private static RequestFlags FlagsOf(GetMode mode) => mode switch
    {
        GetMode.PoolDefault => RequestFlags.None,
        GetMode.Keep => RequestFlags.Keep,
        GetMode.Take => RequestFlags.Take,
        _ => throw new ArgumentOutOfRangeException(nameof(mode), mode, "The mode is unknown."),
    };

    private bool Keeps(GetMode mode) => mode == GetMode.Keep || (mode == GetMode.PoolDefault && !Info.Options.GetTakesByDefault);
}
