using System.Globalization;
using Grid.Tests.Harness;

namespace Grid.Tests.Chaos.Bed;

/// <summary>A way to break the cluster and to mend it again.</summary>
/// <param name="Name">Its name in tables and on the command line.</param>
/// <param name="RunAsync">Breaks, waits, mends; returns once nothing is broken any more by it. What ended is started again by the supervisor.</param>
/// <param name="IsShort">Whether it is done in seconds.</param>
internal sealed record ChaosFault(string Name, Func<FaultRun, Task> RunAsync, bool IsShort = true);

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

/// <summary>All faults, by name.</summary>
internal static class ChaosFaults
{
    private static readonly LinkRule Lossy = new() { Loss = 0.05 };
    private static readonly LinkRule Late = new() { Delay = TimeSpan.FromMilliseconds(200), Jitter = TimeSpan.FromMilliseconds(100) };
    private static readonly LinkRule Slow = new() { BytesPerSecond = 125_000 };

    public static IReadOnlyList<ChaosFault> All { get; } =
    [
        new("kill-one", run => KillAsync(run, 1)),
        new("kill-majority", run => KillAsync(run, 2)),
        new("kill-all", run => KillAsync(run, ChaosBed.NodeCount)),
        new("pause-short", run => PauseAsync(run, 1, 1, 4)),
        new("pause-long", run => PauseAsync(run, 1, 8, 20)),
        new("pause-majority", run => PauseAsync(run, 2, 2, 12)),
        new("pause-minute", run => PauseAsync(run, 1, 40, 60), IsShort: false),
        new("partition-one-off", run => PartitionAsync(run, "is cut off from the others", (nodes, set) => Both(set, nodes[0], nodes[1], nodes[2]))),
        new("partition-all", run => PartitionAsync(run, "and all others are cut off from each other", (nodes, set) =>
        {
            Both(set, nodes[0], nodes[1], nodes[2]);
            Both(set, nodes[1], nodes[2]);
        })),
        new("partition-one-link", run => PartitionAsync(run, "is cut off from one other", (nodes, set) => Both(set, nodes[0], nodes[1]))),
        new("partition-deaf", run => PartitionAsync(run, "hears nobody", (nodes, set) => OneWay(set, nodes[0], nodes[1], nodes[2]))),
        new("partition-ring", run => PartitionAsync(run, "and all others hear one other each", (nodes, set) =>
        {
            for (var i = 0; i < nodes.Length; i++) set(ChaosBed.HostOf(nodes[i]), ChaosBed.HostOf(nodes[(i + 1) % nodes.Length]));
        })),
        new("partition-with-callers", run => PartitionAsync(run, "is cut off from everybody but the database", (nodes, set) =>
        {
            Both(set, nodes[0], nodes[1], nodes[2]);
            BothHosts(set, ChaosBed.HostOf(nodes[0]), ChaosBed.Callers);
        })),
        new("cut-from-database", run => PartitionAsync(run, "is cut off from the database", (nodes, set) => BothHosts(set, ChaosBed.HostOf(nodes[0]), ChaosBed.Database))),
        new("loss", run => LinksAsync(run, "every link loses 5 % of the packets", Lossy)),
        new("delay", run => LinksAsync(run, "every link between nodes takes 200 ± 100 ms", Late, nodesOnly: true)),
        new("slow-link", run => LinksAsync(run, "every link between nodes passes 1 Mbit/s", Slow, nodesOnly: true)),
        new("database-kill", DatabaseKillAsync),
        new("database-pause", DatabasePauseAsync),
        new("database-restart", DatabaseRestartAsync),
        new("rolling-restart", RollingRestartAsync),
        new("drain", DrainAsync),
    ];

    /// <summary>What is run where nobody has a choice: of each family one.</summary>
    public static IReadOnlyList<string> InShortRun { get; } = ["kill-one", "partition-with-callers", "database-restart", "pause-long", "kill-all"];

    public static ChaosFault Named(string name) =>
        All.FirstOrDefault(fault => fault.Name == name) ?? throw new ArgumentException($"there is no fault {name}; there are {string.Join(", ", All.Select(fault => fault.Name))}");

    private static Task KillAsync(FaultRun run, int nodes) => run.SignalAsync(run.Nodes()[..nodes], Signals.Kill, "killed");

