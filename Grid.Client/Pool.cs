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

    private static RequestFlags FlagsOf(GetMode mode) => mode switch
    {
        GetMode.PoolDefault => RequestFlags.None,
        GetMode.Keep => RequestFlags.Keep,
        GetMode.Take => RequestFlags.Take,
        _ => throw new ArgumentOutOfRangeException(nameof(mode), mode, "The mode is unknown."),
    };

    private bool Keeps(GetMode mode) => mode == GetMode.Keep || (mode == GetMode.PoolDefault && !Info.Options.GetTakesByDefault);
}
