using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using Grid.Protocol;

namespace Grid.Node.Memory;

/// <summary>
/// The pages of one node, in native memory within one limit. All members may be called from any thread. Storing, reading, freeing and evicting pages
/// allocates nothing on the managed heap.
/// <para>
/// A page's life: <see cref="TryStore(PoolAccount, in ReadOnlySequence{byte}, out PageRef)"/> copies it into a frame that its maker has pinned; <see cref="Publish"/> ends
/// that pin, an index holds the page, and tells whether it may be evicted from now on; readers <see cref="TryPin"/>, read, <see cref="Unpin"/>;
/// the owner's <see cref="Free"/>, or the evictor, ends it. From then on its reference is stale: pins fail, frees do nothing.
/// </para>
/// </summary>
public sealed unsafe class PageStore : IDisposable
{
    private readonly MemoryBudget _budget;
    private readonly SlabAllocator _allocator;
    private readonly AccountTable _accounts = new();
    private readonly Clock _clock;
    private long _reservedBytes;
    private bool _disposed;

    /// <summary>An empty store. Reserves address space for the whole limit, memory only as pages come.</summary>
    /// <param name="options">The options.</param>
    /// <exception cref="ArgumentException">The options contradict themselves.</exception>
    public PageStore(PageStoreOptions options)
    {
        if (options.Validate() is { } wrong) throw new ArgumentException(wrong, nameof(options));
        _budget = new MemoryBudget(options.LimitBytes);
        _allocator = new SlabAllocator(_budget);
        _clock = new Clock(_allocator, _accounts, _budget);
    }

    /// <summary>The store at this moment.</summary>
    public PageStoreStats Stats => PageStoreReport.Of(_budget, _allocator, _accounts, _clock, Volatile.Read(ref _reservedBytes));

    /// <summary>The limit.</summary>
    public long LimitBytes => _budget.LimitBytes;

    /// <summary>Bytes that <see cref="Reserve"/> counts: eviction gives nothing of them back.</summary>
    public long ReservedBytes => Volatile.Read(ref _reservedBytes);

    /// <summary>
    /// Copies a page in, compressed as its account says. Until <see cref="Publish"/> its maker has it pinned; a maker that changes its mind calls
    /// <see cref="Free"/> and <see cref="Unpin"/>.
    /// </summary>
    /// <param name="account">The account.</param>
    /// <param name="page">The page, in any number of pieces.</param>
    /// <param name="stored">Where it lies.</param>
    /// <returns>False: no memory, and nothing that could be evicted.</returns>
    /// <exception cref="ArgumentException">The page is not of the account's page size.</exception>
    public bool TryStore(PoolAccount account, in ReadOnlySequence<byte> page, out PageRef stored)
    {
        CheckSize(account, page.Length);
        if (!TryAddPage(account)) return None(out stored);
        if (PageCodecs.IsSameFilled(page, out var word)) return StoreWord(account, word, out stored);
        if (account.Compression != PageCompression.None) return TryStoreCompressed(account, PageCodecs.Join(page), out stored);
        if (!TryTakeFrame(account, PageCodec.Raw, account.PageSizeBytes, out var frame, out var bytes)) return None(out stored);
        page.CopyTo(bytes);
        stored = Show(account, frame);
        return true;
    }

    /// <inheritdoc cref="TryStore(PoolAccount, in ReadOnlySequence{byte}, out PageRef)"/>
    public bool TryStore(PoolAccount account, ReadOnlySpan<byte> page, out PageRef stored)
    {
        CheckSize(account, page.Length);
        if (!TryAddPage(account)) return None(out stored);
        if (PageCodecs.IsSameFilled(page, out var word)) return StoreWord(account, word, out stored);
        return account.Compression == PageCompression.None
            ? TryStoreBytes(account, PageCodec.Raw, page, out stored)
            : TryStoreCompressed(account, page, out stored);
    }

    /// <summary>Copies in a page that is encoded already, as <see cref="Stored"/> gave it, whatever the account's own compression.</summary>
    /// <param name="account">The account.</param>
    /// <param name="codec">The codec.</param>
    /// <param name="encoded">The encoded bytes. That they decode to a page is found out when it is read.</param>
    /// <param name="stored">Where it lies.</param>
    /// <returns>False: no memory, and nothing that could be evicted.</returns>
    /// <exception cref="ArgumentException">No page of the account has so many bytes in this codec.</exception>
    public bool TryStoreEncoded(PoolAccount account, PageCodec codec, ReadOnlySpan<byte> encoded, out PageRef stored)
    {
        var possible = codec switch
        {
            PageCodec.Raw => encoded.Length == account.PageSizeBytes,
            PageCodec.Same => encoded.Length == sizeof(ulong),
            PageCodec.Lz4 or PageCodec.Zstd => encoded.Length > 0 && encoded.Length < account.PageSizeBytes,
            _ => false,
        };
        if (!possible)
            throw new ArgumentException($"{encoded.Length} bytes of {codec} cannot be a page of {account.PageSizeBytes} bytes.", nameof(encoded));
        if (!TryAddPage(account)) return None(out stored);
        return codec == PageCodec.Same
            ? StoreWord(account, MemoryMarshal.Read<ulong>(encoded), out stored)
            : TryStoreBytes(account, codec, encoded, out stored);
    }

