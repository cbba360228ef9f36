using System.Text.Json;
using Grid.Client;
using Grid.Tests.Harness;

namespace Grid.Tests.Kubernetes;

/// <summary>What came of a load.</summary>
/// <param name="Calls">How many calls there were.</param>
/// <param name="Unknown">Those whose outcome is unknown.</param>
/// <param name="LongestMs">The longest took so long.</param>
/// <param name="Failures">What failed, or was answered as it must not be.</param>
internal sealed record PodLoadResult(long Calls, long Unknown, double LongestMs, IReadOnlyList<string> Failures);

/// <summary>A <see cref="ClusterLoad"/> in a process of its own, where the pods' names are known. It ends with its standard input, and prints what came of it.</summary>
internal static class PodLoad
{
    /// <summary>Printed once the first calls are answered.</summary>
    public const string Running = "running";

    /// <summary>Runs the load.</summary>
    public static async Task<int> RunAsync(string connectionString)
    {
        await using var load = await ClusterLoad.StartAsync(() => GridClient.ConnectAsync(connectionString), clients: 2, workersPerClient: 8);
        await Eventually.TrueAsync(() => load.Operations > 100, "calls are answered", TimeSpan.FromSeconds(60));
        Console.WriteLine(Running);
        while (await Console.In.ReadLineAsync() is not null)
        {
        }

        await load.StopAsync();
        Console.WriteLine(JsonSerializer.Serialize(new PodLoadResult(load.Operations, load.Unknown, load.Longest.TotalMilliseconds, load.Failures)));
        return 0;
    }
}
