using System.Text.Json;
using Grid.Cli;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cli;

/// <summary>The commands for a cluster, on three real nodes.</summary>
public sealed class ClusterCommandTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    private const int Objects = 200;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task Status_and_shards_show_every_node_and_one_that_dies()
    {
        await using var cluster = await ClusterOfNodes.StartAsync(server, 3, output);
        await using var client = await cluster.ConnectAsync();
        var pool = await client.CreatePoolAsync("p", new PoolOptions { Kind = PoolKind.Ephemeral, Sharing = PoolSharing.Shared });
        for (var i = 0ul; i < Objects; i++) await pool.StoreAsync(ObjectId.FromUInt64(i), 0, PageBytes.Random(i));
        var admin = $"{new Uri(cluster.Nodes[0].ConnectionString()).Host}:{cluster.Nodes[0].Ports.Admin}";

        // What a node serves is told with its next ping.
        await Eventually.TrueAsync(async () => (await ShardsAsync(admin)).GetProperty("unowned").GetInt32() == 0, "every shard has its node", Patience);
        var shards = await ShardsAsync(admin);
        Assert.Equal(["node-1", "node-2", "node-3"], shards.GetProperty("nodes").EnumerateArray().Select(node => node.GetProperty("name").GetString()!));
        Assert.Equal(Enumerable.Range(0, 16), shards.GetProperty("nodes").EnumerateArray().SelectMany(node => node.GetProperty("shards").EnumerateArray()).Select(shard => shard.GetInt32()).Order());

        var status = (await CliRun.RunAsync("status", "--admin", admin)).Exits(ExitCodes.Ok);
        output.WriteLine(status.Output);
        var rows = status.Output.Split('\n').Where(line => line.StartsWith("node-", StringComparison.Ordinal)).Select(line => line.Replace(" * ", "   ").Split(' ', StringSplitOptions.RemoveEmptyEntries)).ToArray();
        Assert.Equal(["node-1 up", "node-2 up", "node-3 up"], rows.Select(row => $"{row[0]} {row[2]}"));
        // After "1.8 s" and the shards: the objects, which only the node itself knows.
        Assert.Equal(Objects, rows.Sum(row => int.Parse(row[6])));
        Assert.Equal(2, (await StatusAsync(admin)).GetProperty("others").GetArrayLength());

        await cluster.Nodes[2].Kill9Async();
        var dead = (await CliRun.RunAsync("status", "--admin", admin)).Exits(ExitCodes.Ok);
        output.WriteLine(dead.Output);
        Assert.StartsWith("! node-3 ", dead.Output, StringComparison.Ordinal);
        await Eventually.TrueAsync(
            async () => (await StatusAsync(admin)).GetProperty("cluster").GetProperty("nodes").GetArrayLength() == 2, "the dead node is removed", Patience);
        await Eventually.TrueAsync(
            async () => (await StatusAsync(admin)).GetProperty("warnings").GetArrayLength() == 0, "nothing needs attention any more", Patience, () => dead.Output);
    }

    [Fact]
    public async Task A_drained_node_hands_over_and_is_gone_from_the_status()
    {
        await using var cluster = await ClusterOfNodes.StartAsync(server, 3, output);
        var admins = cluster.Nodes.Select(node => $"{new Uri(node.ConnectionString()).Host}:{node.Ports.Admin}").ToArray();
        var drained = (await CliRun.RunAsync("node", "drain", "--wait", "--json", "--admin", admins[1])).Exits(ExitCodes.Ok).Json();
        Assert.Equal(("node-2", 2), (drained.GetProperty("node").GetString(), drained.GetProperty("peers").GetInt32()));
        Assert.InRange(drained.GetProperty("goneAfterSeconds").GetDouble(), 0.01, 20);
        await Eventually.TrueAsync(() => cluster.Nodes[1].HasExited, "its process ends", Patience);
        await Eventually.TrueAsync(
            async () => (await StatusAsync(admins[0])).GetProperty("cluster").GetProperty("nodes").GetArrayLength() == 2, "two nodes are left", Patience);
    }

    private static async Task<JsonElement> StatusAsync(string admin) => (await CliRun.RunAsync("status", "--json", "--admin", admin)).Exits(ExitCodes.Ok).Json();

    private static async Task<JsonElement> ShardsAsync(string admin) => (await CliRun.RunAsync("shards", "--json", "--admin", admin)).Exits(ExitCodes.Ok).Json();
}
