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
        var faults = (minutes is null ? ChaosFaults.InShortRun : Environment.GetEnvironmentVariable("GRID_CHAOS_FAULT")?.Split(','))?.Select(ChaosFaults.Named).ToArray() ?? [.. ChaosFaults.All];
        await using var bed = await ChaosBed.StartAsync(seed, hasClocks: faults.Any(fault => fault.SetsClocks), output);
        var run = new ChaosRun(bed, seed, output);
        await run.RunAsync(minutes is null ? faults : Schedule(faults, seed, TimeSpan.FromMinutes(double.Parse(minutes, CultureInfo.InvariantCulture))));
        output.WriteLine(run.Summary());
        Assert.True(run.Violations.Count == 0, $"seed {seed}, all of it in {Artifacts.FolderOf(seed)}\n{string.Join('\n', run.Violations)}");
        Assert.True(run.Reports.Sum(report => report.Operations) > run.Reports.Count * 200, $"hardly anything was called: the run shows nothing\n{run.Summary()}");
    }

    /// <summary>Every fault once, in random order, and again, until the time is over.</summary>
    private static IEnumerable<ChaosFault> Schedule(ChaosFault[] faults, int seed, TimeSpan time)
    {
        var clock = Stopwatch.StartNew();
        var random = new Random(seed);
        while (true)
        {
            random.Shuffle(faults);
            foreach (var fault in faults)
            {
                if (clock.Elapsed > time) yield break;
                yield return fault;
            }
        }
    }
}
