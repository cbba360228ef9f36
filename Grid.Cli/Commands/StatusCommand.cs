using System.CommandLine;
using System.Text.Json.Nodes;
using Grid.Cli.Cluster;

namespace Grid.Cli.Commands;

/// <summary><c>grid status</c>: what a node says of its cluster, and each node of itself.</summary>
internal static class StatusCommand
{
    /// <summary>What help shows below.</summary>
    public const string Examples = """
        Examples:
          grid status
          grid status --admin http://10.0.0.5:7071 --json
        """;

    /// <summary>The command.</summary>
    /// <param name="global">The global options.</param>
    public static Command Create(GlobalOptions global)
    {
        var command = new Command("status", "Shows the nodes, what needs attention, memory and pools (over --admin; without an answer there, what --connect tells).");
        global.SetAction(command, async (_, session) =>
        {
            using var http = AdminClient.For(session);
            if (await http.ReportAsync(session.Admin, session.Cancellation) is { } report)
            {
                if (session.Output.Json) WriteJson(session.Output, report);
                else StatusView.Write(session.Output, report);
                return ExitCodes.Ok;
            }

            await ClientStatusAsync(session);
            return ExitCodes.Ok;
        });
        return command;
    }

    /// <summary>What the node that was asked answered, with the warnings and what the others said of themselves.</summary>
    private static void WriteJson(Output output, ClusterReport report)
    {
        var json = (JsonObject)report.Asked.DeepClone();
        json["warnings"] = new JsonArray([.. StatusWarnings.Of(report).Select(warning => (JsonNode)warning)]);
        json["others"] = new JsonArray(
        [
            .. report.Nodes.Where(node => !node.IsSelf).Select(node => (JsonNode)new JsonObject { ["name"] = node.Name, ["address"] = node.Address, ["silence"] = node.Silence, ["status"] = node.Figures?.DeepClone() }),
        ]);
        output.WriteJson(json);
    }

    private static async Task ClientStatusAsync(CliSession session)
    {
        await using var client = await session.ConnectAsync();
        var topology = await client.GetTopologyAsync(session.Cancellation);
        var pools = (await client.ListPoolsAsync(session.Cancellation)).OrderBy(pool => pool.Name, StringComparer.Ordinal).Select(PoolJson.Of).ToArray();
        var shards = topology.Nodes.Select((_, number) => topology.Owners.Count(owner => owner == number)).ToArray();
        var server = client.Server;
        if (session.Output.Json)
        {
            session.Output.WriteJson(new
            {
                name = server.NodeName,
                nodes = topology.Nodes.Select((node, i) => new { node.Name, node.DataAddress, node.Status, shards = shards[i] }),
                pools,
            });
            return;
        }

        await session.Output.Error.WriteLineAsync($"no answer at {session.Admin} (--admin); this is what {server.NodeAddress} tells clients");
        session.Output.WriteTable(["NODE", "ADDRESS", "STATUS", ">SHARDS"], topology.Nodes.Select((node, i) => (IReadOnlyList<string>)[node.Name, node.DataAddress, node.Status, $"{shards[i]}"]));
        if (pools.Length == 0) return;
        await session.Output.Standard.WriteLineAsync();
        PoolViews.WritePools(session.Output, pools);
    }
}