    /// <summary>The page has its place in an index: its maker's pin ends.</summary>
    /// <param name="page">The page.</param>
    /// <param name="evictable">Whether it may be dropped from now on: it is ephemeral, or the journal has it.</param>
    /// <exception cref="InvalidOperationException">Nobody has it pinned.</exception>
    public void Publish(PageRef page, bool evictable) => EndPin(page, evictable);

    /// <summary>The page may be dropped from now on. Nothing happens where it is gone or was so already.</summary>
    /// <param name="page">The page.</param>
    public void MakeEvictable(PageRef page)
    {
        if (!page.IsFrame) return;
        ref var state = ref State(page);
        var seen = Volatile.Read(ref state);
        while (FrameState.Holds(seen, page.Word) && (seen & FrameState.Evictable) == 0)
        {
            // Read before the exchange, which fails if they are not the page's: afterwards the evictor may have been quicker.
            var account = _accounts.Find(page.Id, _allocator);
            var bytes = _allocator.FrameBytes(page.Id);
            var now = Interlocked.CompareExchange(ref state, seen | FrameState.Evictable, seen);
            if (now == seen)
            {
                account!.AddEvictable(bytes);
                _clock.Changed();
                return;
            }
            seen = now;
        }
    }

    /// <summary>
    /// Keeps a page's bytes where they are until <see cref="Unpin"/>, and marks the page as recently used. Every read is between the two.
    /// A same-filled page is always there as long as its owner holds it.
    /// </summary>
    /// <param name="page">The page.</param>
    /// <returns>False: evicted or given up.</returns>
    /// <exception cref="InvalidOperationException">A million pins at once: somebody does not unpin.</exception>
    public bool TryPin(PageRef page)
    {
        if (!page.IsFrame) return page.IsSameFilled;
        ObjectDisposedException.ThrowIf(_disposed, this);
        ref var state = ref State(page);
        var seen = Volatile.Read(ref state);
        while (FrameState.Holds(seen, page.Word))
        {
            if ((seen & FrameState.PinMask) == FrameState.PinMask) ThrowTooManyPins();
            var now = Interlocked.CompareExchange(ref state, (seen + 1) | FrameState.Referenced, seen);
            if (now == seen) return true;
            seen = now;
        }
        return false;
    }

    /// <summary>Ends a pin. The last unpin of a page that was freed meanwhile releases its frame.</summary>
    /// <param name="page">A page that the caller pinned.</param>
    /// <exception cref="InvalidOperationException">Nobody has it pinned.</exception>
    public void Unpin(PageRef page) => EndPin(page, makeEvictable: false);

    /// <summary>Whether the page is there, without a pin and without counting as a use: for sweeping stale references.</summary>
    /// <param name="page">The page.</param>
    public bool IsAlive(PageRef page) =>
        page.IsSameFilled || (page.IsFrame && FrameState.Holds(Volatile.Read(ref State(page)), page.Word));

    /// <summary>Copies a pinned page out.</summary>
    /// <param name="pinned">The page.</param>
    /// <param name="destination">Exactly a page.</param>
    /// <exception cref="ArgumentException">The destination is not of the page's size.</exception>
    /// <exception cref="InvalidDataException">The page came encoded and does not decode.</exception>
    public void CopyTo(PageRef pinned, Span<byte> destination)
    {
        if (destination.Length != pinned.PageSizeBytes || pinned.IsNone) ThrowWrongDestination(pinned, destination.Length);
        var stored = Stored(pinned, stackalloc byte[sizeof(ulong)], out var codec);
        PageCodecs.Decode(codec, stored, destination);
    }

    /// <summary>Writes a pinned page out, in pieces where the writer's spans are shorter.</summary>
    /// <param name="pinned">The page.</param>
    /// <param name="writer">The writer.</param>
    /// <exception cref="InvalidDataException">The page came encoded and does not decode; nothing was written.</exception>
    public void CopyTo(PageRef pinned, IBufferWriter<byte> writer)
    {
        var stored = Stored(pinned, stackalloc byte[sizeof(ulong)], out var codec);
        PageCodecs.Decode(codec, stored, pinned.PageSizeBytes, writer);
    }

