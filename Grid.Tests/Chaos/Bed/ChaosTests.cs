using System.Diagnostics;
using System.Globalization;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Chaos.Bed;

/// <summary>
/// A cluster that is broken in every way a machine room knows, and everything that callers were answered meanwhile. In CI some faults by a fixed seed; for as long as one likes with
/// <c>./test --chaos</c> (GRID_CHAOS_MINUTES, GRID_CHAOS_FAULT, GRID_SEED).
/// </summary>
[Collection(SeveralNodes.Name)]
public sealed class ChaosTests(ITestOutputHelper output)
{
    private const int SeedOfShortRun = 5;

    [Fact]
    public async Task The_promises_hold_while_the_cluster_is_broken_and_mended()
    {
        var minutes = Environment.GetEnvironmentVariable("GRID_CHAOS_MINUTES");
        var seed = minutes is null ? SeedOfShortRun : Seeds.Next(output);
        await using var bed = await ChaosBed.StartAsync(seed, output);
        var run = new ChaosRun(bed, seed, output);
        await run.RunAsync(minutes is null
            ? ChaosFaults.InShortRun.Select(ChaosFaults.Named)
            : Schedule(seed, TimeSpan.FromMinutes(double.Parse(minutes, CultureInfo.InvariantCulture)), Environment.GetEnvironmentVariable("GRID_CHAOS_FAULT")));
        output.WriteLine(run.Summary());
        Assert.True(run.Violations.Count == 0, $"seed {seed}, all of it in {Artifacts.FolderOf(seed)}\n{string.Join('\n', run.Violations)}");
        Assert.True(run.Reports.Sum(report => report.Operations) > run.Reports.Count * 200, $"hardly anything was called: the run shows nothing\n{run.Summary()}");
    }

    /// <summary>Every fault once, in random order, and again, until the time is over; or one fault only.</summary>
    private static IEnumerable<ChaosFault> Schedule(int seed, TimeSpan time, string? only)
    {
        var clock = Stopwatch.StartNew();
        var random = new Random(seed);
        while (true)
        {
            var faults = only is null ? [.. ChaosFaults.All] : only.Split(',').Select(ChaosFaults.Named).ToArray();
            random.Shuffle(faults);
            foreach (var fault in faults)
            {
                if (clock.Elapsed > time) yield break;
                yield return fault;
            }
        }
    }
}
