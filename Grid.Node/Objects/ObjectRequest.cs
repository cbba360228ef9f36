using System.Buffers;
using Akka.Actor;
using Grid.Node.Admin;
using Grid.Node.Memory;
using Grid.Node.Pools;
using Grid.Protocol;
using Status = Grid.Protocol.Status;

namespace Grid.Node.Objects;

/// <summary>Takes the answered requests of one connection; called by the actor's thread and must not block.</summary>
internal interface IRequestSink
{
    /// <summary>The request is answered; the sink owns it again.</summary>
    void Complete(ObjectRequest request);
}

/// <summary>Writes the body of an answer.</summary>
internal delegate void WriteBody(ref BodyWriter writer);

/// <summary>
/// One operation on one object on its way gateway → actor → gateway. Pooled per connection.
/// It is in exactly one state; the transitions are atomic, so that of an actor that answers and a gateway that claims (the actor stopped, the
/// connection died) exactly one wins. A request that was claimed while queued never returns to the pool: an old mailbox may still hold it.
/// </summary>
internal sealed class ObjectRequest(IRequestSink sink) : IBearsPages
{
    private const int Idle = 0;
    private const int Queued = 1;
    private const int Taken = 2;
    private const int Answered = 3;

    /// <summary>The state's bits; above them the number of the use, which grows whenever the request goes back to the pool.</summary>
    private const int StateMask = 3;
    private const int NextUse = 4;

    private int _state;
    private BatchEntry[]? _entries;
    private PageRef[]? _pages;

    // ---- what is asked ----

    public Opcode Opcode { get; set; }

    public RequestFlags Flags { get; set; }

    public ulong Correlation { get; set; }

    public PoolEntry Pool { get; set; } = null!;

    public ObjectKey Key { get; set; }

    public uint Index { get; set; }

    public ObjectVersion Condition { get; set; }

    /// <summary>Bytes this request counts in its connection's window.</summary>
    public int WindowBytes { get; set; }

    /// <summary>Put: the stored page, held by its maker's pin. Get: the page to copy out, pinned.</summary>
    public PageRef Page { get; set; }

    /// <summary>Why the gateway could not store a put's pages: the actor still has to empty the handles.</summary>
    public RefusalReason Refusal { get; set; }

    /// <summary>Entries of a batch.</summary>
    public int Count { get; set; }

    /// <summary>List of pages: the most page numbers to tell, from <see cref="Index"/> on.</summary>
    public int Most { get; set; }

    /// <summary>The entries of a batch; only the first <see cref="Count"/> mean anything.</summary>
    public BatchEntry[] Entries => _entries ??= new BatchEntry[ProtocolLimits.MaxBatchPages];

    /// <summary>The pages of a batch, one an entry (default for flushes and misses).</summary>
    public PageRef[] Pages => _pages ??= new PageRef[ProtocolLimits.MaxBatchPages];

    /// <summary>The registry entry of the actor this was told to, for whoever has to claim it.</summary>
    public ObjectEntry? Target { get; set; }

    /// <summary>The session and the epoch it was asked in.</summary>
    public ClientSession? Session { get; set; }

    /// <summary>The epoch of <see cref="Session"/> it was asked in.</summary>
    public ulong Epoch { get; set; }

    /// <summary>Whether who asks can reach this node only, and has to be forwarded for.</summary>
    public bool StaysHere { get; set; }

    /// <summary>What a sink in this node asks it for; the actor does not look at it.</summary>
    public object? Asker { get; set; }

    /// <summary>Sent by the node itself, outside the window: nobody asked for it.</summary>
    public bool IsNotice { get; init; }

    /// <summary>Whether another node answers it: <see cref="Body"/> is then the answer's whole body.</summary>
    public bool IsForwarded { get; set; }

    /// <summary>Bytes held for it while another node answers it.</summary>
    public int HeldBytes { get; set; }

    // ---- what is answered ----

    public Status Status { get; private set; }

    public RefusalReason AnswerDetail { get; private set; }

    public ObjectVersion Version { get; private set; }

    public string? Text { get; private set; }

    /// <summary>Set where the page left the index with this get: whoever copies it out frees it.</summary>
    public bool PageIsOurs { get; set; }

    /// <summary>Bits of a batch's answer, one an entry.</summary>
    public BatchBitField Bits;

    /// <summary>A get's pages that are not in memory, one an entry: where they lie in the journal and, once read, their bytes.</summary>
    public LoadedPage[]? Loaded { get; set; }

    /// <summary>How many pages of <see cref="Loaded"/> are still to be read.</summary>
    public int MissingPages { get; set; }

