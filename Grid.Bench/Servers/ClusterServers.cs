using System.Globalization;
using System.Text.Json;

namespace Grid.Bench.Servers;

/// <summary>Several nodes of one cluster on one PostgreSQL, each on a loopback address of its own.</summary>
internal sealed class ClusterServers : IAsyncDisposable
{
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(5) };
    private readonly List<NodeServer> _nodes = [];
    private readonly string _network = string.Create(CultureInfo.InvariantCulture, $"127.{200 + (Environment.ProcessId % 50)}.{Environment.ProcessId / 50 % 250}");

    public IReadOnlyList<NodeServer> Nodes => _nodes;

    /// <summary>Starts them and returns when all serve and see each other.</summary>
    public static async Task<ClusterServers> StartAsync(string? path, int nodes, string journal, CancellationToken cancellation)
    {
        var cluster = new ClusterServers();
        try
        {
            var seeds = string.Join(',', Enumerable.Range(1, nodes).Select(node => $"{cluster.Address(node)}:7072"));
            cluster._nodes.AddRange(await Task.WhenAll(Enumerable.Range(1, nodes).Select(node => NodeServer.StartAsync(path, TemporaryDirectory.Default, cluster.Settings(node, seeds, journal), cancellation))));
            await cluster.AllSeeEachOtherAsync(cancellation);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>How clients connect.</summary>
    public string ConnectionString => $"grid://{string.Join(',', Enumerable.Range(1, _nodes.Count).Select(node => $"{Address(node)}:7070"))}?timeout=60s";

    /// <summary>Waits until every node sees all of them up.</summary>
    public async Task AllSeeEachOtherAsync(CancellationToken cancellation)
    {
        for (var node = 1; node <= _nodes.Count; node++)
        {
            await SeesAsync(
                node,
                members => members.Length == _nodes.Count && members.All(member => member.GetProperty("status").GetString() == "Up" && member.GetProperty("reachable").GetBoolean()),
                "not all members up",
                cancellation);
        }
    }

    /// <summary>Waits until a node sees no more than so many members.</summary>
    public Task SeesAsync(int node, int members, CancellationToken cancellation) => SeesAsync(node, seen => seen.Length <= members, $"more than {members} members", cancellation);

    private async Task SeesAsync(int node, Func<JsonElement[], bool> expected, string instead, CancellationToken cancellation)
    {
        for (var tries = 0; tries < 1200; tries++, await Task.Delay(50, cancellation))
        {
            using var status = await StatusAsync(node, cancellation);
            if (expected([.. status.RootElement.GetProperty("members").EnumerateArray()])) return;
        }

        throw new BenchException($"node {node} sees {instead} after a minute");
    }

    /// <summary>How many shards each node serves.</summary>
    public async Task<int[]> ShardsAsync(CancellationToken cancellation)
    {
        using var status = await StatusAsync(1, cancellation);
        return [.. status.RootElement.GetProperty("cluster").GetProperty("nodes").EnumerateArray().Select(node => node.GetProperty("shards").GetArrayLength())];
    }

    /// <summary>Answers that named another node, over all nodes since they started.</summary>
    public async Task<double> MovedAsync(CancellationToken cancellation)
    {
        var sum = 0.0;
        for (var node = 1; node <= _nodes.Count; node++)
        {
            var metrics = await Http.GetStringAsync(new Uri($"http://{Address(node)}:7071/metrics"), cancellation);
            sum += metrics.Split('\n').Where(line => line.StartsWith("grid_operations", StringComparison.Ordinal) && line.Contains("result=\"moved\"", StringComparison.Ordinal))
                .Sum(line => double.Parse(line[(line.LastIndexOf('}') + 2)..].Split(' ')[0], CultureInfo.InvariantCulture));
        }

        return sum;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes) await node.DisposeAsync();
    }

    private async Task<JsonDocument> StatusAsync(int node, CancellationToken cancellation) =>
        JsonDocument.Parse(await Http.GetByteArrayAsync(new Uri($"http://{Address(node)}:7071/api/v1/status"), cancellation));

    private string Address(int node) => $"{_network}.{node.ToString(CultureInfo.InvariantCulture)}";

    private string[] Settings(int node, string seeds, string journal) =>
    [
        $"grid.node.name=node-{node}", "grid.gateway.port=7070", "grid.admin.port=7071", "grid.cluster.port=7072",
        $"grid.gateway.host={Address(node)}", $"grid.admin.host={Address(node)}", $"grid.cluster.host={Address(node)}", $"grid.cluster.seed-nodes={seeds}",
        "grid.journal.provider=postgresql", $"grid.journal.connection-string={journal}", "grid.memory.limit=512MiB", "grid.cluster.formation.stable=2s",
    ];
}
