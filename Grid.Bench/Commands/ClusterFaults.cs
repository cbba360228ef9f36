using System.Diagnostics;
using System.Globalization;
using Grid.Bench.Harness;
using Grid.Bench.Servers;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Bench.Commands;

/// <summary>Three nodes under the load of four client processes: restarted one after another, then killed one after another.</summary>
internal sealed class ClusterFaults(ClusterOptions options, List<Figure> figures)
{
    private const int Nodes = 3;
    private const int Clients = 4;
    private const int Kept = 200;
    private const double MaxFailOverSeconds = 12;
    private const double MaxStallSeconds = 2;
    private const double MinHitPercent = 90;
    private static readonly TimeSpan WarmUp = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(3);
    private readonly StampedPages _pages = new();

    /// <summary>Runs both.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        if (options.Restarts > 0) await OnClusterAsync(RestartAsync, cancellation);
        if (options.Kills > 0) await OnClusterAsync(KillAsync, cancellation);
    }

    private delegate Task<LoadResult> Faults(ClusterServers cluster, GridClient client, IReadOnlyList<ChildProcess> load, CancellationToken cancellation);

    private async Task OnClusterAsync(Faults faults, CancellationToken cancellation)
    {
        await using var postgres = await PostgresServer.StartAsync(TemporaryDirectory.Default, cancellation);
        await using var cluster = await ClusterServers.StartAsync(options.NodePath, Nodes, postgres.ConnectionString, cancellation);
        await using var client = await GridClient.ConnectAsync(cluster.ConnectionString, cancellation);
        var load = await LoadProcess.StartAsync(client, cluster.ConnectionString, Clients, cancellation);
        await Task.Delay(WarmUp, cancellation);
        await LoadProcess.SeenAsync(load, cancellation);
        var seen = await faults(cluster, client, load, cancellation);
        if (seen.FirstFailure is { } failure) await Console.Error.WriteLineAsync($"failed: {failure}");
    }

    private async Task<LoadResult> RestartAsync(ClusterServers cluster, GridClient _, IReadOnlyList<ChildProcess> load, CancellationToken cancellation)
    {
        await Task.Delay(WarmUp, cancellation);
        var calm = await LoadProcess.SeenAsync(load, cancellation);
        var all = new List<LoadResult>();
        for (var turn = 0; turn < options.Restarts; turn++)
        {
            // As Kubernetes does: the last one first.
            var node = cluster.Nodes[Nodes - 1 - (turn % Nodes)];
            var begun = Stopwatch.GetTimestamp();
            await node.TerminateAsync();
            var stopped = Stopwatch.GetElapsedTime(begun).TotalSeconds;
            await BackAsync(cluster, node, cancellation);
            await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"restart {turn + 1}: left after {stopped:0.0} s, back after {Stopwatch.GetElapsedTime(begun).TotalSeconds:0.0} s ({DateTime.UtcNow:HH:mm:ss.fff})"));
            var lately = await LoadProcess.SeenAsync(load, cancellation);
            await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"restart {turn + 1}: longest call {lately.LongestMs / 1000:0.00} s, {lately.LongestWas}"));
            all.Add(lately);
            await Task.Delay(Pause, cancellation);
        }

        all.Add(await LoadProcess.EndAsync(load));
        var seen = LoadResult.Sum(all);
        Add("rolling restart: operations", "", seen.Operations);
        Add("rolling restart: failed", "", seen.Failed, atMost: 0);
        Add("rolling restart: outcome unknown", "", seen.Unknown, atMost: 0);
        Add("longest call in 15 s before it", "s", calm.LongestMs / 1000);
        Add("rolling restart: longest call", "s", seen.LongestMs / 1000, atMost: MaxStallSeconds);
        Add("rolling restart: ephemeral pages still there", "%", 100.0 * seen.Hits / Math.Max(1, seen.Hits + seen.Misses), atLeast: MinHitPercent);
        return seen;
    }

    private async Task<LoadResult> KillAsync(ClusterServers cluster, GridClient client, IReadOnlyList<ChildProcess> load, CancellationToken cancellation)
    {
        var kept = await client.CreatePoolAsync("kept", new PoolOptions { Kind = PoolKind.Persistent, Sharing = PoolSharing.Shared }, cancellation);
        var page = new byte[Payload.PageBytes];
        for (var id = 0u; id < Kept; id++)
        {
            _pages.Fill(page, id, 1);
            if (!(await kept.PutAsync(ObjectId.FromUInt64(id), 0, page, null, cancellation)).Stored) throw new BenchException("a put was refused");
        }

        var times = new List<double>();
        for (var kill = 0; kill < options.Kills; kill++)
        {
            var victim = cluster.Nodes[kill % Nodes];
            var begun = Stopwatch.GetTimestamp();
            await victim.KillAsync();
            var removed = RemovedAsync(cluster, ((kill + 1) % Nodes) + 1, begun, cancellation);
            await Task.WhenAll(Enumerable.Range(0, Kept).Select(id => ReadAsync(kept, (uint)id, cancellation)));
            times.Add(Stopwatch.GetElapsedTime(begun).TotalSeconds);
            var gone = await removed;
            await Console.Error.WriteLineAsync(string.Create(
                CultureInfo.InvariantCulture, $"kill {kill + 1}: node {(kill % Nodes) + 1} removed after {gone:0.0} s, every object answered after {times[^1]:0.0} s"));
            await BackAsync(cluster, victim, cancellation);
            await Task.Delay(Pause, cancellation);
        }

        var seen = await LoadProcess.EndAsync(load);
        times.Sort();
        Add("killed node's objects answer again, p50", "s", times[times.Count / 2], atMost: MaxFailOverSeconds);
        Add("the same, slowest", "s", times[^1]);
        Add("kills: operations", "", seen.Operations);
        Add("kills: failed, or a kept page lost", "", seen.Failed, atMost: 0);
        Add("kills: outcome unknown", "", seen.Unknown);
        return seen;
    }

    private async Task ReadAsync(Pool kept, uint id, CancellationToken cancellation)
    {
        var found = new byte[Payload.PageBytes];
        var result = await kept.GetAsync(ObjectId.FromUInt64(id), 0, found, GetMode.Keep, null, cancellation);
        if (!result.Hit || !_pages.Is(found, id, 1)) throw new BenchException($"page {id} is missing or wrong after a kill");
    }

    private static async Task BackAsync(ClusterServers cluster, NodeServer node, CancellationToken cancellation)
    {
        await node.RestartAsync(cancellation);
        await cluster.AllSeeEachOtherAsync(cancellation);
    }

    private static async Task<double> RemovedAsync(ClusterServers cluster, int by, long begun, CancellationToken cancellation)
    {
        await cluster.SeesAsync(by, Nodes - 1, cancellation);
        return Stopwatch.GetElapsedTime(begun).TotalSeconds;
    }

    private void Add(string what, string unit, double value, double? atMost = null, double? atLeast = null) => figures.Add(Figure.Told(what, unit, value, atMost, atLeast));
}
