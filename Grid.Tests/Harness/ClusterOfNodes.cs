using System.Globalization;
using Grid.Client;
using Xunit.Abstractions;

namespace Grid.Tests.Harness;

/// <summary>Several real nodes that form one cluster on one PostgreSQL, each on an address of its own (a loopback one, unless told otherwise) with the product's own ports, so that a node comes back where it was.</summary>
public sealed class ClusterOfNodes : IAsyncDisposable
{
    private const int DataPort = 7070;
    private static int _clusters;
    private readonly string _network;
    private readonly string _database;
    private readonly ITestOutputHelper _output;
    private readonly Func<NodeSetup, NodeSetup> _more;
    private readonly int _seeds;
    private readonly List<NodeProcess> _nodes = [];

    private ClusterOfNodes(string database, int seeds, ITestOutputHelper output, Func<NodeSetup, NodeSetup>? more, string? network)
    {
        (_database, _seeds, _output, _more) = (database, seeds, output, more ?? (setup => setup));
        // 127.x.y.node: the process and a counter make a network that no other test run on this machine uses at the time.
        _network = network ?? string.Create(CultureInfo.InvariantCulture, $"127.{64 + (Environment.ProcessId % 128)}.{Interlocked.Increment(ref _clusters) % 250}");
    }

    public IReadOnlyList<NodeProcess> Nodes => _nodes;

    /// <summary>Starts so many nodes at once and returns when all serve and see each other.</summary>
    /// <param name="server">Where they keep their persistent pools.</param>
    /// <param name="count">How many.</param>
    /// <param name="output">Where their logs go.</param>
    /// <param name="more">What else a node is given.</param>
    /// <param name="network">The first three numbers of the nodes' addresses, where they are not to be loopback addresses.</param>
    public static async Task<ClusterOfNodes> StartAsync(
        PostgresServer server, int count, ITestOutputHelper output, Func<NodeSetup, NodeSetup>? more = null, string? network = null)
    {
        var cluster = new ClusterOfNodes(await server.NewDatabaseAsync(), count, output, more, network);
        try
        {
            cluster._nodes.AddRange(await Task.WhenAll(Enumerable.Range(1, count).Select(cluster.StartNodeAsync)));
            await cluster.AllSeeAsync(count);
            return cluster;
        }
        catch
        {
            await cluster.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts one more node.</summary>
    public async Task<NodeProcess> AddAsync()
    {
        var node = await StartNodeAsync(_nodes.Count + 1);
        _nodes.Add(node);
        return node;
    }

    /// <summary>The client's way in: any of the first nodes.</summary>
    public string ConnectionString(string timeout = "30s") => $"grid://{string.Join(',', Enumerable.Range(1, _seeds).Select(node => $"{Address(node)}:{DataPort}"))}?timeout={timeout}";

    public ValueTask<GridClient> ConnectAsync(string timeout = "30s") => GridClient.ConnectAsync(ConnectionString(timeout));

    /// <summary>Waits until every running node sees so many members, all up and reachable.</summary>
    public Task AllSeeAsync(int members) => Eventually.TrueAsync(
        async () =>
        {
            foreach (var node in _nodes.Where(node => !node.HasExited))
                if (await MembersUpAsync(node) != members) return false;
            return true;
        },
        $"every node sees {members} members up",
        TimeSpan.FromSeconds(60));

    /// <summary>What a node of this number is given, but for what the test adds to its nodes.</summary>
    public NodeSetup SetupOf(int node) => NodeSetup.OnPostgres(_database).At(Address(node), $"node-{node}")
        .With("grid.cluster.seed-nodes", string.Join(',', Enumerable.Range(1, _seeds).Select(seed => $"{Address(seed)}:7072")));

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes) await node.DisposeAsync();
    }

    /// <summary>How many members a node sees; -1 where one of them is not up or not reachable.</summary>
    internal static async Task<int> MembersUpAsync(NodeProcess node)
    {
        var (_, body) = await node.HttpGetAsync("/api/v1/status");
        using var status = System.Text.Json.JsonDocument.Parse(body);
        var members = status.RootElement.GetProperty("members").EnumerateArray().ToArray();
        return members.All(member => member.GetProperty("reachable").GetBoolean() && member.GetProperty("status").GetString() == "Up") ? members.Length : -1;
    }

    private string Address(int node) => $"{_network}.{node.ToString(CultureInfo.InvariantCulture)}";

    private Task<NodeProcess> StartNodeAsync(int node) => NodeProcess.StartAsync(_more(SetupOf(node)), _output);
}
