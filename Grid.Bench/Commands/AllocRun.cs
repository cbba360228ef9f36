using System.Globalization;
using System.Text.Json.Nodes;
using Grid.Bench.Harness;
using Grid.Bench.Servers;
using Grid.Bench.Targets;

namespace Grid.Bench.Commands;

/// <summary><c>bench alloc</c>: what an operation costs the garbage collectors of node and client.</summary>
internal static class AllocRun
{
    private const int InFlight = 64;

    /// <summary>Runs it and prints what came out.</summary>
    /// <param name="nodePath">The node's program; null is the one built beside.</param>
    /// <param name="jsonPath">Where the results go too.</param>
    /// <param name="operations">Operations of each kind.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<int> RunAsync(string? nodePath, string? jsonPath, int operations, CancellationToken cancellation)
    {
        await using var node = await NodeServer.StartAsync(nodePath, cancellation);
        await using var target = await GridTarget.ConnectAsync(node.DataPort, oneObject: false, cancellation);
        using var metrics = new NodeMetrics(node.AdminPort);
        var payload = new Payload();
        await target.FillAsync(payload, cancellation);

        var rows = new List<string[]> { (string[])["case", "unit", "node", "client"] };
        var json = new JsonArray();
        foreach (var bench in BenchCase.All.Where(bench => bench is { InFlight: InFlight, Kind: CaseKind.Get or CaseKind.Put }))
        {
            var loop = target.LoopOf(bench.Kind);
            // Pools of requests grow to their working size, and the compilers' own work is over.
            await Measure.CountAsync(loop, payload, InFlight, operations / 2).WaitAsync(cancellation);
            var (nodeBefore, clientBefore) = (await metrics.AllocatedBytesAsync(cancellation), GC.GetTotalAllocatedBytes(precise: true));
            await Measure.CountAsync(loop, payload, InFlight, operations).WaitAsync(cancellation);
            var client = (GC.GetTotalAllocatedBytes(precise: true) - clientBefore) / (double)operations;
            var server = (await metrics.AllocatedBytesAsync(cancellation) - nodeBefore) / operations;
            var name = bench.Kind.ToString().ToLowerInvariant();
            rows.Add([name, "B/op", server.ToString("0.0", CultureInfo.InvariantCulture), client.ToString("0.0", CultureInfo.InvariantCulture)]);
            json.Add((JsonNode)new JsonObject { ["case"] = name, ["unit"] = "B/op", ["node"] = Math.Round(server, 1), ["client"] = Math.Round(client, 1) });
            await target.VerifyAsync(payload, 64);
        }

        Report.WriteColumns(Console.Out, rows);
        await Console.Out.WriteLineAsync();
        await Console.Out.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"Managed bytes allocated per operation over {operations:#,0} operations, {InFlight} in flight, pages of {Payload.PageBytes} bytes."));
        if (jsonPath != null) await Report.WriteJsonAsync(jsonPath, json, cancellation);
        return 0;
    }
}
