using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Grid.Tests.Harness;

/// <summary>PostgreSQL's programs as the Debian package brings them, run as somebody who is not root: they refuse to run as root.</summary>
internal static class PostgresTools
{
    private const string Packages = "/usr/lib/postgresql";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    /// <summary>The folder of the newest version's programs.</summary>
    public static string Bin { get; } = FindBin();

    /// <summary>Who the server runs as; null where the tests do not run as root and the server runs as they do.</summary>
    public static string? User { get; } = !Environment.IsPrivilegedProcess ? null : HasUser("postgres") ? "postgres" : "nobody";

    /// <summary>A command line of the program as the unprivileged user; what it starts keeps its process id.</summary>
    public static ProcessStartInfo Command(string program, params IEnumerable<string> arguments)
    {
        var path = Path.Combine(Bin, program);
        var start = new ProcessStartInfo(User is null ? path : "setpriv") { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/" };
        if (User is not null)
            foreach (var argument in (string[])[$"--reuid={User}", $"--regid={GroupOf(User)}", "--clear-groups", "--", path]) start.ArgumentList.Add(argument);
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        start.Environment["LC_ALL"] = "C";
        return start;
    }

    /// <summary>Runs to the end; fails with what was printed where the exit code is not 0.</summary>
    public static async Task RunAsync(ProcessStartInfo start)
    {
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{start.FileName} did not start");
        using var patience = new CancellationTokenSource(Patience);
        var texts = Task.WhenAll(process.StandardOutput.ReadToEndAsync(patience.Token), process.StandardError.ReadToEndAsync(patience.Token));
        await process.WaitForExitAsync(patience.Token);
        if (process.ExitCode != 0) throw new InvalidOperationException($"{start.FileName} ended with {process.ExitCode}: {string.Join('\n', await texts)}");
    }

    /// <summary>Gives a file or folder to the server's user.</summary>
    public static Task GiveAsync(string path) => User is null ? Task.CompletedTask : RunAsync(new ProcessStartInfo("chown", ["-R", $"{User}:{GroupOf(User)}", path]));

    /// <summary>A port of 127.0.0.1 that nobody listens on now.</summary>
    public static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static string FindBin() =>
        (Directory.Exists(Packages) ? Directory.GetDirectories(Packages) : [])
        .Where(folder => File.Exists(Path.Combine(folder, "bin", "initdb")))
        .OrderByDescending(folder => int.TryParse(Path.GetFileName(folder), out var version) ? version : 0)
        .Select(folder => Path.Combine(folder, "bin"))
        .FirstOrDefault() ?? throw new InvalidOperationException($"there is no PostgreSQL below {Packages}: apt-get install postgresql (./test does)");

    private static bool HasUser(string name) => File.ReadLines("/etc/passwd").Any(line => line.StartsWith(name + ":", StringComparison.Ordinal));

    private static string GroupOf(string user) => File.ReadLines("/etc/passwd").First(line => line.StartsWith(user + ":", StringComparison.Ordinal)).Split(':')[3];
}
