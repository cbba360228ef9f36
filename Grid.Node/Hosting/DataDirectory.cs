using System.Globalization;

namespace Grid.Node.Hosting;

/// <summary>The node's data directory, held by this process alone until it is disposed or the process ends, however that happens.</summary>
internal sealed class DataDirectory : IDisposable
{
    private const string LockName = "node.lock";
    private const string OwnerName = "node.pid";

    /// <summary>EWOULDBLOCK: somebody else holds the lock.</summary>
    private const int WouldBlock = 11;

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
            held = new FileStream(Path.Combine(path, LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            // Who holds it stands beside it: a locked file cannot be read.
            File.WriteAllText(Path.Combine(path, OwnerName), Environment.ProcessId.ToString(CultureInfo.InvariantCulture));
            return new DataDirectory(path, held);
        }
        catch (IOException e) when (held == null && e.HResult == WouldBlock)
        {
            throw new StartupException(ExitCodes.Surroundings,
                $"grid.node.data-directory: {path} is in use by another node{Owner(path)}; stop it, or set another directory (--set grid.node.data-directory=…)", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            held?.Dispose();
            throw Unusable(path, e);
        }
    }

    /// <summary>Sees that no node holds the directory, without writing anything to it.</summary>
    /// <param name="path">Full path.</param>
    /// <exception cref="StartupException">A node uses it.</exception>
    public static void DemandUnused(string path)
    {
        var file = Path.Combine(path, LockName);
        if (!File.Exists(file)) return;
        try
        {
            new FileStream(file, FileMode.Open, FileAccess.ReadWrite, FileShare.None).Dispose();
        }
        catch (IOException e) when (e.HResult == WouldBlock)
        {
            throw new StartupException(ExitCodes.Surroundings, $"grid.node.data-directory: a node{Owner(path)} is running on {path}; stop it, or ask it instead (grid verify without --offline)", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unusable(path, e);
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _lock.Dispose();

    private static string Owner(string path)
    {
        try
        {
            return int.TryParse(File.ReadAllText(Path.Combine(path, OwnerName)), out var process) ? $" (process {process})" : "";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The number is a courtesy; that the directory is in use is known without it.
            return "";
        }
    }

    private static StartupException Unusable(string path, Exception cause)
    {
        return new StartupException(ExitCodes.Surroundings,
            $"grid.node.data-directory: cannot write to {path}: {cause.Message.TrimEnd('.')}; make it writable or set another directory (--set grid.node.data-directory=…)", cause);
    }
}
