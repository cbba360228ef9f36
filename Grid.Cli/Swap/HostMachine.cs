using System.Diagnostics;

namespace Grid.Cli.Swap;

/// <summary>The machine as this command sees it: its programs, and the files with which its kernel tells of itself.</summary>
/// <param name="root">What stands before <c>/dev</c>, <c>/proc</c>, <c>/sys</c> and <c>/run</c>: "/" on a real machine.</param>
/// <param name="searchPath">Folders of programs.</param>
internal sealed class HostMachine(string root, IReadOnlyList<string> searchPath)
{
    /// <summary>How long a program may take that only sets something up.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    // Where these programs lie; sudo and cron leave them out of the path on some systems.
    private static readonly string[] SystemFolders = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

    /// <summary>The machine that this runs on.</summary>
    public static HostMachine This { get; } = new("/", [.. (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries), .. SystemFolders]);

    /// <summary>Whether this may change the kernel's devices and swap.</summary>
    public bool IsRoot { get; init; } = Environment.IsPrivilegedProcess;

    /// <summary>The machine's name.</summary>
    public string Name { get; init; } = Environment.MachineName;

    /// <summary>Where a file of the machine is.</summary>
    /// <param name="absolute">Its name, from "/".</param>
    public string At(string absolute) => Path.Combine(root, absolute.TrimStart('/'));

    /// <summary>What a file of the kernel's says, without white space around it; null where there is none.</summary>
    public string? Read(string absolute)
    {
        try
        {
            return File.ReadAllText(At(absolute)).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Where a program is; null: nowhere.</summary>
    public string? Find(string program) => searchPath.Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);

    /// <summary>Runs a program to its end.</summary>
    /// <param name="program">Its name.</param>
    /// <param name="arguments">What it is told.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <param name="patience">How long it may take; null: <see cref="Patience"/>.</param>
    /// <exception cref="CliException">It is not there, or has not ended in time.</exception>
    public async Task<ProgramRun> RunAsync(string program, IReadOnlyList<string> arguments, CancellationToken cancellation, TimeSpan? patience = null)
    {
        var path = Find(program) ?? throw CliException.Failed($"{program} is not installed");
        var line = string.Join(' ', arguments.Prepend(program));
        var start = new ProcessStartInfo(path, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, WorkingDirectory = "/" };
        start.Environment["LC_ALL"] = "C";
        using var process = Process.Start(start) ?? throw CliException.Failed($"{program} did not start");
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(patience ?? Patience);
        try
        {
            // An nbd-client that stays in the background lets go of both outputs.
            var texts = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(limit.Token), process.StandardError.ReadToEndAsync(limit.Token));
            await process.WaitForExitAsync(limit.Token);
            return new ProgramRun(line, process.ExitCode, string.Join('\n', texts.Select(text => text.Trim()).Where(text => text.Length > 0)));
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw CliException.Failed($"{line} has not ended within {(patience ?? Patience).TotalSeconds:0} s");
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }
    }
}

/// <summary>A program that has ended.</summary>
/// <param name="Line">How it was called.</param>
/// <param name="Code">Its exit code.</param>
/// <param name="Text">What it printed, to either output.</param>
internal sealed record ProgramRun(string Line, int Code, string Text)
{
    /// <summary>Gives itself back where it succeeded.</summary>
    /// <exception cref="CliException">It did not.</exception>
    public ProgramRun Succeeds() => Code == 0 ? this : throw Failure();

    /// <summary>What is said where it did not succeed.</summary>
    public CliException Failure() => CliException.Failed($"{Line} failed with {Code}{(Text.Length > 0 ? $": {Text}" : "")}");
}