    /// <summary>The bytes of a pinned page as they are stored, for the journal. They stand until the unpin.</summary>
    /// <param name="pinned">The page.</param>
    /// <param name="word">Room for the word of a same-filled page: 8 bytes.</param>
    /// <param name="codec">How the bytes stand for the page.</param>
    public ReadOnlySpan<byte> Stored(PageRef pinned, Span<byte> word, out PageCodec codec)
    {
        if (pinned.IsFrame)
        {
            var meta = _allocator.Region.Meta(pinned.Id);
            codec = meta->Codec;
            return new ReadOnlySpan<byte>(_allocator.Address(pinned.Id), meta->Length);
        }
        codec = pinned.IsSameFilled ? PageCodec.Same : throw new ArgumentException("There is no page.", nameof(pinned));
        // In the order it has in memory, which is the page's own.
        MemoryMarshal.Write(word, pinned.Word);
        return word[..sizeof(ulong)];
    }

    /// <summary>
    /// The owner gives a page up, published or not. Its reference is stale from here on; readers that have it pinned finish. Nothing happens where the page
    /// was evicted or freed already, except that a same-filled page, which has no frame to know by, is to be freed exactly once.
    /// </summary>
    /// <param name="page">The page.</param>
    public void Free(PageRef page)
    {
        if (page.IsSameFilled)
        {
            var account = _accounts[page.Id];
            account.AddSameFilled(-1);
            RemovePage(account);
            return;
        }
        if (!page.IsFrame) return;
        ref var state = ref State(page);
        var seen = Volatile.Read(ref state);
        while (FrameState.Holds(seen, page.Word))
        {
            var pinned = (seen & FrameState.PinMask) != 0;
            // As above: they are the page's if the exchange succeeds.
            var account = _accounts.Find(page.Id, _allocator);
            var bytes = _allocator.FrameBytes(page.Id);
            var next = pinned ? (seen | FrameState.Dying) & ~FrameState.Evictable : FrameState.Released(seen);
            var now = Interlocked.CompareExchange(ref state, next, seen);
            if (now == seen)
            {
                if ((seen & FrameState.Evictable) != 0) account!.AddEvictable(-bytes);
                if (!pinned) Release(page.Id);
                return;
            }
            seen = now;
        }
    }

    /// <summary>
    /// No more pages for the account: stores answer false. What it holds stays until it is freed or evicted; with the last page the store
    /// forgets the account.
    /// </summary>
    /// <param name="account">The account.</param>
    public void Close(PoolAccount account)
    {
        Volatile.Write(ref account.Closed, true);
        Interlocked.MemoryBarrier();
        if (account.Pages == 0) _accounts.Return(account);
    }

    /// <summary>
    /// Counts bytes outside of the store (indexes, buffers) against the limit, fit they or not; the store gives back what slabs it can, evicting
    /// where need be.
    /// </summary>
    /// <param name="bytes">How many; negative takes back.</param>
    /// <returns>Whether the limit holds.</returns>
    public bool Reserve(long bytes)
    {
        Interlocked.Add(ref _reservedBytes, bytes);
        _budget.Charge(bytes);
        if (bytes > 0) return _clock.TryShrink();
        _clock.Changed();
        return true;
    }

    /// <summary>As <see cref="Reserve"/>, but counts nothing where the limit would not hold.</summary>
    /// <param name="bytes">How many; not negative.</param>
    public bool TryReserve(long bytes)
    {
        if (Reserve(bytes)) return true;
        Reserve(-bytes);
        return false;
    }

    /// <summary>Gives slabs back while more is used than the limit allows: what was reserved may not have found slabs to empty then.</summary>
    /// <returns>Whether the limit holds.</returns>
    public bool Trim() => _clock.TryShrink();

