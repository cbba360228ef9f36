using System.Diagnostics;
using System.Text.Json;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Kubernetes;

/// <summary><see cref="PodLoad"/> in a process that knows the pods' names.</summary>
internal sealed class LoadProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly LogTail _errors = new();

    private LoadProcess(Process process) => _process = process;

    /// <summary>Starts it; returns once calls are answered.</summary>
    public static async Task<LoadProcess> StartAsync(PodNames names, string connectionString, TimeSpan deadline)
    {
        var start = new ProcessStartInfo("unshare", [.. PodProcess.Apart, "/bin/sh", "-c", "mount --bind \"$0\" /etc/hosts && exec \"$@\"", names.Path,
            "dotnet", "exec", Path.Combine(AppContext.BaseDirectory, "Grid.Tests.dll"), "load", connectionString])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var load = new LoadProcess(new Process { StartInfo = start });
        load._process.ErrorDataReceived += (_, e) => load._errors.Add(e.Data ?? "");
        load._process.Start();
        OwnedProcesses.Add(load._process.Id);
        load._process.BeginErrorReadLine();
        var line = await load._process.StandardOutput.ReadLineAsync().WaitAsync(deadline);
        Assert.True(line == PodLoad.Running, $"the load says {line}\n{load._errors.Tail()}");
        return load;
    }

    /// <summary>Ends the load and tells what came of it.</summary>
    public async Task<PodLoadResult> EndAsync(TimeSpan deadline)
    {
        _process.StandardInput.Close();
        var line = await _process.StandardOutput.ReadLineAsync().WaitAsync(deadline);
        Assert.True(line is not null, $"the load ended without a word\n{_errors.Tail()}");
        return JsonSerializer.Deserialize<PodLoadResult>(line)!;
    }

    public async ValueTask DisposeAsync() => await OwnedProcesses.EndAsync(_process);
}
