using System.Globalization;

namespace Grid.Bench.Servers;

/// <summary>Reads a node's /metrics.</summary>
/// <param name="adminPort">The node's admin port on loopback.</param>
internal sealed class NodeMetrics(int adminPort) : IDisposable
{
    private const string Allocated = "dotnet_gc_heap_total_allocated_bytes_total";

    // The exporter answers from a cache for 300 ms; what it says afterwards is of now.
    private static readonly TimeSpan CacheTime = TimeSpan.FromMilliseconds(400);
    private readonly HttpClient _http = new() { BaseAddress = new Uri($"http://127.0.0.1:{adminPort}") };

    /// <summary>Bytes the node has allocated on its managed heap since it started.</summary>
    /// <param name="cancellation">Gives up.</param>
    public async Task<double> AllocatedBytesAsync(CancellationToken cancellation)
    {
        await Task.Delay(CacheTime, cancellation);
        var text = await _http.GetStringAsync("/metrics", cancellation);
        foreach (var line in text.Split('\n'))
        {
            if (!line.StartsWith(Allocated, StringComparison.Ordinal)) continue;
            // name{labels} value [timestamp]
            var rest = line[(line.LastIndexOf('}') + 1)..];
            var value = (rest.Length == line.Length ? line[Allocated.Length..] : rest).Split(' ', StringSplitOptions.RemoveEmptyEntries)[0];
            return double.Parse(value, CultureInfo.InvariantCulture);
        }

        throw new BenchException($"the node's /metrics has no {Allocated}");
    }

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();
}