    /// <summary>The object's version at the instant at which the operation took effect, while its answer still waits for pages.</summary>
    public ObjectVersion EffectVersion { get; set; }

    /// <summary>Entries of the request: 1 unless it is a batch.</summary>
    public int EntryCount => Opcode is Opcode.WriteBatch or Opcode.GetBatch ? Count : 1;

    /// <summary>The page an entry addresses.</summary>
    public uint EntryIndex(int i) => Opcode is Opcode.WriteBatch or Opcode.GetBatch ? Entries[i].Index : Index;

    /// <summary>The body of a control operation's answer, or of another node's; of a list of pages, what follows the version.</summary>
    public byte[]? Body { get; set; }

    /// <summary>False once it was claimed while queued: an old mailbox may still hold it, so it must not return to the pool.</summary>
    public bool IsReusable { get; private set; } = true;

    /// <summary>Links answered or free requests of one connection.</summary>
    public ObjectRequest? Next { get; set; }

    /// <summary>Whether it stores pages: only such a request can be refused.</summary>
    public bool HasPuts
    {
        get
        {
            if (Opcode == Opcode.Put) return true;
            if (Opcode != Opcode.WriteBatch) return false;
            for (var i = 0; i < Count; i++)
                if (!Entries[i].IsFlush) return true;
            return false;
        }
    }

    /// <summary>Pages that it puts.</summary>
    public int PutCount
    {
        get
        {
            if (Opcode == Opcode.Put) return 1;
            var puts = 0;
            if (Opcode != Opcode.WriteBatch) return puts;
            for (var i = 0; i < Count; i++)
                if (!Entries[i].IsFlush) puts++;
            return puts;
        }
    }

    /// <summary>Whether an entry stores a page: it is a put, and not refused.</summary>
    public bool Stores(int i) => Refusal == RefusalReason.None && (Opcode == Opcode.Put || (Opcode == Opcode.WriteBatch && !Entries[i].IsFlush));

    /// <summary>The page that an entry puts.</summary>
    public PageRef PutPage(int i) => Opcode == Opcode.Put ? Page : Pages[i];

    /// <summary>The page that an entry put is the object's now.</summary>
    public PageRef GiveUpPage(int i)
    {
        var page = PutPage(i);
        if (Opcode == Opcode.Put) Page = default;
        else Pages[i] = default;
        return page;
    }

    long IBearsPages.PageBytes
    {
        get
        {
            long bytes = Page.PageSizeBytes;
            for (var i = 0; i < Count && _pages is { } pages; i++) bytes += pages[i].PageSizeBytes;
            return bytes;
        }
    }

    /// <summary>Whether it waits in a mailbox.</summary>
    public bool IsQueued => (Volatile.Read(ref _state) & StateMask) == Queued;

    /// <summary>What it is and how far, for the log; empty: nobody waits for it.</summary>
    public string Describe() => (Volatile.Read(ref _state) & StateMask) switch
    {
        Queued => $"{Opcode} of {Key}, queued{(Target is { } target ? $" for {target.Actor.Path.Name}{(target.IsClosed ? ", which has ended" : "")}" : " until its object is found")}",
        Taken => $"{Opcode} of {Key}, begun",
        _ => "",
    };

    /// <summary>Whether the request was sent in an epoch that its session has left: it must not be applied.</summary>
    public bool IsOutdated => Session is { } session && session.CurrentEpoch > Epoch;

    /// <summary>Whether a get removes the page it hits.</summary>
    public bool Takes => (Flags & RequestFlags.Take) != 0 || ((Flags & RequestFlags.Keep) == 0 && Pool is { Options.GetTakesByDefault: true });

    /// <summary>Whether it can be carried out any number of times.</summary>
    public bool ChangesNothing => Opcode == Opcode.ListPages || (Opcode is Opcode.Get or Opcode.GetBatch && !Takes);

    /// <summary>Gateway: about to be told to an actor.</summary>
    public void MarkQueued() => Volatile.Write(ref _state, (_state & ~StateMask) | Queued);

    /// <summary>
    /// Tells it to an object's actor. Where the actor has stopped meanwhile, the request is claimed here, for the watcher may have looked before.
    /// </summary>
    public void TellTo(ObjectEntry entry)
    {
        Target = entry;
        entry.Actor.Tell(this, ActorRefs.NoSender);
        if (entry.IsClosed && TryTake()) Fail(Status.NotServing, "the object's owner stopped");
    }

    /// <summary>Actor: takes it; false where it was claimed meanwhile.</summary>
    public bool TryTake() => TryMove(Volatile.Read(ref _state), Queued, Taken);