    /// <summary>Gives all memory back. Nobody may be using the store any more.</summary>
    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        _allocator.Dispose();
    }

    private ref ulong State(PageRef page) => ref _allocator.Region.Meta(page.Id)->State;

    private void EndPin(PageRef page, bool makeEvictable)
    {
        if (!page.IsFrame) return;
        ref var state = ref State(page);
        var seen = Volatile.Read(ref state);
        while (true)
        {
            if (FrameState.Generation(seen) != page.Word || (seen & FrameState.PinMask) == 0) ThrowNotPinned();
            var last = (seen & FrameState.PinMask) == 1;
            var next = seen - 1;
            if ((seen & FrameState.Dying) != 0)
            {
                if (last) next = FrameState.Released(seen);
            }
            else if (makeEvictable)
            {
                next |= FrameState.Evictable;
            }
            var account = _accounts[_allocator.Region.Meta(page.Id)->Account];
            var bytes = _allocator.FrameBytes(page.Id);
            var now = Interlocked.CompareExchange(ref state, next, seen);
            if (now != seen)
            {
                seen = now;
                continue;
            }
            if ((next & ~seen & FrameState.Evictable) != 0) account.AddEvictable(bytes);
            if ((seen & FrameState.Dying) != 0 && last) Release(page.Id);
            else if (last && (next & FrameState.Evictable) != 0) _clock.Changed();
            return;
        }
    }

    private bool TryAddPage(PoolAccount account)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (Volatile.Read(ref account.Slot) == 0) _accounts.Enter(account);
        // Counted before looking: Close either sees the page or is seen here.
        account.AddPage();
        if (!Volatile.Read(ref account.Closed)) return true;
        RemovePage(account);
        return false;
    }

    private void RemovePage(PoolAccount account)
    {
        if (account.RemovePage() == 0 && Volatile.Read(ref account.Closed)) _accounts.Return(account);
    }

    private bool StoreWord(PoolAccount account, ulong word, out PageRef stored)
    {
        account.AddSameFilled(1);
        stored = PageRef.ToWord(word, account.Slot, account.PageSizeBytes);
        return true;
    }

    private bool TryStoreCompressed(PoolAccount account, ReadOnlySpan<byte> page, out PageRef stored)
    {
        // Compression is worth it from one size class on.
        var worthBytes = SizeClasses.FrameBytes(account.PageClass - 1);
        return PageCodecs.TryCompress(account.Compression, page, worthBytes, out var codec, out var compressed)
            ? TryStoreBytes(account, codec, compressed, out stored)
            : TryStoreBytes(account, PageCodec.Raw, page, out stored);
    }

    private bool TryStoreBytes(PoolAccount account, PageCodec codec, ReadOnlySpan<byte> bytes, out PageRef stored)
    {
        if (!TryTakeFrame(account, codec, bytes.Length, out var frame, out var target)) return None(out stored);
        bytes.CopyTo(target);
        stored = Show(account, frame);
        return true;
    }

    private bool TryTakeFrame(PoolAccount account, PageCodec codec, int length, out uint frame, out Span<byte> bytes)
    {
        var sizeClass = _allocator.ClassOf(length, account.IsEvictable);
        while (!_allocator.TryPop(sizeClass, out frame))
        {
            if (_allocator.TryAcquireSlab(sizeClass) || _clock.TryMakeRoom(sizeClass)) continue;
            // The last resort: a frame larger than need be.
            if (_allocator.TryPopLarger(sizeClass, out frame)) break;
            RemovePage(account);
            bytes = default;
            return false;
        }
        _allocator.Region.Meta(frame)->Fill(account.Slot, codec, length);
        account.AddStored(_allocator.FrameBytes(frame));
        bytes = new Span<byte>(_allocator.Address(frame), length);
        return true;
    }

    // From here on the frame holds its page, pinned by its maker, and there is a reference that matches.
    private PageRef Show(PoolAccount account, uint frame)
    {
        ref var state = ref _allocator.Region.Meta(frame)->State;
        var free = state;
        Volatile.Write(ref state, (free | FrameState.Used) + 1);
        return PageRef.ToFrame(frame, FrameState.Generation(free), account.PageSizeBytes);
    }

    // The frame's state is free already and nobody else knows it, so its metadata still tells of the page.
    private void Release(uint frame)
    {
        var account = _accounts[_allocator.Region.Meta(frame)->Account];
        account.AddStored(-_allocator.FrameBytes(frame));
        RemovePage(account);
        _allocator.Push(frame);
        _clock.Changed();
    }

    private static bool None(out PageRef stored)
    {
        stored = default;
        return false;
    }

    private static void CheckSize(PoolAccount account, long bytes)
    {
        if (bytes != account.PageSizeBytes) ThrowWrongSize(account, bytes);
    }

    [DoesNotReturn]
    private static void ThrowWrongSize(PoolAccount account, long bytes) =>
        throw new ArgumentException($"A page of pool {account.Id} has {account.PageSizeBytes} bytes, this one has {bytes}.");

    [DoesNotReturn]
    private static void ThrowWrongDestination(PageRef page, int bytes) =>
        throw new ArgumentException($"The page has {page.PageSizeBytes} bytes, its destination {bytes}.");

    [DoesNotReturn]
    private static void ThrowNotPinned() => throw new InvalidOperationException("The page is not pinned.");

    [DoesNotReturn]
    private static void ThrowTooManyPins() => throw new InvalidOperationException("The page has as many pins as can be counted.");
}