    private static async Task PauseAsync(FaultRun run, int count, double fromSeconds, double toSeconds)
    {
        var pids = new List<int>();
        foreach (var node in run.Nodes()[..count])
        {
            await run.TellAsync(string.Create(CultureInfo.InvariantCulture, $"node {node + 1} paused"));
            pids.Add(await run.Bed.Supervisor.SignalAsync(node, Signals.Stop));
        }

        try
        {
            await run.LastAsync(fromSeconds, toSeconds);
        }
        finally
        {
            // A process that was removed meanwhile goes on too: it must find out by itself.
            foreach (var pid in pids) Signals.Send(pid, Signals.Continue);
        }
    }

    private static async Task PartitionAsync(FaultRun run, string what, Action<int[], Action<byte, byte>> cut)
    {
        var nodes = run.Nodes();
        await run.TellAsync(string.Create(CultureInfo.InvariantCulture, $"node {nodes[0] + 1} {what}"));
        try
        {
            cut(nodes, (from, to) => run.Bed.Network.Set(from, to, LinkRule.Cut));
            await run.LastAsync(6, 20);
        }
        finally
        {
            run.Bed.Network.Heal();
        }
    }

    private static async Task LinksAsync(FaultRun run, string what, LinkRule rule, bool nodesOnly = false)
    {
        await run.TellAsync(what);
        byte[] hosts = [.. Enumerable.Range(0, ChaosBed.NodeCount).Select(ChaosBed.HostOf), .. nodesOnly ? (byte[])[] : [ChaosBed.Callers, ChaosBed.Database]];
        try
        {
            foreach (var from in hosts)
                foreach (var to in hosts.Where(to => to != from)) run.Bed.Network.Set(from, to, rule);
            await run.LastAsync(8, 15);
        }
        finally
        {
            run.Bed.Network.Heal();
        }
    }

    private static async Task DatabaseKillAsync(FaultRun run)
    {
        await run.TellAsync("PostgreSQL killed");
        await run.Bed.Postgres.Kill9Async();
        await run.LastAsync(1, 5);
        await run.Bed.Postgres.StartAsync();
    }

    private static async Task DatabasePauseAsync(FaultRun run)
    {
        await run.TellAsync("PostgreSQL paused");
        run.Bed.Postgres.Pause();
        try
        {
            await run.LastAsync(2, 12);
        }
        finally
        {
            run.Bed.Postgres.Continue();
        }
    }

    private static async Task DatabaseRestartAsync(FaultRun run)
    {
        await run.TellAsync("PostgreSQL restarts");
        await run.Bed.Postgres.StopAsync();
        await run.Bed.Postgres.StartAsync();
    }

    private static async Task RollingRestartAsync(FaultRun run)
    {
        foreach (var node in run.Nodes()) await StopAndWaitAsync(run, node, "stops (SIGTERM)", () => run.Bed.Supervisor.SignalAsync(node, Signals.Terminate));
    }

    private static Task DrainAsync(FaultRun run)
    {
        var node = run.Nodes()[0];
        return StopAndWaitAsync(run, node, "drains", () => run.Bed.Cluster.Nodes[node].HttpPostAsync("/api/v1/drain"));
    }

    private static async Task StopAndWaitAsync(FaultRun run, int node, string what, Func<Task> stop)
    {
        await run.TellAsync(string.Create(CultureInfo.InvariantCulture, $"node {node + 1} {what}"));
        var starts = run.Bed.Supervisor.Restarts;
        await stop();
        await Eventually.TrueAsync(async () => run.Bed.Supervisor.Restarts > starts && await run.Bed.IsWholeAsync(), $"node {node + 1} has stopped and is back", TimeSpan.FromSeconds(90));
    }

    private static void Both(Action<byte, byte> set, int node, params ReadOnlySpan<int> others)
    {
        foreach (var other in others) BothHosts(set, ChaosBed.HostOf(node), ChaosBed.HostOf(other));
    }

    private static void BothHosts(Action<byte, byte> set, byte one, byte other)
    {
        set(one, other);
        set(other, one);
    }

    private static void OneWay(Action<byte, byte> set, int to, params ReadOnlySpan<int> from)
    {
        foreach (var node in from) set(ChaosBed.HostOf(node), ChaosBed.HostOf(to));
    }
}
