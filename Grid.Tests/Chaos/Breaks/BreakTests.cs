using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Grid.Tests.Chaos.Bed;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Chaos.Breaks;

/// <summary>
/// The test of the test: the chaos run finds mistakes that are made on purpose, each in a build of its own. Two in CI; the one that <c>./test --chaos --break NAME</c> names, or all of them.
/// </summary>
[Collection(SeveralNodes.Name)]
public sealed partial class BreakTests(ITestOutputHelper output)
{
    private const int FirstSeed = 1;
    private const double MinutesOfARun = 0.5;
    private static readonly string[] InCi = ["refused-overwrite-keeps-the-old-page", "shard-claim-off"];

    public static TheoryData<string> Names => [.. Environment.GetEnvironmentVariable("GRID_CHAOS_BREAK") switch
    {
        null => InCi,
        "all" => Break.All.Select(one => one.Name),
        var names => names.Split(','),
    }];

    [Theory, MemberData(nameof(Names))]
    public async Task A_mistake_made_on_purpose_is_found(string name)
    {
        var mistake = Break.Named(name);
        using var build = await BrokenBuild.MakeAsync(mistake);
        var patience = TimeSpan.FromMinutes(double.Parse(Environment.GetEnvironmentVariable("GRID_CHAOS_MINUTES") ?? "4", CultureInfo.InvariantCulture));
        var clock = Stopwatch.StartNew();
        if (mistake.Test is { } test)
        {
            var (exitCode, printed) = await build.RunAsync(test.Name);
            var failure = Failure().Match(printed);
            Assert.True(exitCode != 0 && failure.Success, $"{name} was not found by {test.Name}:\n{printed}");
            var says = failure.Groups["says"].Value.Trim();
            Assert.True(says.Contains(test.Says, StringComparison.Ordinal), $"{failure.Groups["test"].Value} failed for another reason than {name}:\n{printed}");
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: found after {clock.Elapsed.TotalSeconds:0} s by {failure.Groups["test"].Value}: {says}"));
            return;
        }

        for (var seed = FirstSeed; ; seed++)
        {
            var (exitCode, printed) = await build.RunAsync(seed, mistake.Faults, MinutesOfARun);
            var found = Violation().Match(printed);
            if (exitCode != 0 && found.Success)
            {
                Directory.Delete(Artifacts.FolderOf(seed), recursive: true);
                output.WriteLine(string.Create(
                    CultureInfo.InvariantCulture, $"{name}: found after {clock.Elapsed.TotalSeconds:0} s, in run {seed} of {mistake.Faults}, by {found.Value.Trim()}"));
                return;
            }

            Assert.True(exitCode == 0, $"seed {seed} ended with {exitCode} but without a violation:\n{printed}");
            Assert.True(clock.Elapsed < patience, string.Create(CultureInfo.InvariantCulture, $"{name} was not found in {seed} runs, {clock.Elapsed.TotalMinutes:0.0} minutes; the last:\n{printed}"));
        }
    }

    /// <summary>As <see cref="ChaosRun"/> names what is judged in a history.</summary>
    [GeneratedRegex(@"(history-\d+\.jsonl|owners): [^\n]*")]
    private static partial Regex Violation();

    [GeneratedRegex(@"^\s*Failed Grid\.Tests\.(?<test>\S+)[^\n]*\n\s*Error Message:\s*\n(?<says>[^\n]*)", RegexOptions.Multiline)]
    private static partial Regex Failure();
}
