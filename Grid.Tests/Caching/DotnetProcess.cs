using System.Diagnostics;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Caching;

/// <summary>A .NET program in a process of its own: started, waited for until it says a line, killed.</summary>
internal sealed class DotnetProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly LogTail _errors = new();
    private Task _draining = Task.CompletedTask;

    private DotnetProcess(Process process) => _process = process;

    public int Pid => _process.Id;

    /// <summary>What it printed that was waited for.</summary>
    public string Line { get; private set; } = "";

    /// <summary>Starts a program; returns once it printed a line with the text.</summary>
    public static async Task<DotnetProcess> StartAsync(string program, IEnumerable<string> arguments, string until)
    {
        var start = new ProcessStartInfo("dotnet", ["exec", program, .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = Path.GetDirectoryName(program)!,
        };
        var started = new DotnetProcess(new Process { StartInfo = start });
        started._process.ErrorDataReceived += (_, e) => started._errors.Add(e.Data ?? "");
        started._process.Start();
        OwnedProcesses.Add(started._process.Id);
        started._process.BeginErrorReadLine();
        try
        {
            await started.WaitAsync(until).WaitAsync(TimeSpan.FromSeconds(60));
        }
        catch
        {
            await started.DisposeAsync();
            throw;
        }

        return started;
    }

    /// <summary>SIGKILL, and waits until the process is gone.</summary>
    public async Task Kill9Async()
    {
        Signals.Send(Pid, Signals.Kill);
        await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(20));
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) await Kill9Async();
        await _draining;
        await OwnedProcesses.EndAsync(_process);
    }

    private async Task WaitAsync(string until)
    {
        while (!Line.Contains(until, StringComparison.Ordinal))
        {
            var line = await _process.StandardOutput.ReadLineAsync();
            Assert.True(line is not null, $"the program ended without \"{until}\"\n{Line}\n{_errors.Tail()}");
            Line = line;
        }

        // What it prints from now on is read and forgotten: it must not wait for a reader.
        _draining = _process.StandardOutput.BaseStream.CopyToAsync(Stream.Null);
    }
}
