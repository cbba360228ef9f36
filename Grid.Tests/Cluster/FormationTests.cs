using System.Globalization;
using System.Text.Json;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;
using ExitCodes = Grid.Node.Hosting.ExitCodes;

namespace Grid.Tests.Cluster;

/// <summary>Three real nodes on one PostgreSQL come into one cluster, whatever the order in which they start, die and come back.</summary>
public sealed class FormationTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>, IAsyncLifetime
{
    private const int ContactPort = 7073;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static int _networks;

    // 127.x.y.node: the process and a counter make a network that no other test run on this machine uses at the time.
    private readonly string _network = string.Create(CultureInfo.InvariantCulture, $"127.{192 + (Environment.ProcessId % 60)}.{Interlocked.Increment(ref _networks)}");
    private readonly TestFolder _folder = new();
    private readonly List<NodeProcess> _nodes = [];
    private string _database = "";

    public async Task InitializeAsync() => _database = await server.NewDatabaseAsync();

    public async Task DisposeAsync()
    {
        foreach (var node in _nodes) await node.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task Three_nodes_started_together_form_one_cluster()
    {
        await StartAsync(1, 2, 3);
        await AssertOneClusterAsync();
    }

    [Fact]
    public async Task Nodes_started_one_after_another_come_into_one_cluster_which_is_formed_when_two_of_three_are_there()
    {
        // The one with the highest address first: it must not form one, nor be in the way of those that may.
        var third = NodeProcess.StartAsync(Seeds(3), output);
        await Task.Delay(TimeSpan.FromSeconds(8));
        Assert.False(third.IsCompleted, "a node alone of three formed a cluster");
        var first = NodeProcess.StartAsync(Seeds(1), output);
        _nodes.AddRange(await Task.WhenAll(third, first));
        await AssertOneClusterAsync();
        await Task.Delay(TimeSpan.FromSeconds(3));
        await StartAsync(2);
        await AssertOneClusterAsync();
    }

    [Fact]
    public async Task A_node_with_one_contact_that_does_not_answer_forms_no_cluster_and_says_what_it_waits_for()
    {
        var setup = Seeds(1).With("grid.cluster.seed-nodes", $"[\"{Address(1)}:7072\", \"{Address(2)}:7072\"]") with { StartDeadline = TimeSpan.FromSeconds(15) };
        var failure = await Assert.ThrowsAsync<TimeoutException>(() => NodeProcess.StartAsync(setup, output));
        Assert.Contains("Waiting for 2 nodes that are ready to form a cluster; 1 with this one", failure.Message);
        Assert.Contains($"{Address(2)}:7072 does not answer", failure.Message);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task A_node_that_is_killed_and_started_again_at_once_joins_the_others(int victim)
    {
        await StartAsync(1, 2, 3);
        await AssertOneClusterAsync();
        await _nodes[victim - 1].Kill9Async();
        var clock = System.Diagnostics.Stopwatch.StartNew();
        await _nodes[victim - 1].RestartAsync();
        await AssertOneClusterAsync();
        output.WriteLine($"node {victim} is back after {clock.Elapsed.TotalSeconds:0.0} s");
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(40), $"only after {clock.Elapsed}");
        // The others are the ones that were there: nobody formed a new cluster.
        foreach (var node in _nodes.Where(node => node != _nodes[victim - 1])) Assert.False(node.HasExited);
    }

    [Fact]
    public async Task Two_of_three_that_are_killed_and_started_again_end_in_one_cluster_with_the_third()
    {
        await StartAsync(1, 2, 3);
        await AssertOneClusterAsync();
        await Task.WhenAll(_nodes[0].Kill9Async(), _nodes[1].Kill9Async());
        var clock = System.Diagnostics.Stopwatch.StartNew();
        var back = Task.WhenAll(RestartUntilInAsync(_nodes[0]), RestartUntilInAsync(_nodes[1]));
        // The third may find itself in the minority and end: whoever runs it starts it again.
        while (!back.IsCompleted)
        {
            if (_nodes[2].HasExited) await _nodes[2].RestartAsync();
            await Task.WhenAny(back, Task.Delay(TimeSpan.FromMilliseconds(200)));
        }

        await back;
        if (_nodes[2].HasExited) await _nodes[2].RestartAsync();
        await AssertOneClusterAsync();
        output.WriteLine($"one cluster again after {clock.Elapsed.TotalSeconds:0.0} s");
    }

    [Fact]
    public async Task All_nodes_killed_and_started_again_form_one_cluster()
    {
        await StartAsync(1, 2, 3);
        await Task.WhenAll(_nodes.Select(node => node.Kill9Async()));
        await Task.WhenAll(_nodes.Select(node => node.RestartAsync()));
        await AssertOneClusterAsync();
    }

    [Fact]
    public async Task A_node_with_another_shard_count_is_refused_with_the_setting_and_both_values()
    {
        await StartAsync(1, 2);
        var (exit, _, error) = await NodeProcess.RunToExitAsync(Seeds(3).With("grid.cluster.shards", "32"), Patience);
        Assert.Equal(ExitCodes.BadSettings, exit);
        var line = Assert.Single(error, text => text.StartsWith("grid node: ", StringComparison.Ordinal));
        Assert.Contains("grid.cluster.shards is 32 here and 16 in the cluster of akka.tcp://grid@", line);
    }

    [Fact]
    public async Task Nodes_found_by_a_service_s_name_form_one_cluster_and_a_killed_one_joins_again()
    {
        var hosts = _folder.Combine("hosts");
        string[] lines = ["127.0.0.1 localhost", .. Enumerable.Range(1, 3).Select(node => $"{Address(node)} grid-nodes"), .. Enumerable.Range(1, 3).Select(node => $"{Address(node)} grid-{node}.nodes")];
        await File.WriteAllLinesAsync(hosts, lines);
        // Each in a mount namespace of its own with these hosts: nobody else on this machine sees them. exec keeps the process id.
        NodeSetup Setup(int node) => OnPostgres(node)
            .With("grid.cluster.host", $"grid-{node}.nodes")
            .With("grid.cluster.formation.service", "grid-nodes")
            .With("grid.cluster.formation.contacts", "2")
            .With("grid.cluster.formation.contact-port", ContactPort.ToString(CultureInfo.InvariantCulture)) with
        {
            ShellPrelude = $"exec unshare -m bash -c 'mount --bind {hosts} /etc/hosts && exec \"$@\"' node \"$@\"",
        };
        _nodes.AddRange(await Task.WhenAll(Enumerable.Range(1, 3).Select(node => NodeProcess.StartAsync(Setup(node), output))));
        await AssertOneClusterAsync();
        Assert.Contains(await MembersAsync(_nodes[0]), member => member.Address == "akka.tcp://grid@grid-3.nodes:7072");
        await _nodes[0].Kill9Async();
        await _nodes[0].RestartAsync();
        await AssertOneClusterAsync();
    }

    /// <summary>As whoever runs a node does it: the cluster that it was joining may come to nothing, here with the third node; then the next run gets in.</summary>
    private async Task RestartUntilInAsync(NodeProcess node)
    {
        for (var run = 1; ; run++)
        {
            try
            {
                await node.RestartAsync();
                return;
            }
            catch (InvalidOperationException) when (run < 3 && node.HasExited && node.ExitCode == ExitCodes.Downed)
            {
                output.WriteLine("a node is started once more: what it was joining came to nothing");
            }
        }
    }

    private string Address(int node) => $"{_network}.{node.ToString(CultureInfo.InvariantCulture)}";

    private NodeSetup OnPostgres(int node) => NodeSetup.OnPostgres(_database).At(Address(node), $"node-{node}");

    private NodeSetup Seeds(int node) => OnPostgres(node)
        .With("grid.cluster.seed-nodes", $"[{string.Join(',', Enumerable.Range(1, 3).Select(seed => $"\"{Address(seed)}:7072\""))}]");

    private async Task StartAsync(params IEnumerable<int> nodes) => _nodes.AddRange(await Task.WhenAll(nodes.Select(node => NodeProcess.StartAsync(Seeds(node), output))));

    /// <summary>Every node sees exactly the running ones, all up and reachable.</summary>
    private async Task AssertOneClusterAsync()
    {
        var seen = "";
        await Eventually.TrueAsync(
            async () =>
            {
                List<string> views = [];
                foreach (var node in _nodes)
                {
                    var members = await MembersAsync(node);
                    views.Add(string.Join(", ", members.Select(member => $"{member.Address} {member.Status}{(member.Reachable ? "" : " unreachable")}").Order()));
                }

                seen = string.Join(" | ", views);
                return views.Distinct().Count() == 1 && views[0].Split(", ").Length == _nodes.Count && views[0].Split(", ").All(member => member.EndsWith(" Up", StringComparison.Ordinal));
            },
            $"{_nodes.Count} nodes see each other in one cluster", Patience, () => seen);
    }

    private static async Task<IReadOnlyList<(string Address, string Status, bool Reachable)>> MembersAsync(NodeProcess node)
    {
        var (_, body) = await node.HttpGetAsync("/api/v1/status");
        using var status = JsonDocument.Parse(body);
        return
        [
            .. status.RootElement.GetProperty("members").EnumerateArray().Select(member => (
                member.GetProperty("address").GetString()!, member.GetProperty("status").GetString()!, member.GetProperty("reachable").GetBoolean())),
        ];
    }
}
