using System.Globalization;
using Grid.Tests.Harness;

namespace Grid.Tests.Chaos.Bed;

/// <summary>All faults, by name.</summary>
internal static class ChaosFaults
{
    public const string ClockJump = "clock-jump";
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
        new("pause-minute", run => PauseAsync(run, 1, 40, 60)),
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
        new("database-disk-full", DatabaseDiskFullAsync),
        new("memory-squeeze", MemorySqueezeAsync),
        new("rolling-restart", RollingRestartAsync, IsPlanned: true),
        new("drain", DrainAsync, IsPlanned: true),
        new(ClockJump, ClockJumpAsync, SetsClocks: true),
        new("scale", ScaleAsync, IsPlanned: true),
        new("combined", CombinedAsync, SetsClocks: true),
    ];

    /// <summary>What <c>combined</c> takes one of each from: links are mended together, so only one fault of them at a time.</summary>
    private static readonly string[][] Together =
    [
        ["partition-one-off", "partition-all", "partition-one-link", "partition-deaf", "partition-ring", "partition-with-callers", "cut-from-database", "loss", "delay", "slow-link"],
        ["kill-one", "kill-majority", "pause-short", "pause-long", "database-kill", "database-pause", "database-restart", "database-disk-full", ClockJump],
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

    /// <summary>Not even the write-ahead log may grow: the server gives up, and cannot recover before there is room again.</summary>
    private static async Task DatabaseDiskFullAsync(FaultRun run)
    {
        await run.TellAsync("PostgreSQL's disk is full");
        await run.Bed.Postgres.LimitFileSizeAsync(512 << 10);
        try
        {
            await run.LastAsync(3, 10);
        }
        finally
        {
            await run.Bed.Postgres.LimitFileSizeAsync(null);
            if (run.Bed.Postgres.HasExited) await run.Bed.Postgres.StartAsync();
        }
    }

    /// <summary>The node's container has next to no memory left: its process is slowed down until pages are found that can go, or killed by the kernel.</summary>
    private static async Task MemorySqueezeAsync(FaultRun run)
    {
        var node = run.Nodes()[0];
        var process = run.Bed.Cluster.Nodes[node];
        using var group = new MemoryGroup(process.Pid);
        var bytes = (long)run.Random.Next(1, 17) << 20;
        await run.TellAsync(string.Create(CultureInfo.InvariantCulture, $"node {node + 1} takes {process.RssBytes() >> 20} MiB and may take {bytes >> 20} MiB more"));
        group.Limit(bytes);
        await run.LastAsync(4, 10);
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

    /// <summary>The wall clocks of some nodes are set an hour forward or back, and after a while to the right time again.</summary>
    private static async Task ClockJumpAsync(FaultRun run)
    {
        var nodes = run.Nodes()[..run.Random.Next(1, ChaosBed.NodeCount + 1)];
        var offset = TimeSpan.FromHours(run.Random.Next(2) == 0 ? 1 : -1);
        try
        {
            foreach (var node in nodes)
            {
                await run.TellAsync(string.Create(CultureInfo.InvariantCulture, $"node {node + 1}'s wall clock is set by {offset.TotalHours:+0;-0} h"));
                run.Bed.Clocks.Set(node, offset);
            }

            await run.LastAsync(5, 15);
        }
        finally
        {
            foreach (var node in nodes) run.Bed.Clocks.Set(node, TimeSpan.Zero);
        }
    }

    /// <summary>A fourth node comes, takes its share, and goes.</summary>
    private static async Task ScaleAsync(FaultRun run)
    {
        await run.TellAsync("a fourth node comes");
        await using var extra = await run.Bed.StartExtraNodeAsync();
        await Eventually.TrueAsync(() => run.Bed.IsWholeAsync(ChaosBed.NodeCount + 1), "all see four members", TimeSpan.FromSeconds(60));
        await run.LastAsync(3, 8);
        await run.TellAsync("the fourth node goes");
        if (await extra.TerminateAsync() is not 0 and var exitCode) throw new InvalidOperationException($"the fourth node ended with {exitCode}");
        await Eventually.TrueAsync(() => run.Bed.IsWholeAsync(), "all see three members", TimeSpan.FromSeconds(60));
    }

    /// <summary>Two at the same time.</summary>
    private static Task CombinedAsync(FaultRun run) => Task.WhenAll([.. Together.Select(some => Named(some[run.Random.Next(some.Length)]).RunAsync(run.Another()))]);

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
