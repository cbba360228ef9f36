using System.Diagnostics;
using Grid.Client;
using Grid.Node.Frontends.Nbd;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends.Nbd.Origins;

/// <summary>One golden image, served by three nodes: they read the origin once between them, and what one has written all read, also while a node dies.</summary>
[Collection(SeveralNodes.Name)]
public sealed class GoldenImageTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    private const int Port = 10809;
    private const int PageSize = 4096;

    /// <summary>Four objects, so that every node has some.</summary>
    private const int Bytes = 4 * NbdExport.ObjectBytes;
    private const int Writers = 4;
    private const int Readers = 6;
    private static readonly TimeSpan AfterTheKill = TimeSpan.FromSeconds(5);

    [Fact]
    public async Task Three_nodes_read_each_page_of_the_origin_once_and_no_reader_sees_an_older_page_while_one_of_them_dies()
    {
        await using var origin = new OriginServer(Bytes);
        new Random(Seeds.Next(output)).NextBytes(origin.Content);
        await using var cluster = await ClusterOfNodes.StartAsync(
            server, 3, output, setup => setup.With("grid.nbd.enabled", "on").With("grid.nbd.host", setup.Host).With("grid.nbd.port", $"{Port}").With("grid.nbd.origins", "nbd://"));
        await using var client = await cluster.ConnectAsync();
        await new NbdExports(client).CreateWithOriginAsync("golden", new NbdOrigin(origin.Uri), 0, "images");

        var clock = Stopwatch.StartNew();
        await Task.WhenAll(cluster.Nodes.Select((node, i) => Task.Run(() => ReadAllAsync(node.Host, i, origin))));
        output.WriteLine($"three readers read {3 * (Bytes >> 20)} MiB in {clock.Elapsed.TotalSeconds:0.0} s; of {Bytes / PageSize} pages {origin.Reads.Count(count => count > 1)} were read more than once");
        Assert.All(origin.Reads, count => Assert.Equal(1, count));

        var pages = new ulong[Bytes / PageSize];
        using var done = new CancellationTokenSource();
        var workers = Enumerable.Range(0, Writers).Select(i => Task.Run(() => WriteAsync(cluster.Nodes[i % 2].Host, i, pages, done.Token)))
            .Concat(Enumerable.Range(0, Readers).Select(i => Task.Run(() => ReadAsync(cluster.Nodes[i % 2].Host, i, pages, done.Token)))).ToArray();
        var dying = Task.Run(() => ReadUntilCutAsync(cluster.Nodes[2].Host, pages));
        await Task.WhenAny([Task.Delay(4000), .. workers]);
        await cluster.Nodes[2].Kill9Async();
        await Task.WhenAny([cluster.AllSeeAsync(2), .. workers]);
        await Task.WhenAny([Task.Delay(AfterTheKill), .. workers]);
        await done.CancelAsync();
        var worked = await Task.WhenAll(workers);
        output.WriteLine($"{worked.Take(Writers).Sum(worker => worker.Requests)} writes, the longest {worked.Take(Writers).Max(worker => worker.Longest).TotalSeconds:0.0} s; "
            + $"{worked.Skip(Writers).Sum(worker => worker.Requests)} reads, the longest {worked.Skip(Writers).Max(worker => worker.Longest).TotalSeconds:0.0} s; {await dying} through the node that died");
        // Reads go to the origin while the grid is busy with itself.
        Assert.InRange(worked.Skip(Writers).Max(worker => worker.Longest), TimeSpan.Zero, TimeSpan.FromSeconds(8));
        foreach (var node in cluster.Nodes.Take(2)) await ReadAllAsync(node.Host, 0, origin);
    }

    private static async Task ReadAllAsync(string host, int reader, OriginServer origin)
    {
        const int Chunk = 128 << 10;
        var chunks = Enumerable.Range(0, Bytes / Chunk).ToArray();
        // One in order, the others not.
        if (reader > 0) new Random(reader).Shuffle(chunks);
        await Task.WhenAll(Enumerable.Range(0, 4).Select(async lane =>
        {
            await using var peer = await NbdPeer.OpenAsync(host, Port, "golden");
            for (var i = lane; i < chunks.Length; i += 4)
            {
                var (error, data) = await peer.ReadAtAsync((ulong)chunks[i] * Chunk, Chunk);
                Assert.Equal(NbdError.None, error);
                PoolAssertions.AssertSame(origin.Content.AsSpan(chunks[i] * Chunk, Chunk), data, $"chunk {chunks[i]} through {host}");
            }
        }));
    }

    private static async Task<(int Requests, TimeSpan Longest)> WriteAsync(string host, int worker, ulong[] pages, CancellationToken done)
    {
        await using var peer = await NbdPeer.OpenAsync(host, Port, "golden");
        var random = new Random(worker);
        var (writes, longest) = (0, TimeSpan.Zero);
        while (!done.IsCancellationRequested)
        {
            var page = PageOf(random, worker);
            // Half of what is written has the number, and half of the pages are written by half.
            var data = PageBytes.Filled(Number((ulong)++writes));
            var clock = Stopwatch.StartNew();
            await peer.WriteAtAsync((ulong)page * PageSize, writes % 2 == 0 ? data : data[..512]);
            if (clock.Elapsed > longest) longest = clock.Elapsed;
            Volatile.Write(ref pages[page], (ulong)writes);
        }

        return (writes, longest);
    }

    private static async Task<(int Requests, TimeSpan Longest)> ReadAsync(string host, int worker, ulong[] pages, CancellationToken done)
    {
        await using var peer = await NbdPeer.OpenAsync(host, Port, "golden");
        var random = new Random(100 + worker);
        var (reads, longest) = (0, TimeSpan.Zero);
        for (; !done.IsCancellationRequested; reads++)
        {
            var clock = Stopwatch.StartNew();
            await AssertNotOldAsync(peer, PageOf(random, random.Next(Writers)), pages);
            if (clock.Elapsed > longest) longest = clock.Elapsed;
        }

        return (reads, longest);
    }

    private static async Task<int> ReadUntilCutAsync(string host, ulong[] pages)
    {
        var (random, reads) = (new Random(7), 0);
        try
        {
            await using var peer = await NbdPeer.OpenAsync(host, Port, "golden");
            for (; ; reads++) await AssertNotOldAsync(peer, PageOf(random, random.Next(Writers)), pages);
        }
        catch (IOException)
        {
            return reads;
        }
    }

    private static async Task AssertNotOldAsync(NbdPeer peer, int page, ulong[] pages)
    {
        var floor = Volatile.Read(ref pages[page]);
        var (error, data) = await peer.ReadAtAsync((ulong)page * PageSize, PageSize);
        Assert.Equal(NbdError.None, error);
        if (floor == 0) return;
        var found = PageBytes.NumberOf(data);
        Assert.True(found >> 32 == Mark && (uint)found >= floor, $"page {page} is {found:x}; {floor} was acknowledged before");
    }

    private const ulong Mark = 0xabcd1234;

    private static ulong Number(ulong number) => (Mark << 32) | number;

    /// <summary>One of the pages of a writer: 32 in each object, among those of the others.</summary>
    private static int PageOf(Random random, int writer) => (random.Next(4) * (NbdExport.ObjectBytes / PageSize)) + (random.Next(32) * Writers) + writer;
}
