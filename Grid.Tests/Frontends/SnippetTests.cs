using System.Text.RegularExpressions;
using Grid.Client;
using Grid.Client.Frontends;
using Grid.Protocol;
using Grid.Tests.Harness;
using Grid.Tests.Tidy;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends;

/// <summary>The programs in docs/frontends.md: what is compiled and run here is what stands there.</summary>
public sealed partial class SnippetTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    private string Address => Shared.Node.ConnectionString();

    [Fact]
    public async Task Frontswaps_program_runs()
    {
        using var folder = new TestFolder();
        var SwapFile = folder.Combine("swap.pages");
        // begin
        await using var grid = await GridClient.ConnectAsync(Address);
        var pool = await grid.CreatePoolAsync("swap", new PoolOptions { Kind = PoolKind.Persistent, QuotaPages = 100_000 });
        using var disk = new FileSwapBackend(SwapFile, capacityPages: 1_000_000);
        var swap = new Frontswap([new GridSwapBackend(pool), disk]);
        await swap.InitAsync(type: 0, pages: 500_000);

        var page = new byte[swap.PageSizeBytes];
        if (!await swap.StoreAsync(0, 1234, page)) throw new IOException("neither the grid nor the disk has room");
        await swap.LoadAsync(0, 1234, page);
        await swap.InvalidatePageAsync(0, 1234);
        Console.WriteLine($"{swap.Counters}, {string.Join("; ", swap.Backends)}");
        // end
        Assert.Equal(new FrontswapCounters(1, 1, 0, 1), swap.Counters);
    }

    [Fact]
    public async Task Cleancaches_program_runs()
    {
        // begin
        await using var grid = await GridClient.ConnectAsync(Address);
        var cleancache = new Cleancache(grid);
        var fs = await cleancache.InitFsAsync("home");              // or InitSharedFsAsync(uuid), where several hosts mount it

        var inode = ObjectId.FromUInt64(4711);
        var page = new byte[fs.PageSizeBytes];
        await fs.PutPageAsync(inode, 0, page);                      // the page cache drops it
        if (!await fs.GetPageAsync(inode, 0, page)) { /* read the disk */ }
        await fs.InvalidatePageAsync(inode, 0);                     // before the disk changes
        await fs.InvalidateFsAsync();                               // unmount
        Console.WriteLine(cleancache.Counters);
        // end
        Assert.Equal(2, cleancache.Counters.Puts + cleancache.Counters.Invalidates);
    }

    [Fact]
    public async Task CachedFiles_program_runs()
    {
        using var folder = new TestFolder();
        var SomeFile = folder.Combine("file");
        await File.WriteAllBytesAsync(SomeFile, PageBytes.Random(1, 80_000));
        File.SetLastWriteTimeUtc(SomeFile, DateTime.UtcNow.AddDays(-1));
        // begin
        await using var grid = await GridClient.ConnectAsync(Address);
        var pool = await grid.CreatePoolAsync("files", new PoolOptions { Sharing = PoolSharing.Shared });
        await using var file = await CachedFile.OpenAsync(pool, FileOrigin.OpenRead(SomeFile));

        var buffer = new byte[100];
        Console.WriteLine(await file.ReadAsync(offset: 500, buffer));
        await file.OpenStream().CopyToAsync(Stream.Null);
        Console.WriteLine(file.Counters);
        // end
        Assert.True(file.Counters.OriginPages >= 20, file.Counters.ToString());
    }

    [Fact]
    public void They_stand_in_the_docs_as_they_are_here()
    {
        var docs = Words(Sources.Of("docs/frontends.md").Text.Replace("\"grid://127.0.0.1:7070\"", "Address").Replace("\"/var/tmp/swap.pages\"", "SwapFile").Replace("\"/etc/services\"", "SomeFile"));
        var snippets = Snippet().Matches(Sources.Of("Grid.Tests/Frontends/SnippetTests.cs").Text);
        Assert.Equal(3, snippets.Count);
        foreach (Match snippet in snippets) Assert.Contains(Words(snippet.Groups[1].Value), docs, StringComparison.Ordinal);
    }

    private static string Words(string code) => WhiteSpace().Replace(code, " ").Trim();

    [GeneratedRegex(@"^ +// begin\n(.*?)^ +// end\n", RegexOptions.Singleline | RegexOptions.Multiline)]
    private static partial Regex Snippet();

    [GeneratedRegex(@"\s+")]
    private static partial Regex WhiteSpace();
}
