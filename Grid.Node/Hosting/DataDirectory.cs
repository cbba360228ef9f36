using System.Globalization;

namespace Grid.Node.Hosting;

/// <summary>The node's data directory, held by this process alone until it is disposed or the process ends, however that happens.</summary>
internal sealed class DataDirectory : IDisposable
{
    private const string LockName = "node.lock";
    private readonly FileStream _lock;

    private DataDirectory(string path, FileStream held)
    {
        FullPath = path;
        _lock = held;
    }

    /// <summary>Where it is.</summary>
    public string FullPath { get; }

    /// <summary>Creates the directory when it is missing, sees that it can be written, and takes its lock.</summary>
    /// <param name="path">Full path.</param>
    /// <exception cref="StartupException">It cannot be written, or another node uses it.</exception>
    public static DataDirectory Open(string path)
    {
        var lockPath = Path.Combine(path, LockName);
        try
        {
            Directory.CreateDirectory(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable(path, e);
        }
        FileStream? held = null;
        try
        {
            // FileShare.None is flock(LOCK_EX) here: the kernel lets go of it when the process dies.
            held = new FileStream(lockPath, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            held.SetLength(0);
            held.Write(System.Text.Encoding.ASCII.GetBytes(Environment.ProcessId.ToString(CultureInfo.InvariantCulture)));
            held.Flush(flushToDisk: true);
            return new DataDirectory(path, held);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            held?.Dispose();
            if (held == null && e is IOException && File.Exists(lockPath) && Owner(lockPath) is { } owner)
                throw new StartupException(ExitCodes.Surroundings,
                    $"grid.node.data-directory: {path} is in use by another node{owner}; stop it, or set another directory (--set grid.node.data-directory=…)", e);
            throw Unusable(path, e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _lock.Dispose();

    // Null: the file is not locked by anybody, or cannot be read.
    private static string? Owner(string lockPath)
    {
        try
        {
            using var probe = new FileStream(lockPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var reader = new StreamReader(probe);
            return int.TryParse(reader.ReadToEnd(), out var process) ? $" (process {process})" : "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static StartupException Unusable(string path, Exception cause)
    {
        return new StartupException(ExitCodes.Surroundings,
            $"grid.node.data-directory: cannot write to {path}: {cause.Message.TrimEnd('.')}; make it writable or set another directory (--set grid.node.data-directory=…)", cause);
    }
}
