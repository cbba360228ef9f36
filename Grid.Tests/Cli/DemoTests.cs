using System.Diagnostics;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cli;

/// <summary>The demonstration does what it says.</summary>
public sealed class DemoTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    [Fact]
    public async Task The_demo_holds_every_check_and_leaves_nothing_behind()
    {
        var folders = DemoFolders();
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])["exec", Path.Combine(AppContext.BaseDirectory, "Grid.Cli.dll"), "demo"]) start.ArgumentList.Add(argument);
        using var demo = Process.Start(start)!;
        OwnedProcesses.Add(demo.Id);
        using var patience = new CancellationTokenSource(Patience);
        var errors = demo.StandardError.ReadToEndAsync(patience.Token);
        var text = await demo.StandardOutput.ReadToEndAsync(patience.Token);
        await demo.WaitForExitAsync(patience.Token);
        OwnedProcesses.Remove(demo.Id);
        output.WriteLine(text);
        Assert.True(demo.ExitCode == 0, await errors);
        Assert.DoesNotContain("FAILED", text, StringComparison.Ordinal);
        Assert.Contains("vault: 3000 of 3000 pages are equal, 0 are missing, 0 are wrong", text, StringComparison.Ordinal);
        Assert.StartsWith("Every check held (", text.TrimEnd().Split('\n')[^1], StringComparison.Ordinal);
        Assert.Equal(folders, DemoFolders());
    }

    private static string[] DemoFolders() => [.. Directory.GetDirectories(Path.GetTempPath(), "grid-demo-*").Order(StringComparer.Ordinal)];
}
