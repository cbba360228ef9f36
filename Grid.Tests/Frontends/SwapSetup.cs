using Grid.Client;
using Grid.Client.Frontends;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Frontends;

/// <summary>A frontswap on a pool of the grid and, if wanted, a file behind it.</summary>
internal sealed class SwapSetup : IDisposable
{
    /// <summary>Nothing times out on a busy machine.</summary>
    public static readonly GridSwapOptions Patient = new() { StoreTimeout = TimeSpan.FromSeconds(60), LoadTimeout = TimeSpan.FromSeconds(60) };

    private readonly TestFolder _folder = new();

    private SwapSetup(GridClient client, Pool pool, uint filePages, GridSwapOptions? options, TimeSpan? pause)
    {
        (Client, Pool) = (client, pool);
        Grid = new GridSwapBackend(pool, options ?? Patient);
        File = filePages == 0 ? null : new FileSwapBackend(_folder.Combine("swap"), filePages);
        Frontswap = new Frontswap(File is null ? [Grid] : [Grid, File], pause);
    }

    public GridClient Client { get; }

    public Pool Pool { get; }

    public GridSwapBackend Grid { get; }

    public FileSwapBackend? File { get; }

    public Frontswap Frontswap { get; }

    /// <summary>Makes a pool and a frontswap on it, with device 0 on.</summary>
    public static async Task<SwapSetup> CreateAsync(
        GridClient client, uint pages, ulong quotaPages = 0, uint filePages = 0, GridSwapOptions? options = null, TimeSpan? pause = null)
    {
        var pool = await client.CreatePoolAsync(Names.Unique("swap"), new PoolOptions { Kind = PoolKind.Persistent, QuotaPages = quotaPages });
        var setup = new SwapSetup(client, pool, filePages, options, pause);
        await setup.Frontswap.InitAsync(0, pages);
        return setup;
    }

    /// <summary>Stores a page in the grid, however busy the machine is.</summary>
    public Task StoreInGridAsync(uint offset, ulong number) => Eventually.TrueAsync(
        async () =>
        {
            var before = Frontswap.Backends[0].Stores;
            await Frontswap.StoreAsync(offset, number);
            return Frontswap.Backends[0].Stores > before;
        },
        "the grid accepts the page",
        TimeSpan.FromSeconds(60));

    /// <summary>Pages that the grid holds for the pool.</summary>
    public async Task<ulong> GridPagesAsync()
    {
        var pages = 0ul;
        await foreach (var item in Pool.ListObjectsAsync())
            await foreach (var piece in Pool.ListPagesAsync(item.Id)) pages += (ulong)piece.Indexes.Count;
        return pages;
    }

    public void Dispose()
    {
        File?.Dispose();
        _folder.Dispose();
    }
}

/// <summary>Loads and compares.</summary>
internal static class SwapAssertions
{
    public static async Task AssertLoadsAsync(this Frontswap frontswap, uint offset, ulong number, int type = 0)
    {
        var page = new byte[frontswap.PageSizeBytes];
        Assert.True(await frontswap.LoadAsync(type, offset, page), $"page {offset} is not there");
        PoolAssertions.AssertSame(PageBytes.Mixed(number), page, $"page {offset}");
    }

    public static async Task AssertAbsentAsync(this Frontswap frontswap, uint offset, int type = 0)
    {
        var page = new byte[frontswap.PageSizeBytes];
        Assert.False(await frontswap.LoadAsync(type, offset, page), $"page {offset}: {PageBytes.Describe(page)}");
        Assert.False(frontswap.Test(type, offset));
    }

    public static ValueTask<bool> StoreAsync(this Frontswap frontswap, uint offset, ulong number, int type = 0) =>
        frontswap.StoreAsync(type, offset, PageBytes.Mixed(number));
}
