using System.Diagnostics;
using System.Globalization;
using Grid.Bench.Harness;
using Grid.Bench.Servers;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Bench.Commands;

/// <summary>
/// <c>bench cluster</c>. Scaling on one machine cannot show in operations per second, which its processors bound; it shows in processor time per operation, summed over all processes: with the same number
/// of calls in flight per connection, what does it cost that the objects are on several nodes? What happens to clients when nodes go is <see cref="ClusterFaults"/>'s.
/// </summary>
internal sealed class ClusterRun(ClusterOptions options)
{
    private const int InFlightPerNode = 16;
    private const int Objects = 2000;
    private const double MaxCostRatio = 1.25;
    private const double MaxSpread = 0.2;
    private const double MaxMoved = 0.01;
    private const double SettledGain = 1.03;
    private const int IdleWindows = 10;
    private static readonly TimeSpan WarmUpStep = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan LongestWarmUp = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan Breath = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan IdleWindow = TimeSpan.FromSeconds(4);
    private readonly List<Figure> _figures = [];

    /// <summary>Runs it and prints what came out.</summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<int> RunAsync(ClusterOptions options, CancellationToken cancellation)
    {
        var run = new ClusterRun(options);
        await run.ScaleAsync(cancellation);
        await new ClusterFaults(options, run._figures).RunAsync(cancellation);
        return await Figure.ReportAsync(run._figures, options.JsonPath, cancellation);
    }

    private async Task ScaleAsync(CancellationToken cancellation)
    {
        double? alone = null;
        foreach (var nodes in options.Sizes)
        {
            await using var postgres = await PostgresServer.StartAsync(TemporaryDirectory.Default, cancellation);
            await using var cluster = await ClusterServers.StartAsync(options.NodePath, nodes, postgres.ConnectionString, cancellation);
            await using var client = await GridClient.ConnectAsync(cluster.ConnectionString, cancellation);
            var pool = await client.CreatePoolAsync("scale", new PoolOptions { Sharing = PoolSharing.Shared }, cancellation);
            await WarmUpAsync(cluster, pool, nodes * InFlightPerNode);

            var idlePerSecond = await IdleAsync(cluster, cancellation);
            var (moved, cpu, begun) = (await cluster.MovedAsync(cancellation), CpuSeconds(cluster), Stopwatch.GetTimestamp());
            var operations = await LoadAsync(pool, nodes * InFlightPerNode, TimeSpan.FromSeconds(options.Seconds));
            var seconds = Stopwatch.GetElapsedTime(begun).TotalSeconds;
            var perOperation = (CpuSeconds(cluster) - cpu - (idlePerSecond * seconds)) / operations * 1e6;
            moved = await cluster.MovedAsync(cancellation) - moved;
            var shards = await cluster.ShardsAsync(cancellation);
            var even = shards.Average();

            Add($"{nodes} nodes: operations", "1/s", operations / seconds);
            Add($"{nodes} nodes: processor time with nothing to do", "ms/s", 1000 * idlePerSecond);
            Add($"{nodes} nodes: processor time of an operation", "us", perOperation);
            if (alone is { } one) Add($"{nodes} nodes: beside one node", "x", perOperation / one, atMost: MaxCostRatio);
            else alone = perOperation;
            if (nodes == 1) continue;
            Add($"{nodes} nodes: shards, furthest from even", "%", 100 * shards.Max(count => Math.Abs(count - even)) / even, atMost: 100 * MaxSpread);
            Add($"{nodes} nodes: answered \"moved\" after warm-up", "%", 100 * moved / operations, atMost: 100 * MaxMoved);
        }
    }

    /// <summary>
    /// Load until it costs no less than before: a process compiles its busy paths anew while it runs, each node for itself, and that is no cost of an operation.
    /// </summary>
    private static async Task WarmUpAsync(ClusterServers cluster, Pool pool, int inFlight)
    {
        var (best, begun) = (double.MaxValue, Stopwatch.GetTimestamp());
        for (var settled = 0; settled < 2 && Stopwatch.GetElapsedTime(begun) < LongestWarmUp;)
        {
            var before = CpuSeconds(cluster);
            var operations = await LoadAsync(pool, inFlight, WarmUpStep);
            var cost = (CpuSeconds(cluster) - before) / operations;
            // What is called often is compiled anew when nothing new has been called for a moment; under load there is no such moment.
            await Task.Delay(Breath);
            settled = cost * SettledGain < best ? 0 : settled + 1;
            best = Math.Min(best, cost);
        }
    }

    /// <summary>
    /// Processor seconds a second with nothing to do (heartbeats, pings, gossip): the least of several windows, for what a load leaves behind to be compiled and collected goes on for a while after it.
    /// </summary>
    private static async Task<double> IdleAsync(ClusterServers cluster, CancellationToken cancellation)
    {
        var least = double.MaxValue;
        for (var window = 0; window < IdleWindows; window++)
        {
            var (before, begun) = (CpuSeconds(cluster), Stopwatch.GetTimestamp());
            await Task.Delay(IdleWindow, cancellation);
            least = Math.Min(least, (CpuSeconds(cluster) - before) / Stopwatch.GetElapsedTime(begun).TotalSeconds);
        }

        return least;
    }

    /// <summary>Puts and gets of pages spread over many objects, so many at a time, for so long; how many there were.</summary>
    private static async Task<long> LoadAsync(Pool pool, int inFlight, TimeSpan time)
    {
        using var over = new CancellationTokenSource(time);
        var counts = await Task.WhenAll(Enumerable.Range(0, inFlight).Select(worker => Task.Run(() => WorkAsync(pool, worker, over.Token))));
        return counts.Sum();
    }

    private static async Task<long> WorkAsync(Pool pool, int worker, CancellationToken until)
    {
        var (random, page, count) = (new Random(worker), new byte[Payload.PageBytes], 0L);
        random.NextBytes(page);
        for (; !until.IsCancellationRequested; count++)
        {
            var id = ObjectId.FromUInt64((ulong)random.Next(Objects));
            var index = (uint)random.Next(16);
            if (random.Next(2) == 0) await pool.PutAsync(id, index, page, null, CancellationToken.None);
            else await pool.GetAsync(id, index, page, GetMode.PoolDefault, null, CancellationToken.None);
        }

        return count;
    }

    /// <summary>Processor time that the nodes and this process have used.</summary>
    private static double CpuSeconds(ClusterServers cluster)
    {
        const double TicksPerSecond = 100;
        var sum = Process.GetCurrentProcess().TotalProcessorTime.TotalSeconds;
        foreach (var node in cluster.Nodes)
        {
            var stat = File.ReadAllText($"/proc/{node.ProcessId}/stat");
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            sum += (double.Parse(fields[11], CultureInfo.InvariantCulture) + double.Parse(fields[12], CultureInfo.InvariantCulture)) / TicksPerSecond;
        }

        return sum;
    }

    private void Add(string what, string unit, double value, double? atMost = null) => _figures.Add(Figure.Told(what, unit, value, atMost));
}
