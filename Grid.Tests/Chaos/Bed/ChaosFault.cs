using System.Globalization;
using Grid.Tests.Harness;

namespace Grid.Tests.Chaos.Bed;

/// <summary>A way to break the cluster and to mend it again.</summary>
/// <param name="Name">Its name in tables and on the command line.</param>
/// <param name="RunAsync">Breaks, waits, mends; returns once nothing is broken any more by it. What ended is started again by the supervisor.</param>
/// <param name="IsPlanned">Whether it is something that operators do: no call may end with an unknown outcome.</param>
/// <param name="SetsClocks">Whether it may set nodes' wall clocks.</param>
internal sealed record ChaosFault(string Name, Func<FaultRun, Task> RunAsync, bool IsPlanned = false, bool SetsClocks = false);

/// <summary>One occurrence of a fault: what it may break, its own random choices, and the history that it tells what it does.</summary>
internal sealed class FaultRun(ChaosBed bed, HistoryWriter history, int seed)
{
    public ChaosBed Bed { get; } = bed;

    public Random Random { get; } = new(seed);

    /// <summary>Nodes in random order.</summary>
    public int[] Nodes()
    {
        var nodes = Enumerable.Range(0, ChaosBed.NodeCount).ToArray();
        Random.Shuffle(nodes);
        return nodes;
    }

    /// <summary>Another occurrence at the same time, with random choices of its own.</summary>
    public FaultRun Another() => new(Bed, history, Random.Next());

    public ValueTask TellAsync(string what) => history.AddFaultAsync(what);

    /// <summary>A random time between two numbers of seconds; tells how long.</summary>
    public async Task LastAsync(double fromSeconds, double toSeconds)
    {
        var time = TimeSpan.FromSeconds(fromSeconds + (Random.NextDouble() * (toSeconds - fromSeconds)));
        await TellAsync(string.Create(CultureInfo.InvariantCulture, $"for {time.TotalSeconds:0.0} s"));
        await Task.Delay(time);
    }

    public async Task SignalAsync(IEnumerable<int> nodes, int signal, string what)
    {
        foreach (var node in nodes)
        {
            await TellAsync(string.Create(CultureInfo.InvariantCulture, $"node {node + 1} {what}"));
            await Bed.Supervisor.SignalAsync(node, signal);
        }
    }
}
