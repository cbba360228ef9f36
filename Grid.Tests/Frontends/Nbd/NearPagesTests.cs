using Grid.Client;
using Grid.Node.Frontends.Nbd;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>Requests for whole pages of the node's own objects, which go straight to their actors, among others that do not.</summary>
public sealed class NearPagesTests(NbdNode shared, ITestOutputHelper output) : NbdTest(shared, output)
{
    private const int Bytes = 2 * NbdExport.ObjectBytes;

    [Theory]
    [InlineData(PageCompression.None, 4096)]
    [InlineData(PageCompression.Lz4, 4096)]
    [InlineData(PageCompression.Zstd, 16384)]
    public async Task Any_sequence_of_requests_on_two_connections_is_that_on_an_array(PageCompression compression, int pageBytes)
    {
        var random = new Random(Seeds.Next(Output));
        var (_, name) = await NewExportAsync(Bytes, new PoolOptions { Compression = compression, PageSizeBytes = pageBytes });
        await using var one = await NbdPeer.OpenAsync("127.0.0.1", Shared.Port, name);
        await using var other = await NbdPeer.OpenAsync("127.0.0.1", Shared.Port, name);
        var model = new byte[Bytes];
        for (var i = 0; i < 300; i++)
        {
            var peer = random.Next(2) == 0 ? one : other;
            var (offset, length) = Range(random, pageBytes);
            switch (random.Next(8))
            {
                case 0 or 1 or 2:
                    var data = Data(random, length);
                    data.CopyTo(model, offset);
                    await peer.WriteAtAsync((ulong)offset, data);
                    break;
                case 3:
                    model.AsSpan(offset, length).Clear();
                    Assert.Equal(NbdError.None, (await peer.AskAsync(NbdCommand.WriteZeroes, (ulong)offset, (uint)length)).Error);
                    break;
                default:
                    AssertSame(model[offset..(offset + length)], await ReadAsync(peer, offset, length), $"{length} bytes at {offset}, step {i}");
                    break;
            }
        }
    }

    [Fact]
    public async Task A_write_that_the_object_refuses_is_told_as_on_the_long_way()
    {
        var (_, name) = await NewExportAsync(1 << 20);
        await using var peer = await NbdPeer.OpenAsync("127.0.0.1", Shared.Port, name);
        await peer.WriteAtAsync(0, PageBytes.Random(1));
        await Shared.Client.FreezePoolAsync($"nbd-{name}");
        Assert.Equal(NbdError.Perm, (await peer.AskAsync(NbdCommand.Write, 0, 4096, PageBytes.Random(2))).Error);
        await Shared.Client.ThawPoolAsync($"nbd-{name}");
        await peer.WriteAtAsync(0, PageBytes.Random(3));
        Assert.Equal(PageBytes.Random(3), (await peer.ReadAtAsync(0, 4096)).Data);
    }

    [Fact]
    public async Task Pages_that_are_not_in_memory_come_from_the_journal()
    {
        await using var node = await NodeProcess.StartAsync(NbdNode.Setup, Output);
        await using (var client = await node.ConnectAsync())
        {
            foreach (var compression in Enum.GetValues<PageCompression>())
                await new NbdExports(client).CreateAsync($"{compression}", 1 << 20, $"pool-{compression}", new PoolOptions { Compression = compression });
        }

        var random = new Random(Seeds.Next(Output));
        var data = Data(random, 1 << 19);
        foreach (var compression in Enum.GetValues<PageCompression>())
        {
            await using var peer = await NbdPeer.OpenAsync("127.0.0.1", node.Ports.Nbd!.Value, $"{compression}");
            await peer.WriteAtAsync(0, data);
        }

        await node.Kill9Async();
        await node.RestartAsync();
        foreach (var compression in Enum.GetValues<PageCompression>())
        {
            await using var peer = await NbdPeer.OpenAsync("127.0.0.1", node.Ports.Nbd!.Value, $"{compression}");
            // The first read wakes the object, the second finds some pages in memory and some not, and beyond what was written there are none.
            AssertSame(data[4096..8192], await ReadAsync(peer, 4096, 4096), $"{compression}: a page");
            AssertSame([.. data, .. new byte[1 << 17]], await ReadAsync(peer, 0, (1 << 19) + (1 << 17)), $"{compression}: all");
        }
    }

    private static async Task<byte[]> ReadAsync(NbdPeer peer, int offset, int length)
    {
        var (error, read) = await peer.ReadAtAsync((ulong)offset, length);
        Assert.Equal(NbdError.None, error);
        return read;
    }

    private static void AssertSame(byte[] expected, byte[] actual, string what) => PoolAssertions.AssertSame(expected, actual, what);

    /// <summary>Whole pages more often than not.</summary>
    private static (int Offset, int Length) Range(Random random, int pageBytes)
    {
        if (random.Next(3) == 0)
        {
            var at = random.Next(Bytes / 512);
            return (at * 512, Math.Min(Bytes - (at * 512), (1 + random.Next(100)) * 512));
        }

        // Also across the end of an object, and of more than a batch.
        var page = random.Next(4) == 0 ? (NbdExport.ObjectBytes / pageBytes) - random.Next(1, 20) : random.Next(Bytes / pageBytes);
        var pages = random.Next(10) switch { < 5 => 1, < 9 => random.Next(2, 40), _ => random.Next(200, 400) };
        return (page * pageBytes, Math.Min(Bytes - (page * pageBytes), pages * pageBytes));
    }

    /// <summary>Bytes of which some pages can be made smaller, some cannot, and some are zero.</summary>
    private static byte[] Data(Random random, int length)
    {
        var data = new byte[length];
        for (var at = 0; at < length; at += 4096)
        {
            var page = data.AsSpan(at, Math.Min(4096, length - at));
            var kind = random.Next(4);
            if (kind > 0) random.NextBytes(page[..(kind == 1 ? Math.Min(300, page.Length) : page.Length)]);
        }

        return data;
    }
}
