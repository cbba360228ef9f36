using System.Diagnostics;
using System.Globalization;
using Npgsql;
using Xunit;

namespace Grid.Tests.Harness;

/// <summary>
/// A real PostgreSQL of the test's own: a cluster in a temporary folder, on a free port of 127.0.0.1, run by an unprivileged user, with fsync on. It can be stopped, killed,
/// paused, started again and given parameters; it is removed with everything in it by <see cref="DisposeAsync"/>, else when the test run exits.
/// </summary>
public sealed class PostgresServer : IAsyncLifetime, IAsyncDisposable
{
    /// <summary>The superuser.</summary>
    public const string Admin = "grid_admin";

    /// <summary>A password that must not turn up anywhere.</summary>
    public const string Password = "s3cr3t;never=\"printed'";

    private static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(60);
    private readonly TestFolder _folder = new();
    private Process? _process;
    private int _databases;

    public LogTail Log { get; } = new();

    /// <summary>Another address of this machine, beside 127.0.0.1, that it listens on; who connects there comes from the same /24.</summary>
    public string? AlsoOn { get; private init; }

    public int Port { get; private set; }

    public string DataFolder => _folder.Combine("cluster");

    private Process Running => _process ?? throw new InvalidOperationException("the server was never started");

    /// <summary>Starts a server of this test alone.</summary>
    public static async Task<PostgresServer> StartNewAsync(string? alsoOn = null)
    {
        var server = new PostgresServer { AlsoOn = alsoOn };
        try
        {
            await server.InitializeAsync();
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    public async Task InitializeAsync()
    {
        // The server's user must be able to pass through.
        File.SetUnixFileMode(_folder.Path, (UnixFileMode)Convert.ToInt32("711", 8));
        Directory.CreateDirectory(DataFolder, (UnixFileMode)Convert.ToInt32("700", 8));
        var password = _folder.Combine("password");
        await File.WriteAllTextAsync(password, Password);
        await PostgresTools.GiveAsync(DataFolder);
        await PostgresTools.GiveAsync(password);
        await PostgresTools.RunAsync(PostgresTools.Command(
            "initdb", "-D", DataFolder, "-U", Admin, $"--pwfile={password}", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync"));
        if (AlsoOn is not null) await File.AppendAllTextAsync(Path.Combine(DataFolder, "pg_hba.conf"), $"\nhost all all {AlsoOn}/24 scram-sha-256\n");
        Port = PostgresTools.FreePort();
        await StartAsync();
    }

    /// <summary>A connection string of the superuser.</summary>
    public string ConnectionString(string database = "postgres", string user = Admin) =>
        new NpgsqlConnectionStringBuilder { Host = "127.0.0.1", Port = Port, Username = user, Password = Password, Database = database }.ConnectionString;

    /// <summary>Makes an empty database that belongs to an ordinary role of the same name, and gives that role's connection string.</summary>
    public async Task<string> NewDatabaseAsync()
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"grid_{Interlocked.Increment(ref _databases)}");
        await ExecuteAsync($"CREATE ROLE {name} LOGIN PASSWORD '{Password.Replace("'", "''", StringComparison.Ordinal)}'");
        await ExecuteAsync($"CREATE DATABASE {name} OWNER {name}");
        return ConnectionString(name, name);
    }

    /// <summary>Executes a statement, as superuser in database postgres unless told otherwise.</summary>
    public async Task ExecuteAsync(string sql, string? connectionString = null)
    {
        await using var connection = new NpgsqlConnection(Unpooled(connectionString ?? ConnectionString()));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>The one value a query gives.</summary>
    public async Task<object?> ScalarAsync(string sql, string? connectionString = null)
    {
        await using var connection = new NpgsqlConnection(Unpooled(connectionString ?? ConnectionString()));
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }

    /// <summary>Sets a server parameter; one that needs a restart takes effect with the next.</summary>
    public async Task SetAsync(string name, string value)
    {
        await ExecuteAsync($"ALTER SYSTEM SET {name} = '{value}'");
        await ExecuteAsync("SELECT pg_reload_conf()");
    }

    /// <summary>Takes TLS connections too, from now on, with this certificate.</summary>
    public async Task UseTlsAsync(string certificatePem, string keyPem)
    {
        foreach (var (name, text) in ((string, string)[])[("server.crt", certificatePem), ("server.key", keyPem)])
        {
            var file = Path.Combine(DataFolder, name);
            await File.WriteAllTextAsync(file, text);
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
            await PostgresTools.GiveAsync(file);
        }

        await SetAsync("ssl", "on");
    }

    /// <summary>Starts the server, after it was stopped or killed, and returns once it takes connections.</summary>
    public async Task StartAsync()
    {
        var clock = Stopwatch.StartNew();
        while (!await TryStartAsync(clock))
        {
            // What a killed one left behind (its children, its shared memory) is gone in a moment.
            if (clock.Elapsed > StartDeadline) throw new TimeoutException($"PostgreSQL did not start within {StartDeadline.TotalSeconds:0} s\n{Log.Tail()}");
            await Task.Delay(100);
        }
    }

    /// <summary>Ends every session and stops, as an administrator does.</summary>
    public Task StopAsync() => EndAsync(Signals.Interrupt);

    /// <summary>SIGKILL to all of it, as a crash of the machine.</summary>
    public async Task Kill9Async()
    {
        var all = Processes();
        foreach (var pid in all) Signals.Send(pid, Signals.Kill);
        await WaitForExitAsync();
        await Eventually.TrueAsync(() => all.All(pid => !Directory.Exists($"/proc/{pid}")), "the server's processes are gone", TimeSpan.FromSeconds(20));
    }

    /// <summary>SIGSTOP to all of it: connections stay, nothing answers.</summary>
    public void Pause()
    {
        foreach (var pid in Processes()) Signals.Send(pid, Signals.Stop);
    }

    public void Continue()
    {
        foreach (var pid in Processes()) Signals.Send(pid, Signals.Continue);
    }

    /// <summary>Whether it has ended by itself or was ended.</summary>
    public bool HasExited => Running.HasExited;

    /// <summary>No file may grow beyond this, as on a disk that is full; null: as large as the machine allows.</summary>
    public async Task LimitFileSizeAsync(long? bytes)
    {
        var soft = bytes?.ToString(CultureInfo.InvariantCulture) ?? "unlimited";
        foreach (var pid in Processes())
        {
            // As the server's user: root may lack the capability to limit somebody else's process.
            using var prlimit = Process.Start(PostgresTools.Command("/usr/bin/prlimit", "--pid", pid.ToString(CultureInfo.InvariantCulture), $"--fsize={soft}:unlimited"))!;
            await prlimit.WaitForExitAsync();
            // A session may have ended meanwhile; new ones have the postmaster's limit, which comes first.
            Assert.True(prlimit.ExitCode == 0 || !Directory.Exists($"/proc/{pid}"), $"prlimit ended with {prlimit.ExitCode}");
        }
    }

    /// <summary>Process ids of the server and its children.</summary>
    public IReadOnlyList<int> Processes()
    {
        if (Running.HasExited) return [];
        var children = Directory.EnumerateDirectories("/proc")
            .Select(folder => int.TryParse(Path.GetFileName(folder), out var pid) ? pid : 0)
            .Where(pid => pid > 0 && ParentOf(pid) == Running.Id);
        return [Running.Id, .. children];
    }

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            if (!_process.HasExited)
            {
                Continue();
                await EndAsync(Signals.Quit);
            }

            _process.Dispose();
        }

        _folder.Dispose();
    }

    private async Task<bool> TryStartAsync(Stopwatch clock)
    {
        _process?.Dispose();
        var start = PostgresTools.Command(
            "postgres", "-D", DataFolder, "-p", Port.ToString(CultureInfo.InvariantCulture), "-k", DataFolder,
            "-c", $"listen_addresses=127.0.0.1{(AlsoOn is null ? "" : $",{AlsoOn}")}", "-c", "fsync=on", "-c", "shared_buffers=32MB");
        var process = new Process { StartInfo = start };
        process.OutputDataReceived += (_, e) => AddLine(e.Data);
        process.ErrorDataReceived += (_, e) => AddLine(e.Data);
        process.Start();
        OwnedProcesses.Add(process.Id);
        _process = process;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        while (!process.HasExited)
        {
            if (await AnswersAsync()) return true;
            if (clock.Elapsed > StartDeadline) return false;
            await Task.Delay(50);
        }

        OwnedProcesses.Remove(process.Id);
        // Somebody else took the port between the look and the start.
        if (Log.Contains("could not bind IPv4 address") && _databases == 0) Port = PostgresTools.FreePort();
        return false;
    }

    private async Task<bool> AnswersAsync()
    {
        try
        {
            await ExecuteAsync("SELECT 1");
            return true;
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }

    private async Task EndAsync(int signal)
    {
        Signals.Send(Running.Id, signal);
        await WaitForExitAsync();
    }

    private async Task WaitForExitAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await Running.WaitForExitAsync(patience.Token);
        OwnedProcesses.Remove(Running.Id);
    }

    private void AddLine(string? line)
    {
        if (line is not null) Log.Add(line);
    }

    private static string Unpooled(string connectionString) =>
        new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, Timeout = 30 }.ConnectionString;

    private static int ParentOf(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], CultureInfo.InvariantCulture);
        }
        catch (IOException)
        {
            // It ended meanwhile.
            return 0;
        }
    }
}
