using Garnet;

namespace Grid.Bench.Servers;

/// <summary>What the hidden command runs: an embedded Garnet, in memory only.</summary>
internal static class GarnetHost
{
    /// <summary>Serves until the standard input ends, which happens when the benchmark is gone, however it went.</summary>
    /// <param name="port">The port on loopback.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    public static async Task<int> RunAsync(int port, CancellationToken cancellation)
    {
        using var server = new GarnetServer(["--port", $"{port}", "--bind", "127.0.0.1", "--memory", "1g", "--index", "64m"]);
        server.Start();
        await Console.OpenStandardInput().CopyToAsync(Stream.Null, cancellation);
        return 0;
    }
}
