using System.Diagnostics;

namespace Grid.Bench.Servers;

/// <summary>
/// Debian's PostgreSQL with the settings that <c>initdb</c> gives it (fsync and synchronous_commit on), in a new cluster of its own. It refuses to run as root:
/// started by root it runs as the user postgres.
/// </summary>
internal sealed class PostgresServer : IAsyncDisposable
{
    private const string User = "postgres";
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);

    private readonly ChildProcess _process;
    private readonly DirectoryInfo _directory;
    private readonly string _programs;

    private PostgresServer(ChildProcess process, DirectoryInfo directory, string programs, int port)
    {
        (_process, _directory, _programs) = (process, directory, programs);
        ConnectionString = $"Host=127.0.0.1;Port={port};Username={User};Database=postgres";
    }

    /// <summary>How the node connects.</summary>
    public string ConnectionString { get; }

    /// <summary>Starts it.</summary>
    /// <param name="parent">Where its folder is made.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<PostgresServer> StartAsync(DirectoryInfo parent, CancellationToken cancellation)
    {
        var programs = FindPrograms();
        var directory = TemporaryDirectory.Make(parent, "grid-bench-postgres-");
        if (Environment.IsPrivilegedProcess) await RunAsync("chown", [User, directory.FullName], cancellation);
        var data = Path.Combine(directory.FullName, "data");
        await RunAsUserAsync(Path.Combine(programs, "initdb"), ["--no-sync", "--auth=trust", "--encoding=UTF8", $"--username={User}", "-D", data], cancellation);
        var port = ChildProcess.FreePort();
        var (program, arguments) = AsUser(Path.Combine(programs, "postgres"), ["-D", data, "-p", $"{port}", "-c", "listen_addresses=127.0.0.1", "-k", directory.FullName]);
        var server = new PostgresServer(ChildProcess.Start("PostgreSQL", program, arguments), directory, programs, port);
        try
        {
            await server._process.WaitAsync(async token => await TryAsync(Path.Combine(programs, "pg_isready"), ["-h", "127.0.0.1", "-p", $"{port}"], token), StartLimit, cancellation);
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
        // Killed, it would leave its shared memory behind.
        if (!_process.Ended) await RunAsUserAsync(Path.Combine(_programs, "pg_ctl"), ["-D", Path.Combine(_directory.FullName, "data"), "-m", "immediate", "-w", "stop"], CancellationToken.None);
        await _process.DisposeAsync();
        _directory.Delete(recursive: true);
    }

    private static string FindPrograms()
    {
        var versions = new DirectoryInfo("/usr/lib/postgresql");
        return (versions.Exists ? versions.GetDirectories() : [])
            .OrderByDescending(version => int.TryParse(version.Name, out var number) ? number : 0)
            .Select(version => Path.Combine(version.FullName, "bin"))
            .FirstOrDefault(programs => File.Exists(Path.Combine(programs, "initdb")))
            ?? throw new BenchException("PostgreSQL is missing: install it (apt-get install postgresql) or leave it out with --store sqlite");
    }

    private static (string Program, IReadOnlyList<string> Arguments) AsUser(string program, IReadOnlyList<string> arguments) => Environment.IsPrivilegedProcess
        ? ("setpriv", ["--reuid", User, "--regid", User, "--init-groups", program, .. arguments])
        : (program, arguments);

    private static Task RunAsUserAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        var (actual, all) = AsUser(program, arguments);
        return RunAsync(actual, all, cancellation);
    }

    private static async Task RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        if (!await TryAsync(program, arguments, cancellation)) throw new BenchException($"{program} {string.Join(' ', arguments)} failed");
    }

    private static async Task<bool> TryAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" })
            ?? throw new BenchException($"cannot start {program}");
        var output = process.StandardOutput.ReadToEndAsync(cancellation);
        var error = process.StandardError.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        await Task.WhenAll(output, error);
        return process.ExitCode == 0;
    }
}
