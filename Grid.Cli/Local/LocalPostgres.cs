using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Grid.Cli.Local;

/// <summary>A PostgreSQL of this command's own, for nodes on this machine: on a free port of 127.0.0.1, with a random password, in a folder that stays.</summary>
internal sealed class LocalPostgres
{
    private const string User = "grid";

    /// <summary>What to do where there is none.</summary>
    public const string HowToGet =
        "several nodes keep their journal in one PostgreSQL, and none is installed here: apt-get install postgresql, or name one with --postgres CONNECTION. SQLite cannot take its place: its file belongs to one process, and a node that takes over another's objects must read what that one wrote";

    private readonly PostgresPrograms _programs;
    private readonly string _cluster;
    private readonly string _password;

    private LocalPostgres(PostgresPrograms programs, string cluster, string password, int port)
    {
        (_programs, _cluster, _password, Port) = (programs, cluster, password, port);
    }

    /// <summary>Its port on 127.0.0.1.</summary>
    public int Port { get; }

    /// <summary>How nodes connect; secret.</summary>
    public string ConnectionString => string.Create(CultureInfo.InvariantCulture, $"Host=127.0.0.1;Port={Port};Username={User};Password={_password};Database=postgres");

    /// <summary>Starts it, once it has been made.</summary>
    /// <param name="folder">Where everything of it lies.</param>
    /// <param name="nodes">How many nodes will connect.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="CliException">There is none, or it does not start; the message says what to do.</exception>
    public static async Task<LocalPostgres> StartAsync(string folder, int nodes, CancellationToken cancellation)
    {
        var programs = PostgresPrograms.Find() ?? throw CliException.Failed(HowToGet);
        Directory.CreateDirectory(folder, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
        if (!await programs.CanReachAsync(folder, cancellation))
            throw CliException.Failed($"PostgreSQL does not run as root, and the user it runs as cannot get to {folder}: run this as an ordinary user, or name another folder with --data");
        var cluster = Path.Combine(folder, "cluster");
        var secret = Path.Combine(folder, "password");
        if (!File.Exists(Path.Combine(cluster, "PG_VERSION"))) await MakeAsync(programs, cluster, secret, cancellation);
        var server = new LocalPostgres(programs, cluster, (await File.ReadAllTextAsync(secret, cancellation)).Trim(), FreePort());
        // One that a killed command left running has another port, which nobody knows any more.
        if ((await programs.RunAsync("pg_ctl", ["status", "-D", cluster], cancellation)).Code == 0) await server.StopAsync();
        await server.StartServerAsync(nodes, cancellation);
        return server;
    }

    /// <summary>Ends its sessions and stops it.</summary>
    public async Task StopAsync()
    {
        var (code, text) = await _programs.RunAsync("pg_ctl", ["stop", "-D", _cluster, "-m", "fast", "-w", "-t", "60"], CancellationToken.None);
        if (code != 0) throw CliException.Failed($"PostgreSQL does not stop: {text}");
    }

    private async Task StartServerAsync(int nodes, CancellationToken cancellation)
    {
        var log = Path.Combine(_cluster, "server.log");
        // A node takes up to twelve connections; the rest is for whoever looks in.
        var options = string.Create(CultureInfo.InvariantCulture, $"-p {Port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c max_connections={30 + (16 * nodes)}");
        // Not given up halfway: the server would stay, and nobody would stop it.
        var (code, text) = await _programs.RunAsync("pg_ctl", ["start", "-D", _cluster, "-l", log, "-w", "-t", "60", "-o", options], CancellationToken.None);
        if (code == 0) return;
        var last = File.Exists(log) ? string.Join(' ', (await File.ReadAllLinesAsync(log, cancellation)).TakeLast(3)) : text;
        throw CliException.Failed($"PostgreSQL does not start: {last} (its log: {log})");
    }

    private static async Task MakeAsync(PostgresPrograms programs, string cluster, string secret, CancellationToken cancellation)
    {
        // Renamed into place: what an interrupted attempt leaves is not taken for a database.
        var unfinished = $"{cluster}.unfinished";
        if (Directory.Exists(unfinished)) Directory.Delete(unfinished, recursive: true);
        const UnixFileMode Mine = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        Directory.CreateDirectory(unfinished, Mine | UnixFileMode.UserExecute);
        await using (var file = new FileStream(secret, new FileStreamOptions { Mode = FileMode.Create, Access = FileAccess.Write, UnixCreateMode = Mine }))
        await using (var writer = new StreamWriter(file)) await writer.WriteLineAsync(RandomNumberGenerator.GetHexString(32));
        await programs.GiveAsync(unfinished, cancellation);
        await programs.GiveAsync(secret, cancellation);
        var (code, text) = await programs.RunAsync("initdb", ["-D", unfinished, "-U", User, $"--pwfile={secret}", "-A", "scram-sha-256", "-E", "UTF8", "--locale=C"], cancellation);
        if (code != 0) throw CliException.Failed($"initdb failed: {text}");
        Directory.Move(unfinished, cluster);
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
