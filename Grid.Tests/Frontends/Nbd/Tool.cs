using System.Diagnostics;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>A run of a program that is not ours: a client as people use it.</summary>
/// <param name="Code">Its exit code.</param>
/// <param name="Text">What it printed, to either output.</param>
public sealed record Tool(int Code, string Text)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    /// <summary>Runs it to its end.</summary>
    public static async Task<Tool> RunAsync(ITestOutputHelper output, string program, params string[] arguments)
    {
        var clock = Stopwatch.StartNew();
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })
            ?? throw new InvalidOperationException($"{program} did not start");
        OwnedProcesses.Add(process.Id);
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            var texts = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(patience.Token), process.StandardError.ReadToEndAsync(patience.Token));
            await process.WaitForExitAsync(patience.Token);
            var text = string.Concat(texts);
            output.WriteLine($"{program} {string.Join(' ', arguments)}\n  ended with {process.ExitCode} after {clock.Elapsed.TotalSeconds:0.0} s: {(text.Length > 2000 ? text[..2000] : text).Trim()}");
            return new Tool(process.ExitCode, text);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} has not ended after {Patience}");
        }
        finally
        {
            OwnedProcesses.Remove(process.Id);
        }
    }

    /// <summary>Runs nbdsh, with the Python that Debian's libnbd is for: another one may come first in the path.</summary>
    public static Task<Tool> NbdshAsync(ITestOutputHelper output, params string[] arguments) => RunAsync(output, "/usr/bin/python3", ["-m", "nbd", .. arguments]);

    /// <summary>Asserts that it succeeded, and gives itself back.</summary>
    public Tool Succeeds()
    {
        Assert.True(Code == 0, $"ended with {Code}: {Text}");
        return this;
    }
}
