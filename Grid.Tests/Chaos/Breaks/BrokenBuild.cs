using System.Diagnostics;
using Grid.Tests.Harness;
using Grid.Tests.Hosting;

namespace Grid.Tests.Chaos.Breaks;

/// <summary>The tests beside a product with a mistake in it: a copy of their folder in which one assembly was built from edited sources.</summary>
internal sealed class BrokenBuild : IDisposable
{
    private static readonly string[] Needed = ["Grid.Protocol", "Grid.Client", "Grid.Node", "hocon", "Directory.Build.props", "Directory.Packages.props", "global.json", ".editorconfig"];
    private readonly TestFolder _sources = new();

    private BrokenBuild(string folder) => Folder = folder;

    /// <summary>Where the tests are; below the repository, for some look for it.</summary>
    public string Folder { get; }

    /// <summary>Builds it.</summary>
    public static async Task<BrokenBuild> MakeAsync(Break mistake)
    {
        var folder = Path.Combine(Repository.Root, "artifacts", "breaks", $"{mistake.Name}-{Environment.ProcessId}");
        OwnedProcesses.AddFolder(folder);
        var build = new BrokenBuild(folder);
        try
        {
            await build.BuildAsync(mistake);
            return build;
        }
        catch
        {
            build.Dispose();
            throw;
        }
    }

    /// <summary>Runs a class of tests of the copy; its exit code and what it printed.</summary>
    public Task<(int ExitCode, string Output)> RunAsync(string tests) => RunAsync(Tests(tests));

    /// <summary>Runs the chaos test of the copy; its exit code and what it printed.</summary>
    public Task<(int ExitCode, string Output)> RunAsync(int seed, string faults, double minutes)
    {
        var start = Tests(nameof(Bed.ChaosTests));
        start.Environment["GRID_SEED"] = seed.ToString(System.Globalization.CultureInfo.InvariantCulture);
        start.Environment["GRID_CHAOS_FAULT"] = faults;
        start.Environment["GRID_CHAOS_MINUTES"] = minutes.ToString(System.Globalization.CultureInfo.InvariantCulture);
        return RunAsync(start);
    }

    public void Dispose()
    {
        OwnedProcesses.RemoveFolder(Folder);
        _sources.Dispose();
    }

    private async Task BuildAsync(Break mistake)
    {
        foreach (var name in Needed)
        {
            var from = Path.Combine(Repository.Root, name);
            if (Directory.Exists(from)) Copy(from, _sources.Combine(name), isSource: true);
            else File.Copy(from, _sources.Combine(name));
        }

        foreach (var (file, old, replacement) in mistake.Edits)
        {
            var path = Path.Combine(_sources.Path, mistake.Project, file);
            var text = await File.ReadAllTextAsync(path);
            if (text.Split(old).Length != 2) throw new InvalidOperationException($"{mistake.Name}: what is to be edited is not in {mistake.Project}/{file} exactly once:\n{old}");
            await File.WriteAllTextAsync(path, text.Replace(old, replacement, StringComparison.Ordinal));
        }

        var (exitCode, output) = await RunAsync(new ProcessStartInfo("dotnet",
        [
            "build", _sources.Combine(mistake.Project), "-c", "Release", "--nologo", "-v", "q", "-p:RunAnalyzers=false", "-p:TreatWarningsAsErrors=false", "-nodeReuse:false",
            "-p:UseSharedCompilation=false",
        ]));
        if (exitCode != 0) throw new InvalidOperationException($"{mistake.Name} does not build:\n{output}");
        Copy(AppContext.BaseDirectory, Folder, isSource: false);
        var assembly = mistake.Project + ".dll";
        File.Copy(Path.Combine(_sources.Path, mistake.Project, "bin", "Release", "net10.0", assembly), Path.Combine(Folder, assembly), overwrite: true);
    }

    private ProcessStartInfo Tests(string name) => new("dotnet",
    [
        "test", Path.Combine(Folder, "Grid.Tests.dll"), "--nologo", "--filter", $"FullyQualifiedName~{name}.", "--logger", "console;verbosity=detailed",
    ]);

    private static void Copy(string from, string to, bool isSource)
    {
        Directory.CreateDirectory(to);
        foreach (var file in Directory.EnumerateFiles(from)) File.Copy(file, Path.Combine(to, Path.GetFileName(file)));
        foreach (var folder in Directory.EnumerateDirectories(from))
            if (!isSource || Path.GetFileName(folder) is not ("bin" or "obj")) Copy(folder, Path.Combine(to, Path.GetFileName(folder)), isSource);
    }

    private static async Task<(int ExitCode, string Output)> RunAsync(ProcessStartInfo start)
    {
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{start.FileName} does not start");
        OwnedProcesses.Add(process.Id);
        try
        {
            var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
            await process.WaitForExitAsync();
            return (process.ExitCode, await output + await error);
        }
        finally
        {
            OwnedProcesses.Remove(process.Id);
        }
    }
}
