using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Grid.Client.Frontends;

/// <summary>
/// Keeps pages of swap devices in a file or on a block device: the last of the chain, for what the grid refuses. Which page lies where is known in memory only, so what the
/// file holds means nothing after a restart. Nothing is synced: a machine that loses its power loses the programs whose memory this is as well.
/// </summary>
/// <remarks>About 40 bytes of memory for a page it holds.</remarks>
public sealed class FileSwapBackend : IFrontswapBackend, IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<int, Dictionary<uint, uint>> _slots = [];
    private readonly Stack<uint> _free = [];
    private readonly SafeFileHandle _file;
    private readonly string _path;
    private uint _used;

    /// <summary>Opens or creates the file, for this process alone. Whatever it holds will be overwritten.</summary>
    /// <param name="path">A file, created (for its owner only) where there is none, or a block device.</param>
    /// <param name="capacityPages">The most pages it may hold; a file grows as it fills.</param>
    /// <param name="pageSizeBytes">Bytes of a page; 4096 by default.</param>
    /// <exception cref="ArgumentException">The capacity or the page size is 0 or less, or the block device is smaller than the capacity.</exception>
    /// <exception cref="IOException">It cannot be opened, or another process uses it.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not write it.</exception>
    public FileSwapBackend(string path, uint capacityPages, int pageSizeBytes = Protocol.PoolOptions.MinPageSizeBytes)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentOutOfRangeException.ThrowIfZero(capacityPages);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(pageSizeBytes);
        var deviceBytes = BlockDeviceBytes(path);
        var neededBytes = (long)capacityPages * pageSizeBytes;
        if (deviceBytes < neededBytes)
            throw new ArgumentException($"The block device {path} has {deviceBytes} bytes, {capacityPages} pages of {pageSizeBytes} bytes need {neededBytes}.", nameof(capacityPages));
        _path = path;
        CapacityPages = capacityPages;
        PageSizeBytes = pageSizeBytes;
        var isNew = deviceBytes is null && !File.Exists(path);
        _file = File.OpenHandle(path, deviceBytes is null ? FileMode.OpenOrCreate : FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        if (isNew && !OperatingSystem.IsWindows()) File.SetUnixFileMode(_file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    /// <summary>The file's path.</summary>
    public string Name => _path;

    /// <summary>Bytes of a page.</summary>
    public int PageSizeBytes { get; }

    /// <summary>The most pages it may hold.</summary>
    public uint CapacityPages { get; }

    /// <summary>Pages it holds.</summary>
    public uint Pages
    {
        get
        {
            lock (_lock) return _used - (uint)_free.Count;
        }
    }

    /// <summary>Forgets whatever an earlier life of the device stored.</summary>
    /// <param name="type">The device.</param>
    /// <param name="pages">Its size in pages.</param>
    /// <param name="cancellationToken">Not used: nothing is waited for.</param>
    public ValueTask InitAsync(int type, uint pages, CancellationToken cancellationToken) => InvalidateAreaAsync(type, cancellationToken);

    /// <summary>Writes the page.</summary>
    /// <param name="type">The device.</param>
    /// <param name="offset">The page's number in it.</param>
    /// <param name="page">The page.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>False where the file is full.</returns>
    /// <exception cref="IOException">It failed; no page is there then.</exception>
    public async ValueTask<bool> StoreAsync(int type, uint offset, ReadOnlyMemory<byte> page, CancellationToken cancellationToken)
    {
        Remove(type, offset);
        if (TakeSlot() is not { } slot) return false;
        try
        {
            await RandomAccess.WriteAsync(_file, page, slot * (long)PageSizeBytes, cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            lock (_lock) _free.Push(slot);
            throw;
        }

        lock (_lock)
        {
            if (!_slots.TryGetValue(type, out var area)) _slots.Add(type, area = []);
            area[offset] = slot;
        }

        return true;
    }

    /// <summary>Reads the page.</summary>
    /// <param name="type">The device.</param>
    /// <param name="offset">The page's number in it.</param>
    /// <param name="destination">Where to.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="IOException">It failed, or the file has been cut.</exception>
    public async ValueTask<bool> LoadAsync(int type, uint offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        uint slot;
        lock (_lock)
        {
            if (!_slots.TryGetValue(type, out var area) || !area.TryGetValue(offset, out slot)) return false;
        }

        for (var done = 0; done < PageSizeBytes;)
        {
            var read = await RandomAccess.ReadAsync(_file, destination[done..PageSizeBytes], (slot * (long)PageSizeBytes) + done, cancellationToken).ConfigureAwait(false);
            if (read == 0) throw new EndOfStreamException($"{_path} ends before page {slot} does: somebody has cut it.");
            done += read;
        }

        return true;
    }

    /// <summary>Frees the page's place.</summary>
    /// <param name="type">The device.</param>
    /// <param name="offset">The page's number in it.</param>
    /// <param name="cancellationToken">Not used: nothing is waited for.</param>
    public ValueTask InvalidatePageAsync(int type, uint offset, CancellationToken cancellationToken)
    {
        Remove(type, offset);
        return ValueTask.CompletedTask;
    }

    /// <summary>Frees the places of all pages of the device.</summary>
    /// <param name="type">The device.</param>
    /// <param name="cancellationToken">Not used: nothing is waited for.</param>
    public ValueTask InvalidateAreaAsync(int type, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            if (_slots.Remove(type, out var area))
                foreach (var slot in area.Values) _free.Push(slot);
        }

        return ValueTask.CompletedTask;
    }

    /// <summary>Closes the file; it stays.</summary>
    public void Dispose() => _file.Dispose();

    /// <summary>A block device's size; null where the path is none.</summary>
    private static long? BlockDeviceBytes(string path)
    {
        const int SectorBytes = 512;
        if (!File.Exists(path)) return null;
        var target = File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);
        if (!target.StartsWith("/dev/", StringComparison.Ordinal)) return null;
        var size = $"/sys/class/block/{Path.GetFileName(target)}/size";
        return File.Exists(size) ? long.Parse(File.ReadAllText(size), CultureInfo.InvariantCulture) * SectorBytes : null;
    }

    private uint? TakeSlot()
    {
        lock (_lock)
        {
            if (_free.TryPop(out var slot)) return slot;
            return _used < CapacityPages ? _used++ : null;
        }
    }

    private void Remove(int type, uint offset)
    {
        lock (_lock)
        {
            if (_slots.TryGetValue(type, out var area) && area.Remove(offset, out var slot)) _free.Push(slot);
        }
    }
}
