using System.Diagnostics;

namespace Grid.Cli.Local;

/// <summary>PostgreSQL's programs, run as somebody who is not root: they refuse to run as root.</summary>
internal sealed class PostgresPrograms
{
    private const string DebianFolder = "/usr/lib/postgresql";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private readonly string _bin;
    private readonly (string Uid, string Gid)? _user;

    private PostgresPrograms(string bin, (string Uid, string Gid)? user) => (_bin, _user) = (bin, user);

    /// <summary>The newest version that is installed, where Debian keeps them or on the PATH; null: none.</summary>
    public static PostgresPrograms? Find()
    {
        var debian = Directory.Exists(DebianFolder) ? Directory.GetDirectories(DebianFolder) : [];
        var bin = debian
            .OrderByDescending(folder => int.TryParse(Path.GetFileName(folder), out var version) ? version : 0)
            .Select(folder => Path.Combine(folder, "bin"))
            .Concat((Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries))
            .FirstOrDefault(folder => File.Exists(Path.Combine(folder, "initdb")) && File.Exists(Path.Combine(folder, "pg_ctl")));
        return bin is null ? null : new PostgresPrograms(bin, Environment.IsPrivilegedProcess ? Unprivileged() : null);
    }

    /// <summary>Runs a program to its end as the unprivileged user.</summary>
    /// <returns>Its exit code and what it printed.</returns>
    public async Task<(int Code, string Text)> RunAsync(string program, IEnumerable<string> arguments, CancellationToken cancellation)
    {
        var path = program.Contains('/', StringComparison.Ordinal) ? program : Path.Combine(_bin, program);
        string[] command = _user is var (uid, gid) ? ["setpriv", $"--reuid={uid}", $"--regid={gid}", "--clear-groups", "--", path, .. arguments] : [path, .. arguments];
        return await RunCommandAsync(command, cancellation);
    }

    /// <summary>Gives a file or folder to the unprivileged user.</summary>
    public async Task GiveAsync(string path, CancellationToken cancellation)
    {
        if (_user is not var (uid, gid)) return;
        var (code, text) = await RunCommandAsync(["chown", "-R", $"{uid}:{gid}", path], cancellation);
        if (code != 0) throw CliException.Failed($"chown of {path} failed: {text}");
    }

    /// <summary>Whether the unprivileged user can get to a folder.</summary>
    public async Task<bool> CanReachAsync(string folder, CancellationToken cancellation) => _user is null || (await RunAsync("/usr/bin/test", ["-x", folder], cancellation)).Code == 0;

    private static async Task<(int Code, string Text)> RunCommandAsync(string[] command, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo(command[0], command[1..]) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, WorkingDirectory = "/" };
        start.Environment["LC_ALL"] = "C";
        using var process = Process.Start(start) ?? throw CliException.Failed($"{command[0]} did not start");
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(Patience);
        try
        {
            var texts = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(patience.Token), process.StandardError.ReadToEndAsync(patience.Token));
            await process.WaitForExitAsync(patience.Token);
            return (process.ExitCode, string.Join('\n', texts.Select(text => text.Trim()).Where(text => text.Length > 0)));
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw CliException.Failed($"{string.Join(' ', command)} did not end within {Patience.TotalSeconds:0} s");
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }

    /// <summary>The numbers of the user postgres that the package makes, else of nobody.</summary>
    private static (string Uid, string Gid) Unprivileged()
    {
        var users = File.ReadLines("/etc/passwd").Select(line => line.Split(':')).Where(fields => fields.Length > 3).ToArray();
        var user = users.FirstOrDefault(fields => fields[0] == "postgres") ?? users.FirstOrDefault(fields => fields[0] == "nobody") ?? throw CliException.Failed("there is neither a user postgres nor nobody: PostgreSQL does not run as root");
        return (user[2], user[3]);
    }
}
