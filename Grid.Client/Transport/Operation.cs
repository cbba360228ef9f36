using System.Threading.Tasks.Sources;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>
/// One call: its request, where it is on its way, and its result. Rented by the call, returned when the caller has fetched the result.
/// </summary>
/// <remarks>
/// It belongs to exactly one party at a time: the caller until it is started; the link whose list it stands in (under that link's gate); the slot it was sent from;
/// whoever claimed it from there (an answer, a deadline, a cancellation or the loss of the connection: <see cref="SlotTable"/> lets one of them win).
/// Only its owner touches the caller's buffers, so that nothing touches them once the call has ended.
/// </remarks>
internal sealed class Operation :
    IValueTaskSource<PutResult>,
    IValueTaskSource<GetResult>,
    IValueTaskSource<FlushResult>,
    IValueTaskSource<WriteBatchResult>,
    IValueTaskSource<GetBatchResult>,
    IValueTaskSource<ControlAnswer>,
    IValueTaskSource<int>,
    IThreadPoolWorkItem
{
    private readonly OperationCancellation _cancellation;
    private ManualResetValueTaskSourceCore<bool> _core;
    private Exception? _failure;

    public Operation() => _cancellation = new OperationCancellation(this);

    // ---- the request ----

    public Opcode Opcode { get; set; }

    public RequestFlags Flags { get; set; }

    public ObjectKey Key { get; set; }

    public uint Index { get; set; }

    /// <summary>List of pages: the most page numbers.</summary>
    public int Most { get; set; }

    public int PageSizeBytes { get; set; }

    /// <summary>A put's page; the body of a control request.</summary>
    public ReadOnlyMemory<byte> Page { get; set; }

    public Memory<byte> Destination { get; set; }

    public ReadOnlyMemory<uint> Indexes { get; set; }

    public WriteBatch? Batch { get; set; }

    public ObjectVersion Condition { get; private set; }

    public long DeadlineMs { get; set; }

    /// <summary>Whether <see cref="Page"/> is the whole body, made by somebody else who is told the answer as it came.</summary>
    public bool IsRelayed { get; set; }

    // ---- how it may be repeated ----

    /// <summary>Whether it changes nothing, so that it may be sent again whatever became of it.</summary>
    public bool HasNoEffect { get; set; }

    /// <summary>Whether the caller wants it sent again when its outcome is unknown.</summary>
    public bool AtLeastOnce { get; set; }

    /// <summary>Whether an earlier sending may have taken effect: from then on no failure can say "not applied".</summary>
    public bool MayHaveBeenApplied { get; set; }

    /// <summary>Sendings that came to nothing.</summary>
    public int Attempts { get; set; }

    /// <summary>Why the last sending came to nothing.</summary>
    public string? LastSetback { get; set; }

    // ---- where it is ----

    /// <summary>Where it was put last. Written under that link's gate; read by cancellation.</summary>
    public NodeLink? Link
    {
        get => Volatile.Read(ref field);
        set => Volatile.Write(ref field, value);
    }

    /// <summary>The list of <see cref="Link"/> it stands in, if it does; under the link's gate.</summary>
    public OperationList? List { get; set; }

    public Operation? Next { get; set; }

    public Operation? Previous { get; set; }

    /// <summary>When a delayed operation is due.</summary>
    public long DueMs { get; set; }

    /// <summary>The connection and slot it was sent from last; under the link's gate.</summary>
    public Connection? SentOn { get; set; }

    public ulong Correlation { get; set; }

    // ---- the result ----

    public Status Status { get; set; }

    public byte Detail { get; set; }

    public ObjectVersion Version { get; set; }

    public BatchBits Bits { get; set; }

    /// <summary>The body of a control answer or of one that is relayed, or a list of pages.</summary>
    public byte[] Body { get; set; } = [];

    /// <summary>The text of an error that is relayed.</summary>
    public string Text { get; set; } = "";

    /// <summary>Bytes of an echo's page.</summary>
    public int EchoBytes { get; set; }

    /// <summary>What the caller's task is bound to.</summary>
    public short Token => _core.Version;

    public CancellationToken CancellationToken => _cancellation.Token;

    public bool CanBeRepeated => HasNoEffect || AtLeastOnce;

    public bool IsCancelRequested => _cancellation.IsRequested;

    public void SetCondition(ObjectVersion? onlyIf)
    {
        if (onlyIf is not { } version) return;
        Condition = version;
        Flags |= RequestFlags.Conditional;
    }

    public void WatchCancellation(CancellationToken cancellationToken) => _cancellation.Watch(cancellationToken);

    /// <summary>Ends the call with the result in the properties, and runs what awaits it on this thread.</summary>
    public void Complete()
    {
        _cancellation.Unwatch();
        _core.SetResult(true);
    }

    /// <summary>Ends the call with a failure, on a thread of the pool: callers hold locks or run timers that what awaits it must not stop.</summary>
    public void Fail(Exception failure)
    {
        _failure = MayHaveBeenApplied && failure is GridException { Outcome: CallOutcome.NotApplied } or ObjectDisposedException
            ? new OutcomeUnknownException("The request was sent more than once; an earlier sending may have taken effect.", failure)
            : failure;
        ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);
    }

    void IThreadPoolWorkItem.Execute()
    {
        _cancellation.Unwatch();
        _core.SetException(_failure!);
    }

    PutResult IValueTaskSource<PutResult>.GetResult(short token)
    {
        _core.GetResult(token);
        var refused = Status == Status.Refused;
        var result = new PutResult(refused ? PutOutcome.Refused : PutOutcome.Stored, refused ? (RefusalReason)Detail : RefusalReason.None, Version);
        Return();
        return result;
    }

    GetResult IValueTaskSource<GetResult>.GetResult(short token)
    {
        _core.GetResult(token);
        var result = new GetResult(Status == Status.Ok, Version);
        Return();
        return result;
    }

    FlushResult IValueTaskSource<FlushResult>.GetResult(short token)
    {
        _core.GetResult(token);
        var result = new FlushResult(Status == Status.Ok, Version);
        Return();
        return result;
    }

    WriteBatchResult IValueTaskSource<WriteBatchResult>.GetResult(short token)
    {
        _core.GetResult(token);
        var outcome = OutcomeOfBatch();
        var result = new WriteBatchResult(outcome, outcome == BatchOutcome.Refused ? (RefusalReason)Detail : RefusalReason.None, Version, Bits);
        Return();
        return result;
    }

    GetBatchResult IValueTaskSource<GetBatchResult>.GetResult(short token)
    {
        _core.GetResult(token);
        var result = new GetBatchResult(OutcomeOfBatch(), Version, Bits);
        Return();
        return result;
    }

    ControlAnswer IValueTaskSource<ControlAnswer>.GetResult(short token)
    {
        _core.GetResult(token);
        var result = new ControlAnswer(Status, Body, Opcode == Opcode.ListPages ? Version : default, Detail, Text);
        Return();
        return result;
    }

    int IValueTaskSource<int>.GetResult(short token)
    {
        _core.GetResult(token);
        var result = EchoBytes;
        Return();
        return result;
    }

    ValueTaskSourceStatus IValueTaskSource<PutResult>.GetStatus(short token) => _core.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource<GetResult>.GetStatus(short token) => _core.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource<FlushResult>.GetStatus(short token) => _core.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource<WriteBatchResult>.GetStatus(short token) => _core.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource<GetBatchResult>.GetStatus(short token) => _core.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource<ControlAnswer>.GetStatus(short token) => _core.GetStatus(token);

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _core.GetStatus(token);

    void IValueTaskSource<PutResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource<GetResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource<FlushResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource<WriteBatchResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource<GetBatchResult>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource<ControlAnswer>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    void IValueTaskSource<int>.OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
        _core.OnCompleted(continuation, state, token, flags);

    private BatchOutcome OutcomeOfBatch() => Status switch
    {
        Status.Ok => BatchOutcome.Applied,
        Status.Refused => BatchOutcome.Refused,
        _ => BatchOutcome.ConditionFailed,
    };

    /// <summary>Back to the pool, without a reference to anything of the caller's. Not while a cancellation may still look at it.</summary>
    private void Return()
    {
        if (!_cancellation.TryReset()) return;
        _core.Reset();
        Flags = RequestFlags.None;
        Index = 0;
        Page = default;
        Destination = default;
        Indexes = default;
        Batch = null;
        Condition = default;
        IsRelayed = false;
        HasNoEffect = false;
        AtLeastOnce = false;
        MayHaveBeenApplied = false;
        Attempts = 0;
        LastSetback = null;
        Bits = default;
        Body = [];
        Text = "";
        Link = null;
        SentOn = null;
        OperationPool.Return(this);
    }
}
