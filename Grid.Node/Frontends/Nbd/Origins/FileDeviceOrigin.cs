using Grid.Client;
using Microsoft.Win32.SafeHandles;

namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>A file as an origin. What one node writes, others on this machine, and on a file system that keeps machines coherent all others, read at once.</summary>
internal sealed class FileDeviceOrigin : IDeviceOrigin
{
    private const int NoSpaceLeft = 28;
    private const int QuotaExceeded = 122;
    private const int ReadOnlyFileSystem = 30;

    /// <summary>A file's time of change may be as coarse as this: one that changed so recently can change again within it.</summary>
    private static readonly TimeSpan Coarse = TimeSpan.FromSeconds(2);

    private readonly SafeFileHandle _file;
    private readonly string _path;
    private readonly bool _writes;
    private readonly (long Length, long ChangedAt) _known;
    private readonly bool _hasHoles;

    private FileDeviceOrigin(SafeFileHandle file, string path, bool writes, bool hasHoles, string seal)
    {
        (_file, _path, _writes, _hasHoles, Seal) = (file, path, writes, hasHoles, seal);
        SizeBytes = RandomAccess.GetLength(file);
        if (SizeBytes == 0) throw new IOException($"{path} is empty, or no regular file (have an NBD server serve a disk)");
        _known = (SizeBytes, FileSeals.ChangedAt(file));
    }

    public long SizeBytes { get; }

    public string Seal { get; }

    public int MinBlockBytes => 1;

    /// <summary>Opens it; a backing that is not there is made, one that is shorter than the device is made longer.</summary>
    /// <param name="export">The device.</param>
    /// <param name="isOther">Whether a number is that of another export there is.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">It cannot be opened or is not what it was; the message says why.</exception>
    /// <exception cref="UnauthorizedAccessException">The node may not open it.</exception>
    public static async Task<FileDeviceOrigin> OpenAsync(NbdExport export, Func<ulong, bool> isOther, CancellationToken cancellation)
    {
        var (path, isNew) = (export.Origin!.Location, export.Seal.Length == 0);
        if (export.ReadOnly && !export.Origin.IsBacking) return await OpenToReadAsync(path, cancellation).ConfigureAwait(false);
        // What beside it says that it is the right one is looked at before anything is made.
        var isMade = isNew && export.Origin.IsBacking && !File.Exists(path);
        if (!isMade && !File.Exists(path)) throw new FileNotFoundException($"{path} is not there (or is no file)", path);
        var seal = FileSeals.OfWritten(path, export.Id, isNew, isOther);
        if (!isNew && seal != export.Seal) throw new IOException($"{path} is not the file that this export was first served from: there it is '{export.Seal}', here '{seal}'");
        var file = File.OpenHandle(path, isMade ? FileMode.OpenOrCreate : FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            if (export.Origin.IsBacking && RandomAccess.GetLength(file) < export.SizeBytes) RandomAccess.SetLength(file, export.SizeBytes);
            return new FileDeviceOrigin(file, path, true, export.Origin.IsBacking, seal);
        }
        catch (Exception e)
        {
            file.Dispose();
            // So .NET calls what Linux calls a file that is too large.
            if (e is ArgumentOutOfRangeException) throw new IOException($"{path} cannot be {export.SizeBytes} bytes long", e);
            throw;
        }
    }

    public async ValueTask ReadAsync(long offset, Memory<byte> destination, RequestClock clock, CancellationToken cancellation)
    {
        try
        {
            var done = 0;
            while (done < destination.Length)
            {
                var read = await RandomAccess.ReadAsync(_file, destination[done..], offset + done, cancellation).ConfigureAwait(false);
                if (read == 0) break;
                done += read;
            }

            if (!_writes) RequireUnchanged();
            if (done < destination.Length && !_hasHoles) throw new NbdException(NbdError.Io, $"origin {_path} ends at byte {offset + done}: somebody has cut it");
            destination.Span[done..].Clear();
        }
        catch (IOException e)
        {
            throw Failure("reading", e);
        }
    }

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> data, RequestClock clock)
    {
        try
        {
            await RandomAccess.WriteAsync(_file, data, offset, CancellationToken.None).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentOutOfRangeException)
        {
            throw Failure("writing", e);
        }
    }

    public async ValueTask ZeroAsync(long offset, int bytes, bool keepsPages, RequestClock clock)
    {
        if (keepsPages || !await Task.Run(() => FileCalls.TryPunch(_file, offset, bytes)).ConfigureAwait(false)) await WriteAsync(offset, new byte[bytes], clock).ConfigureAwait(false);
    }

    public async ValueTask FlushAsync(RequestClock clock, CancellationToken cancellation)
    {
        if (!_writes) return;
        try
        {
            await Task.Run(() => RandomAccess.FlushToDisk(_file), cancellation).ConfigureAwait(false);
        }
        catch (IOException e)
        {
            throw Failure("flushing", e);
        }
    }

    public async ValueTask<IReadOnlyList<Extent>> StatusAsync(long offset, uint length, RequestClock clock, CancellationToken cancellation) =>
        await Task.Run(() => Holes(offset, length), cancellation).ConfigureAwait(false);

    public void Dispose() => _file.Dispose();

    private static async Task<FileDeviceOrigin> OpenToReadAsync(string path, CancellationToken cancellation)
    {
        var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        try
        {
            var age = DateTime.UtcNow - File.GetLastWriteTimeUtc(file);
            if (age >= TimeSpan.Zero && age < Coarse) await Task.Delay(Coarse - age, cancellation).ConfigureAwait(false);
            return new FileDeviceOrigin(file, path, false, false, FileSeals.OfReadOnly(file));
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    private List<Extent> Holes(long offset, uint length)
    {
        const int Most = 4096;
        var extents = new List<Extent>();
        var end = offset + length;
        while (offset < end && extents.Count < Most)
        {
            if (FileCalls.NextData(_file, offset, end) is not { } data || FileCalls.NextHole(_file, data, end) is not { } hole) return [.. extents, new Extent((uint)(end - offset), ExtentState.Allocated)];
            if (data > offset) extents.Add(new Extent((uint)(data - offset), ExtentState.Hole | ExtentState.Zero));
            if (hole > data) extents.Add(new Extent((uint)(hole - data), ExtentState.Allocated));
            offset = Math.Max(hole, data);
        }

        return extents;
    }

    private void RequireUnchanged()
    {
        if ((RandomAccess.GetLength(_file), FileSeals.ChangedAt(_file)) != _known)
            throw new NbdException(NbdError.Io, $"origin {_path} has changed, and must not, since the export was made to be read only: remove the export and make it anew");
    }

    private NbdException Failure(string what, Exception e) => new(
        e switch
        {
            // So .NET calls what Linux calls a file that is too large.
            ArgumentOutOfRangeException => NbdError.NoSpace,
            UnauthorizedAccessException => NbdError.Perm,
            _ => e.HResult switch
            {
                NoSpaceLeft or QuotaExceeded => NbdError.NoSpace,
                ReadOnlyFileSystem => NbdError.Perm,
                _ => NbdError.Io,
            },
        },
        $"{what} origin {_path} failed: {e.Message}");
}
