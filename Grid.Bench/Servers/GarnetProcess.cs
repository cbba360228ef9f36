namespace Grid.Bench.Servers;

/// <summary>Garnet in its own process: this program started once more with a hidden command.</summary>
internal sealed class GarnetProcess : IAsyncDisposable
{
    // As Garnet's own server is shipped.
    private static readonly Dictionary<string, string> Environment = new() { ["DOTNET_gcServer"] = "1" };
    private readonly ChildProcess _process;

    private GarnetProcess(ChildProcess process, int port) => (_process, Port) = (process, port);

    /// <summary>Where it listens on loopback.</summary>
    public int Port { get; }

    /// <summary>Starts it.</summary>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<GarnetProcess> StartAsync(CancellationToken cancellation)
    {
        var port = ChildProcess.FreePort();
        var process = ChildProcess.Start("garnet", ChildProcess.DotNet, [typeof(GarnetProcess).Assembly.Location, "garnet-server", "--port", $"{port}"], Environment);
        var server = new GarnetProcess(process, port);
        try
        {
            await process.WaitAsync(token => ChildProcess.ListensAsync(port, token), TimeSpan.FromSeconds(40), cancellation);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _process.DisposeAsync();
}
