using Microsoft.AspNetCore.Connections;

namespace Grid.Node.Gateway;

/// <summary>Kestrel's door to the data plane: the socket is Kestrel's, the frames are ours.</summary>
/// <param name="log">Where refusals are logged.</param>
internal sealed class GatewayConnectionHandler(int maxConnections, ILogger log)
{
    private int _open;

    /// <summary>The gateway's services, once the node serves.</summary>
    public GatewayServices? Gateway { get; set; }

    /// <summary>Serves one connection; one that comes before the node serves is closed at once.</summary>
    public async Task OnConnectedAsync(ConnectionContext connection)
    {
        if (Gateway is not { } services) return;
        try
        {
            if (Interlocked.Increment(ref _open) > maxConnections)
            {
                log.LogWarning("Connection of {Client} refused: {Count} are open, the most that grid.gateway.max-connections allows", connection.RemoteEndPoint, maxConnections);
                return;
            }

            await new GatewayConnection(services, connection, log).RunAsync().ConfigureAwait(false);
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }
}
