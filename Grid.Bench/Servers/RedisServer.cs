namespace Grid.Bench.Servers;

/// <summary>Debian's redis-server in its own process: without persistence, or with every command on the disk before it is answered.</summary>
internal sealed class RedisServer : IAsyncDisposable
{
    private readonly ChildProcess _process;
    private readonly DirectoryInfo _directory;

    private RedisServer(ChildProcess process, DirectoryInfo directory, int port) => (_process, _directory, Port) = (process, directory, port);

    /// <summary>Where it listens on loopback.</summary>
    public int Port { get; }

    /// <summary>Starts it without persistence.</summary>
    /// <param name="cancellation">Gives up.</param>
    public static Task<RedisServer> StartAsync(CancellationToken cancellation) => StartAsync(TemporaryDirectory.Default, isDurable: false, cancellation);

    /// <summary>Starts it.</summary>
    /// <param name="parent">Where its folder is made.</param>
    /// <param name="isDurable">Whether it logs every command and syncs the log before it answers.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<RedisServer> StartAsync(DirectoryInfo parent, bool isDurable, CancellationToken cancellation)
    {
        var program = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Append("/usr/bin").Select(directory => Path.Combine(directory, "redis-server")).FirstOrDefault(File.Exists)
            ?? throw new BenchException("redis-server is missing: install it (apt-get install redis-server) or leave it out with --peer garnet");
        var directory = TemporaryDirectory.Make(parent, "grid-bench-redis-");
        var port = ChildProcess.FreePort();
        var process = ChildProcess.Start("redis-server", program,
            ["--port", $"{port}", "--bind", "127.0.0.1", "--save", "", "--appendonly", isDurable ? "yes" : "no", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0", "--dir", directory.FullName, "--daemonize", "no", "--loglevel", "warning"]);
        var server = new RedisServer(process, directory, port);
        try
        {
            await process.WaitAsync(token => ChildProcess.ListensAsync(port, token), TimeSpan.FromSeconds(20), cancellation);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        _directory.Delete(recursive: true);
    }
}
