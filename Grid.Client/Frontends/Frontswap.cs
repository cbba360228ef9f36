using System.Buffers;
using System.Collections.Concurrent;

namespace Grid.Client.Frontends;

/// <summary>
/// Frontswap, as Linux had it (<c>mm/frontswap.c</c>): takes pages that a memory manager swaps out and hands them back, before or instead of a swap device. It tries its backends in order
/// until one accepts, and knows of each page whether it is in frontswap. Safe for use by any number of threads at once: calls about one page take effect one after another.
/// </summary>
/// <remarks>
/// <para>The one thing that must never happen is that an old copy of a page is loaded. So a page that is there already is first forgotten here and then invalidated in every backend that may have it; where it is loaded
/// from is known here, a byte a page, and only an acknowledged store says so. A backend that fails keeps at most a copy that nobody loads; it is removed when the page is stored or invalidated
/// again, or by <see cref="ReclaimAsync"/>.</para>
/// <para>A backend that has failed is left out for a while: then stores go to the next one at once, and not each of them waits for a deadline.</para>
/// </remarks>
public sealed class Frontswap
{
    /// <summary>The highest number of a device: 255.</summary>
    public const int MaxType = 255;

    /// <summary>The most backends: 8.</summary>
    public const int MaxBackends = 8;

    private static readonly TimeSpan DefaultPause = TimeSpan.FromSeconds(1);
    private readonly SwapChainLink[] _chain;
    private readonly ConcurrentDictionary<int, SwapDevice> _devices = new();
    private readonly List<int> _order = [];
    private readonly SemaphoreSlim _switching = new(1, 1);
    private long _loads;
    private long _succStores;
    private long _failedStores;
    private long _invalidates;
    private long _pages;
    private volatile bool _writethrough;
    private volatile bool _exclusiveGets;

    /// <summary>Makes a frontswap of backends.</summary>
    /// <param name="backends">1 to 8 of them, in the order in which stores try them. They stay the caller's, to be disposed after the last call.</param>
    /// <param name="pauseAfterFailure">How long stores and invalidations leave a backend out after it has failed; 1 s by default, zero for not at all.</param>
    /// <param name="time">The clock for that; the system's by default.</param>
    /// <exception cref="ArgumentException">There are no backends or too many, or their pages have different sizes.</exception>
    public Frontswap(IReadOnlyList<IFrontswapBackend> backends, TimeSpan? pauseAfterFailure = null, TimeProvider? time = null)
    {
        ArgumentNullException.ThrowIfNull(backends);
        if (backends.Count is 0 or > MaxBackends) throw new ArgumentException($"{backends.Count} backends are given, 1 to {MaxBackends} are possible.", nameof(backends));
        PageSizeBytes = backends[0].PageSizeBytes;
        if (backends.FirstOrDefault(backend => backend.PageSizeBytes != PageSizeBytes) is { } other)
            throw new ArgumentException($"The pages of {other.Name} have {other.PageSizeBytes} bytes, those of {backends[0].Name} {PageSizeBytes}.", nameof(backends));
        _chain = [.. backends.Select((backend, place) => new SwapChainLink(backend, place, new Pause(pauseAfterFailure ?? DefaultPause, time ?? TimeProvider.System)))];
    }

    /// <summary>Bytes of a page.</summary>
    public int PageSizeBytes { get; }

    /// <summary>
    /// Whether <see cref="StoreAsync"/> answers false also where the page was stored, so that the caller writes it to its own swap device as well; false by default. A page stored so is allowed to get lost here:
    /// its load then answers false, and the caller reads its device.
    /// </summary>
    public bool Writethrough
    {
        get => _writethrough;
        set => _writethrough = value;
    }

    /// <summary>Whether a load removes the page that it finds, so that the caller's copy is the only one (and dirty); false by default.</summary>
    public bool ExclusiveGets
    {
        get => _exclusiveGets;
        set => _exclusiveGets = value;
    }

    /// <summary>The kernel's counters.</summary>
    public FrontswapCounters Counters => new(
        Interlocked.Read(ref _loads), Interlocked.Read(ref _succStores), Interlocked.Read(ref _failedStores), Interlocked.Read(ref _invalidates));

    /// <summary>Pages in frontswap, of all devices (<c>frontswap_curr_pages</c>).</summary>
    public long CurrentPages => Interlocked.Read(ref _pages);

    /// <summary>How the backends fare, in their order.</summary>
    public IReadOnlyList<FrontswapBackendStatus> Backends => [.. _chain.Select(link => link.Status)];

