using System.Diagnostics;
using Grid.Client;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>One device, served by three nodes at once, while one of them is killed.</summary>
[Collection(SeveralNodes.Name)]
public sealed class ClusterDeviceTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    private const int Port = 10809;
    private const int Workers = 6;
    private const int SectorBytes = 512;

    /// <summary>Sectors of the first pages of every object, so that the device is spread over all nodes and pages are shared by all workers.</summary>
    private const int Objects = 24;
    private const int SectorsPerObject = 24;
    private static readonly TimeSpan AfterTheKill = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task A_killed_node_s_part_of_a_device_is_served_by_the_others_and_no_sector_is_lost_or_old()
    {
        await using var cluster = await ClusterOfNodes.StartAsync(server, 3, output, setup => setup.With("grid.nbd.enabled", "on").With("grid.nbd.host", setup.Host).With("grid.nbd.port", "10809"));
        await using var client = await cluster.ConnectAsync();
        await new NbdExports(client).CreateAsync("disk", Objects * (long)NbdExport.ObjectBytes, "disk");
        using var done = new CancellationTokenSource();
        // The first two nodes stay; the third owns a part of the device and is killed.
        var workers = Enumerable.Range(0, Workers).Select(i => Task.Run(() => WriteAsync(cluster.Nodes[i % 2].Host, i, done.Token))).ToArray();
        await Task.WhenAny([Task.Delay(3000), .. workers]);
        var clock = Stopwatch.StartNew();
        await cluster.Nodes[2].Kill9Async();
        await Task.WhenAny([cluster.AllSeeAsync(2), .. workers]);
        output.WriteLine($"removed after {clock.Elapsed.TotalSeconds:0.0} s");
        await Task.WhenAny([Task.Delay(AfterTheKill), .. workers]);
        await done.CancelAsync();
        var written = await Task.WhenAll(workers);
        output.WriteLine($"{written.Sum(worker => worker.Writes)} writes, the longest took {written.Max(worker => worker.Longest).TotalSeconds:0.0} s");
        Assert.InRange(written.Max(worker => worker.Longest), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(40));

        foreach (var node in cluster.Nodes.Take(2))
        {
            await using var peer = await NbdPeer.OpenAsync(node.Host, Port, "disk");
            foreach (var worker in written)
                foreach (var (sector, number) in worker.Newest) await AssertHoldsAsync(peer, sector, number);
        }
    }

    private static async Task<(int Writes, TimeSpan Longest, Dictionary<int, ulong> Newest)> WriteAsync(string host, int worker, CancellationToken done)
    {
        await using var peer = await NbdPeer.OpenAsync(host, Port, "disk");
        var random = new Random(worker);
        var newest = new Dictionary<int, ulong>();
        var (writes, longest) = (0, TimeSpan.Zero);
        while (!done.IsCancellationRequested)
        {
            // A worker's sectors are every sixth: each page is written by all of them, through both nodes.
            var sector = (random.Next(Objects * SectorsPerObject / Workers) * Workers) + worker;
            var number = ((ulong)worker << 32) | (uint)++writes;
            var clock = Stopwatch.StartNew();
            await peer.WriteAtAsync(At(sector), PageBytes.Random(number, SectorBytes));
            if (clock.Elapsed > longest) longest = clock.Elapsed;
            newest[sector] = number;
            if (writes % 4 == 0) await AssertHoldsAsync(peer, sector, number);
        }

        return (writes, longest, newest);
    }

    private static ulong At(int sector) => ((ulong)(sector / SectorsPerObject) * NbdExport.ObjectBytes) + ((ulong)(sector % SectorsPerObject) * SectorBytes);

    private static async Task AssertHoldsAsync(NbdPeer peer, int sector, ulong number)
    {
        var (error, data) = await peer.ReadAtAsync(At(sector), SectorBytes);
        Assert.Equal(Node.Frontends.Nbd.NbdError.None, error);
        PoolAssertions.AssertSame(PageBytes.Random(number, SectorBytes), data, $"sector {sector}");
    }
}
