using Grid.Bench.Servers;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Bench.Commands;

/// <summary>
/// <c>bench nbd</c>: one fio job after the other on an export of a persistent pool and on the devices of other NBD servers. Reads beside memory (nbdkit's memory plugin, nbd-server on a file in
/// memory), writes beside nbd-server that syncs each to the disk: what an export's writes are, too.
/// </summary>
internal static class NbdRun
{
    private const string Kit = "nbdkit-memory";
    private const string InMemory = "nbd-server-tmpfs";
    private const string Synced = "nbd-server-sync";
    private const string Export = "bench";
    private static readonly DirectoryInfo Tmpfs = new("/dev/shm");

    private static readonly Job[] Jobs =
    [
        new("read-4k-1", "randread", "4k", 1, [Kit, InMemory]),
        new("read-4k-32", "randread", "4k", 32, [Kit, InMemory]),
        new("read-64k-8", "randread", "64k", 8, [Kit, InMemory]),
        new("write-4k-1", "randwrite", "4k", 1, [Synced]),
        new("write-4k-32", "randwrite", "4k", 32, [Synced]),
    ];

    /// <summary>Runs it and prints what came out.</summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<int> RunAsync(NbdOptions options, CancellationToken cancellation)
    {
        await using var servers = new Opened();
        var uris = new Dictionary<string, string>
        {
            [CaseResult.Grid] = await StartGridAsync(servers, options, cancellation),
            [Kit] = servers.Keep(await NbdPeer.StartNbdKitAsync(NbdOptions.DeviceBytes, cancellation)).Uri,
            [InMemory] = servers.Keep(await NbdPeer.StartNbdServerAsync(Tmpfs, NbdOptions.DeviceBytes, sync: false, cancellation)).Uri,
            [Synced] = servers.Keep(await NbdPeer.StartNbdServerAsync(options.Parent, NbdOptions.DeviceBytes, sync: true, cancellation)).Uri,
        };
        foreach (var uri in uris.Values) await Fio.FillAsync(uri, NbdOptions.DeviceBytes, cancellation);
        var results = new List<CaseResult>();
        foreach (var job in Jobs)
        {
            var result = new CaseResult(job.Name, "ops/s", LowerIsBetter: false);
            string[] targets = [CaseResult.Grid, .. job.Peers];
            foreach (var target in targets) await RunAsync(job, uris[target], options.FirstWarmUp, options, cancellation);
            for (var round = 0; round < options.RoundCount; round++)
            {
                foreach (var target in targets) result.Add(target, await RunAsync(job, uris[target], options.Time, options, cancellation));
                await Console.Error.WriteLineAsync($"{job.Name,-12} round {round + 1}/{options.RoundCount}  {string.Join("  ", targets.Select(target => $"{target} {Report.Format(result.Last(target))}"))} ops/s");
            }

            results.Add(result);
        }

        Report.WriteTable(Console.Out, results, options);
        if (options.JsonPath != null) await Report.WriteJsonAsync(options.JsonPath, results, cancellation);
        return 0;
    }

    private static Task<double> RunAsync(Job job, string uri, TimeSpan time, NbdOptions options, CancellationToken cancellation) =>
        Fio.RunAsync(uri, job.Pattern, job.Block, job.Depth, NbdOptions.DeviceBytes, options.WarmUp, time, cancellation);

    private static async Task<string> StartGridAsync(Opened servers, NbdOptions options, CancellationToken cancellation)
    {
        var port = ChildProcess.FreePort();
        var node = servers.Keep(await NodeServer.StartAsync(options.NodePath, options.Parent, ["grid.nbd.enabled=on", $"grid.nbd.port={port}", .. options.Settings], cancellation));
        await using var client = await GridClient.ConnectAsync($"grid://127.0.0.1:{node.DataPort}?timeout=60s", cancellation);
        await new NbdExports(client).CreateAsync(Export, NbdOptions.DeviceBytes, Export, cancellationToken: cancellation);
        return $"nbd://127.0.0.1:{port}/{Export}";
    }

    /// <param name="Name">The case's name.</param>
    /// <param name="Pattern">fio's name of it.</param>
    /// <param name="Block">Bytes of a request.</param>
    /// <param name="Depth">Requests in flight.</param>
    /// <param name="Peers">Beside whom.</param>
    private sealed record Job(string Name, string Pattern, string Block, int Depth, string[] Peers);
}
