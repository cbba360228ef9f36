using System.Globalization;
using Microsoft.Win32.SafeHandles;

namespace Grid.Client.Frontends;

/// <summary>A file as an origin: one that nobody changes in place while it is read (a golden image, a slow disk's archive), or one that is written through <see cref="CachedFile"/>.</summary>
public sealed class FileOrigin : IOrigin
{
    // A file's time may be as coarse as this: one that changed so recently can change again within the same time.
    private static readonly TimeSpan Coarse = TimeSpan.FromSeconds(2);
    private readonly SafeFileHandle _file;
    private readonly string _path;
    private readonly TimeProvider _time;

    private FileOrigin(SafeFileHandle file, string path, string name, bool isWritable, TimeProvider time)
    {
        _file = file;
        _path = path;
        _time = time;
        Name = name;
        IsWritable = isWritable;
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>Whether it was opened for writing.</summary>
    public bool IsWritable { get; }

    /// <summary>
    /// Opens a file that is only read here. Its length and time of change are its version: when they change, reads say so. A file that is replaced (renamed over) goes on being read as it was.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="name">Its name for all that share its pages; its full path by default. Name it where hosts have it in different places.</param>
    /// <param name="time">The clock; the system's by default.</param>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not read it.</exception>
    public static FileOrigin OpenRead(string path, string? name = null, TimeProvider? time = null) => Open(path, name, false, time);

    /// <summary>
    /// Opens a file that is written through <see cref="CachedFile"/>, here or elsewhere, and creates it where there is none. Everybody who reads it through the cache must open it so, and nobody may
    /// write it in another way: that would not be noticed.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="name">Its name for all that share its pages; its full path by default.</param>
    /// <exception cref="IOException">It cannot be opened.</exception>
    /// <exception cref="UnauthorizedAccessException">This user may not write it.</exception>
    public static FileOrigin OpenWrite(string path, string? name = null) => Open(path, name, true, null);

    /// <summary>Asks for its length and time of change.</summary>
    /// <param name="cancellationToken">Not used: nothing is waited for.</param>
    public ValueTask<OriginState> StatAsync(CancellationToken cancellationToken)
    {
        var length = RandomAccess.GetLength(_file);
        if (IsWritable) return ValueTask.FromResult(new OriginState(length, "", true));
        var changed = File.GetLastWriteTimeUtc(_file);
        return ValueTask.FromResult(new OriginState(length, VersionOf(length, changed), _time.GetUtcNow().UtcDateTime - changed > Coarse));
    }

    /// <summary>Reads, and then looks whether the file has changed.</summary>
    /// <param name="state">The state that the caller knows.</param>
    /// <param name="offset">The first byte.</param>
    /// <param name="destination">Where to.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>How many bytes were read.</returns>
    /// <exception cref="OriginChangedException">The file has changed.</exception>
    /// <exception cref="IOException">It failed.</exception>
    public async ValueTask<int> ReadAsync(OriginState state, long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(state);
        var done = 0;
        while (done < destination.Length)
        {
            var read = await RandomAccess.ReadAsync(_file, destination[done..], offset + done, cancellationToken).ConfigureAwait(false);
            if (read == 0) break;
            done += read;
        }

        if (!IsWritable && VersionOf(RandomAccess.GetLength(_file), File.GetLastWriteTimeUtc(_file)) != state.Version)
            throw new OriginChangedException($"{_path} has changed since it was opened (its length or its time of change): refresh, and read again.");
        return done;
    }

    /// <summary>Writes to the file; what the kernel has taken is read by all on this machine, and survives the process, not the machine.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="data">The bytes.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="NotSupportedException">It was opened for reading.</exception>
    /// <exception cref="IOException">It failed.</exception>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
    {
        if (!IsWritable) throw new NotSupportedException($"{_path} was opened for reading.");
        return RandomAccess.WriteAsync(_file, data, offset, cancellationToken);
    }

    /// <summary>Closes the file.</summary>
    public ValueTask DisposeAsync()
    {
        _file.Dispose();
        return ValueTask.CompletedTask;
    }

    private static FileOrigin Open(string path, string? name, bool writable, TimeProvider? time)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        var file = writable
            ? File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.ReadWrite)
            : File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        return new FileOrigin(file, path, $"file {name ?? Path.GetFullPath(path)}", writable, time ?? TimeProvider.System);
    }

    private static string VersionOf(long length, DateTime changed) => string.Create(CultureInfo.InvariantCulture, $"{length} bytes of {changed.Ticks}");
}
