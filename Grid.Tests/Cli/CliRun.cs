using System.Text.Json;
using Grid.Cli;
using Grid.Cli.Swap;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Cli;

/// <summary>One run of the grid command inside the test's process.</summary>
/// <param name="Code">The exit code.</param>
/// <param name="Output">What it printed.</param>
/// <param name="Error">What it printed to the error output.</param>
internal sealed record CliRun(int Code, string Output, string Error)
{
    /// <summary>Runs a command line.</summary>
    public static Task<CliRun> RunAsync(params string[] args) => RunAsync(HostMachine.This, args);

    /// <summary>Runs a command line as if on another machine.</summary>
    public static async Task<CliRun> RunAsync(HostMachine machine, params string[] args)
    {
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await GridCommand.RunAsync(args, output, error, machine);
        return new CliRun(code, output.ToString(), error.ToString());
    }

    /// <summary>Runs a command line against a node.</summary>
    public static Task<CliRun> OnAsync(NodeProcess node, params string[] args) =>
        RunAsync([.. args, "--connect", node.ConnectionString(), "--admin", $"http://127.0.0.1:{node.Ports.Admin}"]);

    /// <summary>The output as JSON.</summary>
    public JsonElement Json() => JsonDocument.Parse(Output).RootElement;

    /// <summary>Asserts the exit code and gives itself back.</summary>
    public CliRun Exits(int code)
    {
        Assert.True(code == Code, $"exit code {Code} instead of {code}: {Error}{Output}");
        if (code != ExitCodes.Ok) Assert.StartsWith("grid: ", Error.TrimEnd().Split('\n')[^1]);
        return this;
    }
}
