using System.Diagnostics;
using System.Globalization;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Simulation;

/// <summary>
/// The page store together with journals, their cleaning and their checkpoints, simulated by a seed: a recovery at every boundary of two events gives exactly what was written, and every get the page that was put.
/// Longer with <c>./test --simulate MILLIONS</c> (GRID_SIMULATED_STEPS, GRID_SEED).
/// </summary>
public sealed class StoreSimulationTests(ITestOutputHelper output)
{
    private const long StepsInCi = 400_000;
    private const long StepsOfAWorld = 50_000;

    [Fact]
    public void A_node_that_dies_at_any_boundary_of_two_events_has_every_page_again_and_never_serves_another()
    {
        var seed = Seeds.Next(output);
        var steps = long.Parse(Environment.GetEnvironmentVariable("GRID_SIMULATED_STEPS") ?? StepsInCi.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        var tally = new Tally();
        var clock = Stopwatch.StartNew();
        for (var world = seed; tally.Steps < steps; world++) tally.Add(Run(world));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"simulation, seed {seed}: {tally}, {tally.Steps * 60e-6 / clock.Elapsed.TotalSeconds:0.0} million steps a minute"));
        tally.AssertTriesEverything();
    }

    private static StoreSimulation Run(int seed)
    {
        // What is awaited goes on at once, on this thread: the same seed gives the same run.
        var context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        using var simulation = new StoreSimulation(seed);
        try
        {
            while (simulation.Steps < StepsOfAWorld) simulation.Step();
            simulation.End();
            return simulation;
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"world {seed}, step {simulation.Steps} (replay with GRID_SEED={seed}): {e.Message}", e);
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }

    /// <summary>What worlds did together.</summary>
    private sealed class Tally
    {
        private long _events, _upkeep, _deleted, _crashes, _evictions, _fromMemory, _fromJournal, _refused, _noiseGone;

        public long Steps { get; private set; }

        public void Add(StoreSimulation world)
        {
            Steps += world.Steps;
            _crashes += world.Crashes;
            _evictions += world.Evictions;
            _noiseGone += world.Noise.Gone;
            foreach (var one in world.Persistent)
            {
                _events += one.Events;
                _upkeep += one.UpkeepEvents;
                _deleted += one.Deleted;
                _fromMemory += one.Gets.Memory;
                _fromJournal += one.Gets.Journal;
                _refused += one.Refused;
            }
        }

        /// <summary>A world in which nothing is evicted, cleaned or lost shows nothing.</summary>
        public void AssertTriesEverything() =>
            Assert.True(_crashes > Steps / 10_000 && new[] { _upkeep, _deleted, _evictions, _fromMemory, _fromJournal, _noiseGone }.All(count => count > Steps / 200), $"too little happens: {this}");

        public override string ToString() => string.Create(
            CultureInfo.InvariantCulture,
            $"{Steps} steps, {_events} events ({_upkeep} of upkeep), {_deleted} deleted, {_crashes} deaths, {_evictions} evictions, gets {_fromMemory} from memory and {_fromJournal} from the journal, {_refused} refused puts, {_noiseGone} ephemeral pages gone");
    }
}
