namespace Grid.Client;

/// <summary>What an answer's correlation id led to.</summary>
internal enum SlotMatch
{
    /// <summary>To a request that waits for it.</summary>
    Waiting,

    /// <summary>To a request whose caller has gone: drop the answer.</summary>
    Abandoned,

    /// <summary>To nothing that was asked: the node breaks the protocol.</summary>
    None,
}

/// <summary>
/// The requests sent on a connection and not answered yet: a fixed table of the window's size. A correlation id is a slot and the number of its use, so that finding the
/// request is an index, and an id of an earlier use is recognised.
/// </summary>
/// <remarks>
/// A slot's state is one word, use and phase. Whoever changes it from <c>Pending</c> owns the operation: an answer, a deadline, a cancellation, the loss of the
/// connection. An abandoned slot stays taken until its answer comes, for the node still counts it.
/// </remarks>
internal sealed class SlotTable
{
    private const int IndexBits = 16;
    private const int PhaseBits = 2;
    private const ulong PhaseMask = 3;
    private const ulong Pending = 1;
    private const ulong Abandoned = 2;
    private const ulong Claimed = 3;

    private readonly Slot[] _slots;
    private readonly int[] _free;
    private int _freeCount;
    private int _highWater;

    public SlotTable(int size)
    {
        _slots = new Slot[size];
        _free = new int[size];
        // Low slots are used first: what looks at all of them looks at few.
        for (var i = 0; i < size; i++) _free[i] = size - 1 - i;
        _freeCount = size;
    }

    public int InUse => _slots.Length - _freeCount;

    public bool IsFull => _freeCount == 0;

    /// <summary>Body bytes of the requests in the table.</summary>
    public long BodyBytes { get; private set; }

    /// <summary>The correlation id that <see cref="Publish"/> will give; never 0. Under the gate, and only if the table is not full.</summary>
    public ulong NextCorrelation()
    {
        var index = _free[_freeCount - 1];
        return (((_slots[index].State >> PhaseBits) + 1) << IndexBits) | (uint)index;
    }

    /// <summary>
    /// Takes the slot of <see cref="NextCorrelation"/>. Under the gate, and after the request was encoded: from here on it can end at any moment, and its caller's buffers with it.
    /// </summary>
    /// <param name="operation">The request.</param>
    /// <param name="bodyBytes">Its body's length.</param>
    /// <param name="streamOffset">Where its frame begins in what the connection sends.</param>
    public void Publish(Operation operation, int bodyBytes, long streamOffset)
    {
        var index = _free[--_freeCount];
        if (index >= _highWater) Volatile.Write(ref _highWater, index + 1);
        ref var slot = ref _slots[index];
        slot.Operation = operation;
        slot.DeadlineMs = operation.DeadlineMs;
        slot.StreamOffset = streamOffset;
        slot.BodyBytes = bodyBytes;
        BodyBytes += bodyBytes;
        Volatile.Write(ref slot.State, ((((slot.State >> PhaseBits) + 1) << PhaseBits) | Pending));
    }

    /// <summary>Claims the request an answer belongs to. Whatever it gives but <see cref="SlotMatch.None"/>, the slot is to be released.</summary>
    public SlotMatch Claim(ulong correlation, out int index, out Operation? operation)
    {
        operation = null;
        index = (int)(correlation & ((1 << IndexBits) - 1));
        if (index >= _slots.Length) return SlotMatch.None;
        ref var slot = ref _slots[index];
        var use = correlation >> IndexBits << PhaseBits;
        if (use == 0) return SlotMatch.None;
        if (Interlocked.CompareExchange(ref slot.State, use | Claimed, use | Pending) == (use | Pending))
        {
            operation = slot.Operation;
            slot.Operation = null;
            return SlotMatch.Waiting;
        }

        return Interlocked.CompareExchange(ref slot.State, use | Claimed, use | Abandoned) == (use | Abandoned) ? SlotMatch.Abandoned : SlotMatch.None;
    }

    /// <summary>Gives slots back whose answers have come. Under the gate.</summary>
    public void Release(ReadOnlySpan<int> indexes)
    {
        foreach (var index in indexes)
        {
            ref var slot = ref _slots[index];
            BodyBytes -= slot.BodyBytes;
            Volatile.Write(ref slot.State, slot.State & ~PhaseMask);
            _free[_freeCount++] = index;
        }
    }

    /// <summary>Detaches a request from its slot; false where an answer, or another party, was faster.</summary>
    public bool TryAbandon(ulong correlation)
    {
        ref var slot = ref _slots[(int)(correlation & ((1 << IndexBits) - 1))];
        var use = correlation >> IndexBits << PhaseBits;
        if (Interlocked.CompareExchange(ref slot.State, use | Abandoned, use | Pending) != (use | Pending)) return false;
        slot.Operation = null;
        return true;
    }

    /// <summary>Detaches the requests whose deadline has passed.</summary>
    public void AbandonExpired(List<Operation> target, long nowMs)
    {
        var count = Volatile.Read(ref _highWater);
        for (var i = 0; i < count; i++)
        {
            ref var slot = ref _slots[i];
            var state = Volatile.Read(ref slot.State);
            // The deadline belongs to this use if the exchange succeeds: a state never comes back.
            if ((state & PhaseMask) != Pending || Volatile.Read(ref slot.DeadlineMs) > nowMs) continue;
            var operation = slot.Operation;
            if (Interlocked.CompareExchange(ref slot.State, (state & ~PhaseMask) | Abandoned, state) != state) continue;
            slot.Operation = null;
            target.Add(operation!);
        }
    }

    /// <summary>Detaches every request; each with where its frame begins in what was sent.</summary>
    public void AbandonAll(List<(Operation Operation, long StreamOffset)> target)
    {
        for (var i = 0; i < _highWater; i++)
        {
            ref var slot = ref _slots[i];
            var state = Volatile.Read(ref slot.State);
            if ((state & PhaseMask) != Pending) continue;
            var (operation, offset) = (slot.Operation, slot.StreamOffset);
            if (Interlocked.CompareExchange(ref slot.State, (state & ~PhaseMask) | Abandoned, state) != state) continue;
            slot.Operation = null;
            target.Add((operation!, offset));
        }
    }

    private struct Slot
    {
        public ulong State;
        public Operation? Operation;
        public long DeadlineMs;
        public long StreamOffset;
        public int BodyBytes;
    }
}
