namespace Grid.Node.Memory;

/// <summary>The accounts of a store by slot, which is what a frame knows of its owner. Slot 0 is none.</summary>
internal sealed class AccountTable
{
    private readonly Lock _gate = new();
    private readonly Stack<uint> _returned = new();

    // Replaced by a larger one when full, so readers need no lock.
    private PoolAccount?[] _accounts = new PoolAccount?[64];
    private uint _next = 1;

    /// <summary>All slots; the free ones are null.</summary>
    public ReadOnlySpan<PoolAccount?> Slots => Volatile.Read(ref _accounts);

    /// <summary>The account of a frame that the caller holds.</summary>
    public PoolAccount this[uint slot] => Volatile.Read(ref _accounts)[slot]!;

    /// <summary>
    /// The account of a frame that may change hands at any moment: right if the frame's state has not changed since before, else any
    /// account or none.
    /// </summary>
    public unsafe PoolAccount? Find(uint frame, SlabAllocator allocator)
    {
        var slots = Slots;
        var slot = Volatile.Read(ref allocator.Region.Meta(frame)->Account);
        return slot < (uint)slots.Length ? slots[(int)slot] : null;
    }

    /// <summary>Gives the account its slot.</summary>
    public void Enter(PoolAccount account)
    {
        lock (_gate)
        {
            if (account.Slot != 0) return;
            if (!_returned.TryPop(out var slot)) slot = _next++;
            if (slot == _accounts.Length)
            {
                var larger = new PoolAccount?[_accounts.Length * 2];
                _accounts.CopyTo(larger, 0);
                Volatile.Write(ref _accounts, larger);
            }
            Volatile.Write(ref _accounts[slot], account);
            Volatile.Write(ref account.Slot, slot);
        }
    }

    /// <summary>Takes back the slot of a closed account that holds no page. Its counters stay readable.</summary>
    public void Return(PoolAccount account)
    {
        if (account.Slot == 0 || Interlocked.Exchange(ref account.SlotReturned, 1) != 0) return;
        lock (_gate)
        {
            Volatile.Write(ref _accounts[account.Slot], null);
            _returned.Push(account.Slot);
        }
    }
}
