using Grid.Client;
using Grid.Node.Frontends.Nbd.Origins;
using Grid.Protocol;
using Grid.Tests.Harness;

namespace Grid.Tests.Frontends.Nbd.Origins;

/// <summary>Several devices on one pool and one origin that share nothing else, as those of several nodes do.</summary>
internal sealed class OriginNodes : IAsyncDisposable
{
    private readonly List<GridClient> _clients = [];
    private readonly List<OriginDevice> _devices = [];

    private OriginNodes(NbdExport export) => Export = export;

    public NbdExport Export { get; }

    public IReadOnlyList<OriginDevice> Devices => _devices;

    /// <summary>Where the pages lie.</summary>
    public Pool Pool { get; private set; } = null!;

    public ObjectId Object => NbdExport.ObjectOf(0, Export.Id);

    public static async Task<OriginNodes> StartAsync(NbdNode shared, IDeviceOrigin origin, int count, OriginLimits? limits = null, PoolOptions? options = null, TimeSpan? timeout = null)
    {
        var info = await shared.Client.CreatePoolAsync(Names.Unique("p"), options ?? new PoolOptions());
        var export = new NbdExport
        {
            Name = "e",
            Pool = info.Name,
            SizeBytes = origin.SizeBytes,
            PageSizeBytes = info.PageSizeBytes,
            Origin = new NbdOrigin("/nowhere"),
            Id = (ulong)Random.Shared.NextInt64(1, long.MaxValue),
        };
        var nodes = new OriginNodes(export) { Pool = info };
        for (var i = 0; i < count; i++)
        {
            var client = await shared.Node.ConnectAsync();
            nodes._clients.Add(client);
            nodes._devices.Add(new OriginDevice(await client.OpenPoolAsync(info.Name), export, origin, timeout ?? TimeSpan.FromSeconds(30), limits ?? new OriginLimits { CacheTimeout = TimeSpan.FromSeconds(10) }));
        }

        return nodes;
    }

    public async Task<byte[]> ReadAsync(int device, long offset, int bytes)
    {
        var read = new byte[bytes];
        read.AsSpan().Fill(0xA5);
        await Devices[device].ReadAsync(offset, read, default);
        return read;
    }

    /// <summary>Asserts what a device has somewhere.</summary>
    public async Task AssertReadsAsync(ReadOnlyMemory<byte> expected, int device, long offset, string what)
    {
        var read = await ReadAsync(device, offset, expected.Length);
        PoolAssertions.AssertSame(expected.Span, read, $"{what}, through device {device}");
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var device in _devices) device.Dispose();
        foreach (var client in _clients) await client.DisposeAsync();
    }
}
