using System.IO.Hashing;
using System.Text;
using Grid.Cli;
using Grid.Cli.Files;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cli;

/// <summary>File trees through the grid command, on a real node.</summary>
public sealed class TreeCommandTests : SharedNodeTest, IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly string _source;
    private readonly string _target;

    public TreeCommandTests(SharedNode shared, ITestOutputHelper output)
        : base(shared, output)
    {
        _source = _folder.Combine("source");
        _target = _folder.Combine("target");
        Directory.CreateDirectory(_source);
    }

    void IDisposable.Dispose()
    {
        Dispose();
        foreach (var directory in Directory.EnumerateDirectories(_folder.Combine("."), "*", SearchOption.AllDirectories).ToArray())
            if (new DirectoryInfo(directory).LinkTarget == null)
                File.SetUnixFileMode(directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        _folder.Dispose();
    }

    [Theory]
    [InlineData(PoolKind.Persistent, 4096)]
    [InlineData(PoolKind.Persistent, 65536)]
    [InlineData(PoolKind.Ephemeral, 4096)]
    public async Task AStoredTreeComesBackAsItWas(PoolKind kind, int pageSize)
    {
        var pool = await NewPoolAsync(new PoolOptions { Kind = kind, PageSizeBytes = pageSize });
        SampleTree.Make(_source);
        var stored = (await RunAsync("store", _source, "--pool", pool.Name, "--json")).Exits(ExitCodes.Ok).Json();
        Assert.Equal(8, stored.GetProperty("files").GetInt32());
        (await RunAsync("fetch", "--pool", pool.Name, "--to", _target)).Exits(ExitCodes.Ok);
        Assert.Equal(SampleTree.Describe(_source), SampleTree.Describe(_target));

        (await RunAsync("fetch", "--pool", pool.Name, "--to", _target)).Exits(ExitCodes.Failed);
        (await RunAsync("fetch", "--pool", pool.Name, "--to", _target, "--force")).Exits(ExitCodes.Ok);
        Assert.Equal(SampleTree.Describe(_source), SampleTree.Describe(_target));
    }

    [Fact]
    public async Task StoringAgainMergesOrReplacesAndFreesWhatWasReplaced()
    {
        var pool = await NewPoolAsync(PoolKind.Persistent, PoolSharing.Private);
        SampleTree.Make(_source);
        (await RunAsync("store", _source, "--pool", pool.Name)).Exits(ExitCodes.Ok);
        var pages = await PagesAsync(pool);
        (await RunAsync("store", _source, "--pool", pool.Name)).Exits(ExitCodes.Ok);
        // The second header is the one page more: the headers take turns.
        Assert.Equal(pages + 1, await PagesAsync(pool));

        var other = _folder.Combine("other");
        Directory.CreateDirectory(other);
        await File.WriteAllTextAsync(Path.Combine(other, "one"), "other");
        await File.WriteAllTextAsync(Path.Combine(other, "sub"), "a file now");
        (await RunAsync("store", other, "--pool", pool.Name)).Exits(ExitCodes.Ok);
        Assert.Equal(["block", "directory-link", "empty", "link", "one", "page", "page+1", "sub", "zero", "ü ñ"], await PathsAsync(pool));

        (await RunAsync("store", other, "--pool", pool.Name, "--replace")).Exits(ExitCodes.Ok);
        Assert.Equal(["one", "sub"], await PathsAsync(pool));
        // Two files, a manifest, two headers.
        Assert.Equal(5, await PagesAsync(pool));
    }

    [Fact]
    public async Task AMissingPageIsNamedAndNothingWrongIsWritten()
    {
        var (pool, entry) = await StoreOneAsync(10_000);
        await pool.FlushPageAsync(entry.Object, 1);
        var run = (await RunAsync("fetch", "--pool", pool.Name, "--to", _target)).Exits(ExitCodes.Failed);
        Assert.Contains("file: the page at offset 4096 is missing", run.Error);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_target));
    }

    [Fact]
    public async Task AWrongPageIsNamedAndNothingWrongIsWritten()
    {
        var (pool, entry) = await StoreOneAsync((1 << 20) + 10);
        await pool.StoreAsync(entry.Object, 256, PageBytes.Random(1));
        var run = (await RunAsync("fetch", "--pool", pool.Name, "--to", _target)).Exits(ExitCodes.Checksum);
        Assert.Contains("file: wrong checksum in the 10 bytes from offset 1048576", run.Error);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_target));
    }

    [Theory]
    [InlineData("../escape")]
    [InlineData("/aescape")]
    [InlineData("a/../bc")]
    public async Task AManifestThatLeavesTheTargetIsRefused(string path)
    {
        var pool = await NewPoolAsync(PoolKind.Persistent, PoolSharing.Private);
        var innocent = new string('x', path.Length);
        var body = ManifestCodec.Encode(Manifest.Of([new FileEntry(EntryKind.Directory, "a"), new FileEntry(EntryKind.Link, innocent) { Target = "x" }]));
        Encoding.UTF8.GetBytes(path).CopyTo(body, body.AsSpan().IndexOf(Encoding.UTF8.GetBytes(innocent)));
        var page = new byte[4096];
        body.CopyTo(page, 0);
        var header = new ManifestHeader(1, 77, body.Length, XxHash128.HashToUInt128(body));
        await pool.StoreAsync(header.BodyObject, 0, page);
        header.Write(page);
        await pool.StoreAsync(ManifestHeader.HeaderObject, header.Slot, page);
        Assert.Contains(path, (await RunAsync("fetch", "--pool", pool.Name, "--to", _target)).Exits(ExitCodes.Checksum).Error);
        Assert.False(Directory.Exists(_target));
    }

    [Fact]
    public async Task ALinkInTheTargetIsNotFollowed()
    {
        var pool = await NewPoolAsync(PoolKind.Persistent, PoolSharing.Private);
        SampleTree.Make(_source);
        (await RunAsync("store", _source, "--pool", pool.Name)).Exits(ExitCodes.Ok);
        var outside = _folder.Combine("outside");
        Directory.CreateDirectory(outside);
        Directory.CreateDirectory(_target);
        File.CreateSymbolicLink(Path.Combine(_target, "sub"), outside);
        (await RunAsync("fetch", "--pool", pool.Name, "--to", _target, "--force")).Exits(ExitCodes.Failed);
        Assert.Empty(Directory.EnumerateFileSystemEntries(outside));
    }

    [Fact]
    public async Task ARefusedStoreLeavesTheTreeBeforeItAndNothingElse()
    {
        var pool = await NewPoolAsync(new PoolOptions { Kind = PoolKind.Persistent, QuotaPages = 300 });
        await File.WriteAllTextAsync(Path.Combine(_source, "small"), "small");
        (await RunAsync("store", _source, "--pool", pool.Name)).Exits(ExitCodes.Ok);
        var pages = await PagesAsync(pool);
        var before = SampleTree.Describe(_source);
        await File.WriteAllBytesAsync(Path.Combine(_source, "big"), new byte[4 << 20]);
        Assert.Contains("quota", (await RunAsync("store", _source, "--pool", pool.Name)).Exits(ExitCodes.Refused).Error);
        Assert.Equal(pages, await PagesAsync(pool));
        (await RunAsync("fetch", "--pool", pool.Name, "--to", _target)).Exits(ExitCodes.Ok);
        Assert.Equal(before, SampleTree.Describe(_target));
    }

    [Fact]
    public async Task AnInterruptedStoreIsRemovedByTheNextOne()
    {
        var (pool, _) = await StoreOneAsync(100);
        var pages = await PagesAsync(pool);
        var log = new RunLog(pool);
        var run = PoolTree.NewRun();
        var orphan = PoolTree.FileObject("orphan", run);
        var entered = await log.EnterAsync(run, [orphan], CancellationToken.None);
        await pool.StoreAsync(orphan, 0, PageBytes.Random(3));
        var page = new byte[4096];
        (entered.Record with { ProcessId = int.MaxValue }).Write(page);
        await pool.StoreAsync(ManifestHeader.HeaderObject, entered.Slot, page);

        (await RunAsync("store", _source, "--pool", pool.Name)).Exits(ExitCodes.Ok);
        await pool.AssertMissAsync(orphan, 0);
        Assert.Equal(pages + 1, await PagesAsync(pool));
    }

    [Fact]
    public async Task StoresAtTheSameTimeBothCount()
    {
        var pool = await NewPoolAsync(PoolKind.Persistent, PoolSharing.Private);
        var runs = await Task.WhenAll(Enumerable.Range(0, 5).Select(async number =>
        {
            var directory = _folder.Combine($"source{number}");
            Directory.CreateDirectory(directory);
            await File.WriteAllTextAsync(Path.Combine(directory, $"file{number}"), $"content {number}");
            return await RunAsync("store", directory, "--pool", pool.Name);
        }));
        foreach (var run in runs) run.Exits(ExitCodes.Ok);
        Assert.Equal(["file0", "file1", "file2", "file3", "file4"], await PathsAsync(pool));
        // Five files, a manifest, two headers.
        Assert.Equal(8, await PagesAsync(pool));
    }

    [Fact]
    public async Task APoolWithoutATreeSaysSo()
    {
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Private);
        Assert.Contains("no file tree", (await RunAsync("ls", "--pool", pool.Name)).Exits(ExitCodes.Failed).Error);
        (await RunAsync("store", _folder.Combine("nothing"), "--pool", pool.Name)).Exits(ExitCodes.Failed);
        (await RunAsync("store", _source, "--pool", Names.Unique("none"))).Exits(ExitCodes.Failed);
    }

    private async Task<(Pool Pool, FileEntry Entry)> StoreOneAsync(int bytes)
    {
        var pool = await NewPoolAsync(PoolKind.Persistent, PoolSharing.Private);
        var content = new byte[bytes];
        new Random(bytes).NextBytes(content);
        await File.WriteAllBytesAsync(Path.Combine(_source, "file"), content);
        (await RunAsync("store", _source, "--pool", pool.Name)).Exits(ExitCodes.Ok);
        return (pool, (await new PoolTree(pool).ReadAsync(CancellationToken.None)).Manifest.Files.Single());
    }

    private async Task<IEnumerable<string?>> PathsAsync(Pool pool) =>
        (await RunAsync("ls", "--pool", pool.Name, "--json")).Exits(ExitCodes.Ok).Json().EnumerateArray().Select(entry => entry.GetProperty("path").GetString()).ToArray();

    private async Task<int> PagesAsync(Pool pool) => (int)(await Client.StatPoolAsync(pool.Name)).Pages;

    private Task<CliRun> RunAsync(params string[] args) => CliRun.OnAsync(Shared.Node, args);
}
