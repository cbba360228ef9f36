namespace Grid.Node.Pools;

/// <summary>
/// A pool's quota on this node: permission to add pages, borrowed in slices from the pool registry. Object actors take and give; only the node's view
/// actor borrows and hands back, so <see cref="Outstanding"/> (taken − given + free) changes with the registry's knowledge alone.
/// </summary>
internal sealed class QuotaAccount
{
    private readonly IQuotaBroker? _broker;
    private readonly Protocol.PoolId _pool;
    private readonly TimeProvider _time;
    private long _free;
    private long _taken;
    private long _given;
    private long _settled;
    private long _leaving;
    private long _exhaustedAt;
    private volatile bool _isExhausted;

    private QuotaAccount() => _time = TimeProvider.System;

    /// <summary>Makes the account of a pool with a quota; it begins with nothing.</summary>
    /// <param name="pool">The pool.</param>
    /// <param name="quotaPages">The pool's quota over the whole cluster.</param>
    /// <param name="broker">Who borrows from the registry.</param>
    /// <param name="time">The clock.</param>
    public QuotaAccount(Protocol.PoolId pool, ulong quotaPages, IQuotaBroker broker, TimeProvider time)
    {
        _pool = pool;
        _broker = broker;
        _time = time;
        LimitPages = (long)Math.Min(quotaPages, long.MaxValue / 4);
    }

    /// <summary>The account of every pool without a quota: everything is granted.</summary>
    public static QuotaAccount Unlimited { get; } = new();

    /// <summary>How long the registry's "nothing left" is believed before it is asked again.</summary>
    public static TimeSpan ExhaustedFor { get; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Whether there is a quota at all.</summary>
    public bool IsLimited => _broker is not null;

    /// <summary>The pool's quota over the whole cluster, in pages.</summary>
    public long LimitPages { get; }

    /// <summary>Pages that may be added right now without asking anybody.</summary>
    public long Free => Volatile.Read(ref _free);

    /// <summary>Pages taken since the node started. Never counts a take before it happened.</summary>
    public long Taken => Volatile.Read(ref _taken);

    /// <summary>Those of the pages taken that are in the journal, or were, or will never be; of the latter, and of those that are there no more, <see cref="Given"/> or <see cref="Leaving"/> knows.</summary>
    public long Settled => Volatile.Read(ref _settled);

    /// <summary>Pages that writes under way remove: they may be gone from the journal and not given back yet.</summary>
    public long Leaving => Volatile.Read(ref _leaving);

    /// <summary>Pages given back since the node started. Never misses one that shows in <see cref="Free"/>.</summary>
    public long Given => Volatile.Read(ref _given);

    /// <summary>What the registry let this node have: pages in use on its account and permission not used yet. Touched by the view actor alone; may be negative.</summary>
    public long Outstanding { get; private set; }

    /// <summary>Takes permission for new pages; false where this node has too little, then <see cref="BorrowAsync"/> may get more.</summary>
    /// <param name="pages">How many pages are added.</param>
    public bool TryTake(int pages)
    {
        if (_broker is null || pages == 0) return true;
        var free = Volatile.Read(ref _free);
        while (free >= pages)
        {
            var seen = Interlocked.CompareExchange(ref _free, free - pages, free);
            if (seen == free)
            {
                Interlocked.Add(ref _taken, pages);
                return true;
            }

            free = seen;
        }

        return false;
    }

    /// <summary>The pages that were taken for have been written.</summary>
    /// <param name="pages">How many pages were taken for.</param>
    public void Settle(int pages)
    {
        if (_broker is null || pages == 0) return;
        Interlocked.Add(ref _settled, pages);
    }

    /// <summary>Gives back what had been taken for pages that were not written.</summary>
    /// <param name="pages">How many pages were taken for.</param>
    public void Untake(int pages)
    {
        Give(pages);
        Settle(pages);
    }

    /// <summary>A write is about to begin that removes pages.</summary>
    /// <param name="pages">How many pages it removes, at most.</param>
    public void BeginLeaving(int pages)
    {
        if (_broker is null || pages == 0) return;
        Interlocked.Add(ref _leaving, pages);
    }

    /// <summary>That write has ended; what it removed was given back, if it is known that it did.</summary>
    /// <param name="pages">What was said when it began.</param>
    public void EndLeaving(int pages) => BeginLeaving(-pages);

    /// <summary>Takes for pages that exist already, whatever is left (another owner's late write): the pool may then stand beyond its quota until pages go.</summary>
    /// <param name="pages">How many pages appeared.</param>
    public void TakeAnyway(int pages)
    {
        if (_broker is null) return;
        Interlocked.Add(ref _free, -pages);
        Interlocked.Add(ref _taken, pages);
        Settle(pages);
    }

    /// <summary>Gives back what removed pages had taken.</summary>
    /// <param name="pages">How many pages were removed.</param>
    public void Give(int pages)
    {
        if (_broker is null) return;
        Interlocked.Add(ref _given, pages);
        Interlocked.Add(ref _free, pages);
    }

    /// <summary>
    /// Asks the registry for more. True: try to take again (somebody else may have been faster, then ask again). False: the whole quota is used up, or too
    /// little of it is left for these pages.
    /// </summary>
    /// <param name="pages">How many pages are to be added.</param>
    /// <exception cref="TimeoutException">The registry could not be asked in time.</exception>
    /// <exception cref="QuotaUnavailableException">The registry cannot say how many pages the pool holds.</exception>
    public ValueTask<bool> BorrowAsync(int pages)
    {
        if (_broker is null || Free >= pages) return ValueTask.FromResult(true);
        if (pages > LimitPages || IsExhausted) return ValueTask.FromResult(false);
        return new ValueTask<bool>(_broker.BorrowAsync(_pool, pages));
    }

    /// <summary>Whether the registry said a moment ago that nothing is left.</summary>
    public bool IsExhausted
    {
        get
        {
            if (!_isExhausted) return false;
            if (_time.GetElapsedTime(Volatile.Read(ref _exhaustedAt)) < ExhaustedFor) return true;
            _isExhausted = false;
            return false;
        }
    }

    /// <summary>The registry said that nothing is left.</summary>
    internal void MarkExhausted()
    {
        Volatile.Write(ref _exhaustedAt, _time.GetTimestamp());
        _isExhausted = true;
    }

    /// <summary>The registry says that there is space again.</summary>
    internal void MarkSpace() => _isExhausted = false;

    /// <summary>A slice arrived.</summary>
    internal void Grant(long pages)
    {
        Outstanding += pages;
        Interlocked.Add(ref _free, pages);
    }

    /// <summary>Takes away free permission beyond what is to be kept, to hand it back to the registry.</summary>
    /// <returns>How many pages were taken away.</returns>
    internal long Withdraw(long keepPages)
    {
        var free = Volatile.Read(ref _free);
        while (free > keepPages)
        {
            var seen = Interlocked.CompareExchange(ref _free, keepPages, free);
            if (seen == free)
            {
                Outstanding -= free - keepPages;
                return free - keepPages;
            }

            free = seen;
        }

        return 0;
    }
}

/// <summary>Borrows quota from the registry on behalf of a node's accounts.</summary>
internal interface IQuotaBroker
{
    /// <summary>Asks for permission to add pages to a pool; false where there is none left.</summary>
    Task<bool> BorrowAsync(Protocol.PoolId pool, int pages);
}

/// <summary>The registry cannot grant quota now: it could not count the pool's pages.</summary>
/// <param name="message">Why.</param>
internal sealed class QuotaUnavailableException(string message) : Exception(message);
