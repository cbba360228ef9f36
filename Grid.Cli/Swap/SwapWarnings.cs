using Grid.Client;

namespace Grid.Cli.Swap;

/// <summary>What somebody should know who has just begun to swap.</summary>
internal static class SwapWarnings
{
    /// <summary>Whether one node serves all connections: they end with it, and the kernel opens none again.</summary>
    public static async Task<string?> OfAsync(CliSession session, SwapRecord record)
    {
        try
        {
            await using var client = await session.ConnectAsync();
            var host = SwapRequirements.HostOf(record.Server);
            var node = (await client.GetTopologyAsync(session.Cancellation)).Nodes.FirstOrDefault(node => SwapRequirements.HostOf(node.DataAddress) == host);
            return node is null
                ? null
                : $"all {record.Connections} connections lead to {node.Name}: if it ends, what is swapped out is lost with them, and programs are killed. --server takes an address that leads to several nodes (docs/nbd.md#swap)";
        }
        catch (GridException)
        {
            return null;
        }
    }
}
