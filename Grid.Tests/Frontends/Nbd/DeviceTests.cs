using Grid.Client;
using Grid.Node.Frontends.Nbd;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>A device on real pages: against an array that is told the same.</summary>
public sealed class DeviceTests(NbdNode shared, ITestOutputHelper output) : NbdTest(shared, output)
{
    private const int Bytes = 2 * NbdExport.ObjectBytes;

    [Theory]
    [InlineData(4096)]
    [InlineData(65536)]
    public async Task Any_sequence_of_reads_writes_and_zeroes_is_that_of_an_array(int pageBytes)
    {
        var random = new Random(Seeds.Next(Output));
        var pool = await Shared.Client.CreatePoolAsync(Names.Unique("p"), new PoolOptions { Kind = PoolKind.Persistent, PageSizeBytes = pageBytes });
        using var device = new ExportDevice(pool, TimeSpan.FromSeconds(30));
        var model = new byte[Bytes];
        for (var i = 0; i < 250; i++)
        {
            var (offset, length) = Range(random, pageBytes);
            switch (random.Next(5))
            {
                case 0 or 1:
                    var data = new byte[length];
                    random.NextBytes(data);
                    data.CopyTo(model, offset);
                    await device.WriteAsync(offset, data, default);
                    break;
                case 2:
                    model.AsSpan(offset, length).Clear();
                    await device.ZeroAsync(offset, length, keepsPages: random.Next(3) == 0, default);
                    break;
                default:
                    var read = new byte[length];
                    read.AsSpan().Fill(0xA5);
                    var isThere = await device.ReadAsync(offset, read, default);
                    PoolAssertions.AssertSame(model.AsSpan(offset, length), read, $"{length} bytes at {offset}, step {i}");
                    Assert.True(isThere || !model.AsSpan(offset, length).ContainsAnyExcept((byte)0));
                    break;
            }
        }

        await AssertStatusAsync(device, model);
        await device.ZeroAsync(0, Bytes, keepsPages: false, default);
        Assert.Equal([new Extent(Bytes, ExtentState.Hole | ExtentState.Zero)], await device.StatusAsync(0, Bytes, default));
    }

    [Fact]
    public async Task Writers_of_sectors_of_the_same_pages_through_different_devices_lose_nothing()
    {
        const int Writers = 6, Sectors = 64, Rounds = 25;
        var pool = await Shared.Client.CreatePoolAsync(Names.Unique("p"), new PoolOptions { Kind = PoolKind.Persistent });
        // Devices share no lock, as those of different nodes do not; a client of its own each.
        var devices = new List<(GridClient Client, ExportDevice Device)>();
        for (var i = 0; i < Writers; i++)
        {
            var client = await Shared.Node.ConnectAsync();
            devices.Add((client, new ExportDevice(await client.OpenPoolAsync(pool.Name), TimeSpan.FromSeconds(60))));
        }

        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            var sector = new byte[512];
            for (var round = 1; round <= Rounds; round++)
                for (var at = writer; at < Sectors; at += Writers)
                {
                    sector.AsSpan().Fill((byte)(round + at));
                    await devices[writer].Device.WriteAsync(at * 512, sector, default);
                }
        })));
        var all = new byte[Sectors * 512];
        await devices[0].Device.ReadAsync(0, all, default);
        for (var at = 0; at < all.Length; at++) Assert.True(all[at] == (byte)(Rounds + (at / 512)), $"byte {at} of sector {at / 512} is {all[at]}");
        foreach (var (client, device) in devices)
        {
            device.Dispose();
            await client.DisposeAsync();
        }
    }

    [Fact]
    public async Task What_a_pool_refuses_is_an_error_that_says_why()
    {
        var pool = await Shared.Client.CreatePoolAsync(Names.Unique("p"), new PoolOptions { Kind = PoolKind.Persistent, QuotaPages = 4 });
        using var device = new ExportDevice(pool, TimeSpan.FromSeconds(5));
        await device.WriteAsync(0, PageBytes.Random(1, 4 * 4096), default);
        var full = await Assert.ThrowsAsync<NbdException>(() => device.WriteAsync(4 * 4096, PageBytes.Random(2), default).AsTask());
        Assert.Equal(NbdError.NoSpace, full.Error);
        await Shared.Client.FreezePoolAsync(pool.Name);
        var frozen = await Assert.ThrowsAsync<NbdException>(() => device.WriteAsync(512, new byte[512], default).AsTask());
        Assert.Equal(NbdError.Perm, frozen.Error);
    }

    private static async Task AssertStatusAsync(ExportDevice device, byte[] model)
    {
        var at = 0;
        while (at < Bytes)
        {
            foreach (var extent in await device.StatusAsync(at, (uint)(Bytes - at), default))
            {
                if (extent.State != ExtentState.Allocated) Assert.False(model.AsSpan(at, (int)extent.LengthBytes).ContainsAnyExcept((byte)0), $"the hole at {at} has bytes");
                at += (int)extent.LengthBytes;
            }
        }

        Assert.Equal(Bytes, at);
    }

    /// <summary>Mostly around the borders of pages and of the two objects, of every length.</summary>
    private static (int Offset, int Length) Range(Random random, int pageBytes)
    {
        var length = random.Next(4) switch { 0 => random.Next(1, 2000), 1 => pageBytes * random.Next(1, 5), 2 => random.Next(1, 100_000), _ => random.Next(1, 3 << 20) };
        var anchor = random.Next(3) switch { 0 => NbdExport.ObjectBytes, 1 => pageBytes * random.Next(0, 20), _ => random.Next(Bytes) };
        var offset = Math.Clamp(anchor - (random.Next(3) * random.Next(0, length)), 0, Bytes - length);
        return (random.Next(3) == 0 ? offset / pageBytes * pageBytes : offset, length);
    }
}