    /// <summary>Gateway: claims it while it is still queued and answers in the actor's place; false where the actor was faster.</summary>
    public bool TryClaimQueued(string text) => TryClaim(Volatile.Read(ref _state), Queued, Status.NotServing, text);

    /// <summary>
    /// Gateway: claims what was told to an actor that has ended, taken or not. By the use that was seen before the target: meanwhile it may be answered, in the pool, and somebody else's.
    /// </summary>
    public void ClaimFrom(ObjectEntry ended)
    {
        var seen = Volatile.Read(ref _state);
        if (Target != ended) return;
        if (TryClaim(seen, Queued, Status.NotServing, "the object's owner stopped")) return;
        TryClaim(seen, Taken, ChangesNothing ? Status.NotServing : Status.FailedUnknown, "the object's owner failed");
    }

    /// <summary>Answers with a body, which is made here.</summary>
    public void AnswerBody(Status status, ObjectVersion version, WriteBody write)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new BodyWriter(output);
        write(ref writer);
        Body = output.WrittenSpan.ToArray();
        Answer(status, version);
    }

    /// <summary>Actor: answers with a result.</summary>
    public void Answer(Status status, ObjectVersion version, RefusalReason detail = RefusalReason.None)
    {
        Status = status;
        Version = version;
        AnswerDetail = detail;
        Text = null;
        Finish();
    }

    /// <summary>Actor: answers with an error.</summary>
    public void Fail(Status status, string text)
    {
        Status = status;
        Text = text;
        AnswerDetail = RefusalReason.None;
        Finish();
    }

    /// <summary>The object lives at another node.</summary>
    public void FailMoved(string address)
    {
        if (StaysHere) Fail(Status.NotServing, $"the object was found at {address}: ask again, and it is forwarded");
        else Fail(Status.Moved, address);
    }

    /// <summary>Answers as another node has answered.</summary>
    public void AnswerForwarded(Status status, byte detail, byte[] body)
    {
        IsForwarded = true;
        Body = body;
        Answer(status, default, (RefusalReason)detail);
    }

    /// <summary>Gateway: answers at once what needs no actor.</summary>
    public void AnswerDirectly(Status status, byte[]? body = null)
    {
        Body = body;
        MarkQueued();
        if (TryTake()) Answer(status, default);
    }

    /// <summary>Gateway: answers with an error what goes to no actor.</summary>
    public void FailDirectly(Status status, string text)
    {
        MarkQueued();
        if (TryTake()) Fail(status, text);
    }

    /// <summary>Gateway: back to the pool.</summary>
    public void Reset()
    {
        Volatile.Write(ref _state, unchecked((_state & ~StateMask) + NextUse) | Idle);
        Pool = null!;
        Page = default;
        Refusal = RefusalReason.None;
        PageIsOurs = false;
        Text = null;
        Body = null;
        Loaded = null;
        MissingPages = 0;
        IsForwarded = false;
        Target = null;
        Next = null;
        if (Count > 0)
        {
            _pages?.AsSpan(0, Count).Clear();
            Count = 0;
        }

        Bits = default;
    }

    private bool TryMove(int seen, int from, int to) =>
        (seen & StateMask) == from && Interlocked.CompareExchange(ref _state, (seen & ~StateMask) | to, seen) == seen;

    private bool TryClaim(int seen, int from, Status status, string text)
    {
        if (!TryMove(seen, from, Answered)) return false;
        IsReusable = false;
        Status = status;
        Text = text;
        AnswerDetail = RefusalReason.None;
        sink.Complete(this);
        return true;
    }

    private void Finish()
    {
        if (TryMove(Volatile.Read(ref _state), Taken, Answered)) sink.Complete(this);
    }
}

/// <summary>A page that is read from the journal for one answer.</summary>
/// <param name="SequenceNr">The event that holds it; 0 where the entry needs no reading.</param>
/// <param name="Codec">How it is encoded.</param>
/// <param name="Stored">The encoded bytes; empty until read.</param>
internal readonly record struct LoadedPage(long SequenceNr, PageCodec Codec, ReadOnlyMemory<byte> Stored);

/// <summary>256 bits by value, least significant bit of the first byte first.</summary>
[System.Runtime.CompilerServices.InlineArray(BatchAnswer.BitsBytes)]
internal struct BatchBitField
{
    private byte _first;

    /// <summary>Sets bit <paramref name="i"/>.</summary>
    public void Set(int i) => this[i >> 3] |= (byte)(1 << (i & 7));

    /// <summary>Whether bit <paramref name="i"/> is set.</summary>
    public readonly bool Get(int i) => (this[i >> 3] & (1 << (i & 7))) != 0;
}
