using System.CommandLine;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Grid.Cli.Commands;

/// <summary><c>grid status</c>: what a node says of itself and its cluster.</summary>
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
        var command = new Command("status", "Shows a node's health, memory, cluster and pools (over --admin; without an answer there, what --connect tells).");
        global.SetAction(command, async (_, session) =>
        {
            if (await AdminStatusAsync(session) is { } status)
            {
                if (session.Output.Json) session.Output.WriteJson(status);
                else StatusView.Write(session.Output, status);
                return ExitCodes.Ok;
            }

            await ClientStatusAsync(session);
            return ExitCodes.Ok;
        });
        return command;
    }

    /// <summary>The admin's answer; null where nobody answers there.</summary>
    private static async Task<JsonObject?> AdminStatusAsync(CliSession session)
    {
        using var http = new HttpClient { Timeout = TimeSpan.FromSeconds(Math.Min(5, session.Options.Timeout.TotalSeconds)) };
        try
        {
            return await http.GetFromJsonAsync<JsonObject>(new Uri(session.Admin, "/api/v1/status"), session.Cancellation);
        }
        catch (HttpRequestException e) when (e.StatusCode == null)
        {
            return null;
        }
        catch (OperationCanceledException) when (!session.Cancellation.IsCancellationRequested)
        {
            return null;
        }
        catch (Exception e) when (e is HttpRequestException or JsonException)
        {
            throw CliException.Failed($"{session.Admin} is not a node's admin address: {e.Message}");
        }
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