    /// <summary>Switches a device on (<c>frontswap_init</c>, at swapon). Nothing that an earlier life of it stored is found.</summary>
    /// <param name="type">The device, 0 to <see cref="MaxType"/>.</param>
    /// <param name="pages">Its size in pages, above zero; two bytes of memory for each.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such device, or it has no pages.</exception>
    /// <exception cref="InvalidOperationException">The device is on and has pages here: invalidate its area first.</exception>
    /// <exception cref="GridException">A backend failed; the device is not on.</exception>
    /// <exception cref="IOException">A backend failed; the device is not on.</exception>
    public async ValueTask InitAsync(int type, uint pages, CancellationToken cancellationToken = default)
    {
        if (type is < 0 or > MaxType) throw new ArgumentOutOfRangeException(nameof(type), type, $"A device's type is 0 to {MaxType}.");
        if (pages is 0 or > int.MaxValue) throw new ArgumentOutOfRangeException(nameof(pages), pages, $"A device has 1 to {int.MaxValue} pages.");
        await _switching.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (_devices.TryGetValue(type, out var earlier)) await CloseAsync(earlier, cancellationToken).ConfigureAwait(false);
            foreach (var link in _chain) await link.Backend.InitAsync(type, pages, cancellationToken).ConfigureAwait(false);
            _devices[type] = new SwapDevice(type, pages);
            lock (_order) _order.Add(type);
        }
        finally
        {
            _switching.Release();
        }
    }

    /// <summary>Whether a page is in frontswap: the presence bit.</summary>
    /// <param name="type">The device.</param>
    /// <param name="offset">The page's number in it.</param>
    /// <exception cref="ArgumentOutOfRangeException">The device has no such page.</exception>
    /// <exception cref="InvalidOperationException">The device is not on.</exception>
    public bool Test(int type, uint offset) => DeviceOf(type, offset).HolderOf(offset) >= 0;

    /// <summary>
    /// Stores a page (<c>frontswap_store</c>, at swap-out). Whatever comes of it, a page that was here before is never loaded again: not after a refusal, a failure, a deadline or a cancellation.
    /// </summary>
    /// <param name="type">The device.</param>
    /// <param name="offset">The page's number in it.</param>
    /// <param name="page">Exactly <see cref="PageSizeBytes"/> bytes, which must not change until the call has returned.</param>
    /// <param name="cancellationToken">Gives the call up; the page is not in frontswap then.</param>
    /// <returns>Whether it is stored. False: no backend accepted it (or <see cref="Writethrough"/> is on), and the caller must write it to its own swap device.</returns>
    /// <exception cref="ArgumentException">The page's length is wrong, or the device has no such page.</exception>
    /// <exception cref="InvalidOperationException">The device is not on.</exception>
    public async ValueTask<bool> StoreAsync(int type, uint offset, ReadOnlyMemory<byte> page, CancellationToken cancellationToken = default)
    {
        if (page.Length != PageSizeBytes) throw Arguments.PageLength(page.Length, PageSizeBytes, nameof(page));
        var (device, hold) = await EnterAsync(type, offset, cancellationToken).ConfigureAwait(false);
        using var held = hold;
        Forget(device, offset);
        // What remains of an earlier page, here or where an invalidation failed, need not be gone for the store to be right: loads do not go there.
        await InvalidateEverywhereAsync(device, offset, cancellationToken).ConfigureAwait(false);
        foreach (var link in _chain)
        {
            if (!await link.TryStoreAsync(device, offset, page, cancellationToken).ConfigureAwait(false)) continue;
            link.Hold(device, offset, Writethrough);
            Interlocked.Increment(ref _pages);
            Interlocked.Increment(ref _succStores);
            return !device.IsWrittenThrough(offset);
        }

        Interlocked.Increment(ref _failedStores);
        return false;
    }

    /// <summary>Loads a page (<c>frontswap_load</c>, at swap-in) from the backend that has it.</summary>
    /// <param name="type">The device.</param>
    /// <param name="offset">The page's number in it.</param>
    /// <param name="destination">At least <see cref="PageSizeBytes"/> bytes; if the answer is not true, they may hold anything.</param>
    /// <param name="cancellationToken">Gives the call up; the page stays.</param>
    /// <returns>Whether the page was here. False: it is not in frontswap, the caller's own swap device has it.</returns>
    /// <exception cref="ArgumentException">The destination is too short, or the device has no such page.</exception>
    /// <exception cref="InvalidOperationException">The device is not on.</exception>
    /// <exception cref="SwapPageLostException">The backend does not have the page any more.</exception>
    /// <exception cref="GridException">The backend failed. The page stays, and a later load may succeed.</exception>
    /// <exception cref="IOException">The backend failed. The page stays, and a later load may succeed.</exception>
    public async ValueTask<bool> LoadAsync(int type, uint offset, Memory<byte> destination, CancellationToken cancellationToken = default)
    {
        if (destination.Length < PageSizeBytes) throw Arguments.DestinationLength(destination.Length, PageSizeBytes, nameof(destination));
        var (device, hold) = await EnterAsync(type, offset, cancellationToken).ConfigureAwait(false);
        using var held = hold;
        if (!await LoadHeldAsync(device, offset, destination, cancellationToken).ConfigureAwait(false)) return false;
        if (!ExclusiveGets) return true;
        // Not a take: its answer could be lost, and the page with it.
        Forget(device, offset);
        await InvalidateEverywhereAsync(device, offset, cancellationToken).ConfigureAwait(false);
        return true;
    }

    /// <summary>Invalidates a page (<c>frontswap_invalidate_page</c>, when its slot is freed). It is not loaded any more, also where a backend fails to remove it.</summary>
    /// <param name="type">The device.</param>
    /// <param name="offset">The page's number in it.</param>
    /// <param name="cancellationToken">Gives up waiting for the backends; once the call has begun its work, the page is invalidated all the same.</param>
    /// <exception cref="ArgumentOutOfRangeException">The device has no such page.</exception>
    /// <exception cref="InvalidOperationException">The device is not on.</exception>
    public async ValueTask InvalidatePageAsync(int type, uint offset, CancellationToken cancellationToken = default)
    {
        var (device, hold) = await EnterAsync(type, offset, cancellationToken).ConfigureAwait(false);
        using var held = hold;
        if (Forget(device, offset)) Interlocked.Increment(ref _invalidates);
        await InvalidateEverywhereAsync(device, offset, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Invalidates all pages of a device (<c>frontswap_invalidate_area</c>, at swapoff). None is loaded any more, also where a backend fails to remove them. The device stays on.</summary>
    /// <param name="type">The device.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    /// <exception cref="InvalidOperationException">The device is not on.</exception>
    public async ValueTask InvalidateAreaAsync(int type, CancellationToken cancellationToken = default)
    {
        var device = DeviceOf(type, 0);
        await device.Locks.EnterAllAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            if (device.IsClosed) return;
            var held = new long[_chain.Length];
            for (var offset = 0u; offset < device.Pages; offset++)
                if (device.HolderOf(offset) is >= 0 and var holder) held[holder]++;
            device.Clear();
            for (var i = 0; i < held.Length; i++) _chain[i].LetGoOfAll(held[i]);
            Interlocked.Add(ref _pages, -held.Sum());
            foreach (var link in _chain) await link.InvalidateAreaAsync(type, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            device.Locks.ExitAll();
        }
    }

    /// <summary>
    /// Hands pages back until no more than so many are in frontswap (<c>frontswap_shrink</c>, a partial swapoff): each is loaded, received by the caller, and then invalidated. Devices in the order
    /// they were switched on, pages in the order of their numbers. Pages stored meanwhile may be over.
    /// </summary>
    /// <param name="targetPages">How many may stay.</param>
    /// <param name="receive">Takes a page; when its task has ended well, the caller's copy is the only one. What it throws ends the shrinking, and the page stays.</param>
    /// <param name="cancellationToken">Gives the call up; pages not yet received stay.</param>
    /// <returns>Pages handed back.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The target is negative.</exception>
    /// <exception cref="SwapPageLostException">A backend does not have a page any more.</exception>
    /// <exception cref="GridException">A backend failed; pages not yet received stay.</exception>
    /// <exception cref="IOException">A backend failed; pages not yet received stay.</exception>
    public async ValueTask<long> ShrinkAsync(long targetPages, SwapPageReceiver receive, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(targetPages);
        ArgumentNullException.ThrowIfNull(receive);
        var buffer = ArrayPool<byte>.Shared.Rent(PageSizeBytes);
        try
        {
            var handedBack = 0L;
            foreach (var device in DevicesInOrder())
                for (var offset = 0u; offset < device.Pages && CurrentPages > targetPages; offset++)
                    if (device.HolderOf(offset) >= 0 && await HandBackAsync(device, offset, buffer.AsMemory(0, PageSizeBytes), receive, cancellationToken).ConfigureAwait(false)) handedBack++;
            return handedBack;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>Tries again to remove what backends may still have of pages that are invalidated or lie elsewhere: what failed stores and invalidations left. It is never loaded, but takes space.</summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>How many pages have something left in some backend.</returns>
    public async ValueTask<long> ReclaimAsync(CancellationToken cancellationToken = default)
    {
        var left = 0L;
        foreach (var device in DevicesInOrder())
        {
            for (var offset = 0u; offset < device.Pages; offset++)
            {
                if (!device.HasLeftover(offset)) continue;
                using var held = await device.Locks.EnterAsync(offset, cancellationToken).ConfigureAwait(false);
                if (device.IsClosed) break;
                var holder = device.HolderOf(offset);
                for (var place = 0; place < _chain.Length; place++)
                    if (place != holder) await _chain[place].InvalidateAsync(device, offset, cancellationToken).ConfigureAwait(false);
                if (device.HasLeftover(offset)) left++;
            }
        }

        return left;
    }

    private async ValueTask CloseAsync(SwapDevice device, CancellationToken cancellationToken)
    {
        await device.Locks.EnterAllAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            for (var offset = 0u; offset < device.Pages; offset++)
                if (device.HolderOf(offset) >= 0) throw new InvalidOperationException($"Swap device {device.Type} is on and has pages in frontswap: invalidate its area first.");
            device.IsClosed = true;
            _devices.TryRemove(device.Type, out _);
            lock (_order) _order.Remove(device.Type);
        }
        finally
        {
            device.Locks.ExitAll();
        }
    }

    private SwapDevice DeviceOf(int type, uint offset)
    {
        if (!_devices.TryGetValue(type, out var device)) throw new InvalidOperationException($"Swap device {type} is not on: call InitAsync first.");
        if (offset >= device.Pages) throw new ArgumentOutOfRangeException(nameof(offset), offset, $"Swap device {type} has {device.Pages} pages.");
        return device;
    }

    private List<SwapDevice> DevicesInOrder()
    {
        lock (_order) return [.. _order.Select(type => _devices.GetValueOrDefault(type)).OfType<SwapDevice>()];
    }

    /// <summary>The page's device, with the page's lock entered.</summary>
    private async ValueTask<(SwapDevice Device, KeyedLocks<uint>.Hold Held)> EnterAsync(int type, uint offset, CancellationToken cancellationToken)
    {
        while (true)
        {
            var device = DeviceOf(type, offset);
            var hold = await device.Locks.EnterAsync(offset, cancellationToken).ConfigureAwait(false);
            if (!device.IsClosed) return (device, hold);
            hold.Dispose();
        }
    }

    /// <summary>From here on no load finds the page. Whether one would have.</summary>
    private bool Forget(SwapDevice device, uint offset)
    {
        var holder = device.HolderOf(offset);
        if (holder < 0) return false;
        _chain[holder].LetGo(device, offset);
        Interlocked.Decrement(ref _pages);
        return true;
    }

    private async ValueTask InvalidateEverywhereAsync(SwapDevice device, uint offset, CancellationToken cancellationToken)
    {
        if (!device.AnyMayHold(offset)) return;
        foreach (var link in _chain) await link.InvalidateAsync(device, offset, cancellationToken).ConfigureAwait(false);
    }

    private async ValueTask<bool> LoadHeldAsync(SwapDevice device, uint offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        var holder = device.HolderOf(offset);
        if (holder < 0) return false;
        var link = _chain[holder];
        try
        {
            if (await link.Backend.LoadAsync(device.Type, offset, destination[..PageSizeBytes], cancellationToken).ConfigureAwait(false))
            {
                Interlocked.Increment(ref _loads);
                return true;
            }
        }
        catch (Exception e) when (SwapChainLink.IsFailure(e))
        {
            link.Failed(e);
            if (device.IsWrittenThrough(offset)) return false;
            throw;
        }

        if (device.IsWrittenThrough(offset)) return false;
        var lost = new SwapPageLostException($"{link.Backend.Name} has lost page {offset} of swap device {device.Type}, which it had accepted: its pool was destroyed, or somebody else flushes in it.");
        link.Failed(lost, pauses: false);
        throw lost;
    }

    private async ValueTask<bool> HandBackAsync(SwapDevice device, uint offset, Memory<byte> buffer, SwapPageReceiver receive, CancellationToken cancellationToken)
    {
        using var held = await device.Locks.EnterAsync(offset, cancellationToken).ConfigureAwait(false);
        if (device.IsClosed || !await LoadHeldAsync(device, offset, buffer, cancellationToken).ConfigureAwait(false)) return false;
        await receive(device.Type, offset, buffer, cancellationToken).ConfigureAwait(false);
        Forget(device, offset);
        // An exclusive get has removed the page before its slot is freed: the kernel counts no invalidation then.
        if (!ExclusiveGets) Interlocked.Increment(ref _invalidates);
        await InvalidateEverywhereAsync(device, offset, cancellationToken).ConfigureAwait(false);
        return true;
    }
}
