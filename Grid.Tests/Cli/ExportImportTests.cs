using System.Diagnostics;
using Grid.Cli;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cli;

/// <summary>A pool into a file and out of it, on a real node.</summary>
public sealed class ExportImportTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output), IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly string _name = Names.Unique("exp");

    private string File => _folder.Combine("pool.grid");

    void IDisposable.Dispose()
    {
        _folder.Dispose();
        Dispose();
    }

    [Theory]
    [InlineData(PoolKind.Persistent, PoolSharing.Private, 4096)]
    [InlineData(PoolKind.Persistent, PoolSharing.Shared, 65536)]
    [InlineData(PoolKind.Ephemeral, PoolSharing.Private, 4096)]
    [InlineData(PoolKind.Ephemeral, PoolSharing.Shared, 16384)]
    public async Task Whatever_a_pool_holds_comes_back_the_same(PoolKind kind, PoolSharing sharing, int pageSizeBytes)
    {
        var options = new PoolOptions { Kind = kind, Sharing = sharing, PageSizeBytes = pageSizeBytes, Compression = PageCompression.Lz4, QuotaPages = 100_000 };
        var pool = await Client.CreatePoolAsync(_name, options);
        var expected = await FillAsync(pool);
        var exported = (await RunAsync("export", "--pool", _name, File, "--json")).Exits(ExitCodes.Ok).Json();
        Assert.Equal(expected.Count, exported.GetProperty("pages").GetInt32());
        Assert.Equal(0, exported.GetProperty("changedObjects").GetInt32());
        // Reading took nothing out.
        await AssertHoldsAsync(pool, expected);
        (await RunAsync("export", "--pool", _name, File)).Exits(ExitCodes.Failed);

        Assert.Equal(expected.Count, (await CliRun.RunAsync("import", File, "--check", "--json")).Exits(ExitCodes.Ok).Json().GetProperty("pages").GetInt32());
        (await RunAsync("import", File, "--pool", _name + "-2")).Exits(ExitCodes.Ok);
        var copy = await Client.OpenPoolAsync(_name + "-2");
        Assert.Equal(options, copy.Info.Options);
        Assert.False(copy.Info.Frozen);
        await AssertHoldsAsync(copy, expected);
        // What the copy holds is exported as the same pages.
        (await RunAsync("export", "--pool", copy.Name, _folder.Combine("again"))).Exits(ExitCodes.Ok);
        Assert.Equal(new FileInfo(File).Length + 2, new FileInfo(_folder.Combine("again")).Length);
    }

    [Fact]
    public async Task A_frozen_pool_comes_back_frozen_and_an_export_that_freezes_thaws()
    {
        var pool = await Client.CreatePoolAsync(_name, new PoolOptions { Kind = PoolKind.Persistent });
        await pool.StoreAsync(default, 1, PageBytes.Random(1));
        (await RunAsync("export", "--pool", _name, File, "--freeze")).Exits(ExitCodes.Ok);
        Assert.False((await Client.OpenPoolAsync(_name)).Info.Frozen);
        await Client.FreezePoolAsync(_name);
        (await RunAsync("export", "--pool", _name, File, "--freeze", "--force")).Exits(ExitCodes.Ok);
        Assert.True((await Client.OpenPoolAsync(_name)).Info.Frozen);
        (await RunAsync("import", File, "--pool", _name + "-2")).Exits(ExitCodes.Ok);
        var copy = await Client.OpenPoolAsync(_name + "-2");
        Assert.True(copy.Info.Frozen);
        await copy.AssertHoldsAsync(default, 1, PageBytes.Random(1));
    }

    [Fact]
    public async Task A_pool_that_holds_pages_is_written_to_only_when_that_is_asked_for()
    {
        var pool = await Client.CreatePoolAsync(_name, new PoolOptions { Kind = PoolKind.Persistent });
        await pool.StoreAsync(default, 1, PageBytes.Random(1));
        (await RunAsync("export", "--pool", _name, File)).Exits(ExitCodes.Ok);
        await pool.StoreAsync(default, 1, PageBytes.Random(10));
        await pool.StoreAsync(default, 2, PageBytes.Random(2));
        Assert.Contains("--into-existing", (await RunAsync("import", File)).Exits(ExitCodes.Failed).Error, StringComparison.Ordinal);
        await pool.AssertHoldsAsync(default, 1, PageBytes.Random(10));
        (await RunAsync("import", File, "--into-existing")).Exits(ExitCodes.Ok);
        await pool.AssertHoldsAsync(default, 1, PageBytes.Random(1));
        await pool.AssertHoldsAsync(default, 2, PageBytes.Random(2));

        await Client.CreatePoolAsync(_name + "-cache", new PoolOptions());
        Assert.Contains("ephemeral", (await RunAsync("import", File, "--pool", _name + "-cache")).Exits(ExitCodes.Failed).Error, StringComparison.Ordinal);
        // An empty one of the same kind is as good as a new one.
        await Client.CreatePoolAsync(_name + "-empty", new PoolOptions { Kind = PoolKind.Persistent });
        (await RunAsync("import", File, "--pool", _name + "-empty")).Exits(ExitCodes.Ok);
    }

    [Fact]
    public async Task A_file_that_is_cut_or_changed_anywhere_is_refused_and_leaves_no_pool()
    {
        var pool = await Client.CreatePoolAsync(_name, new PoolOptions { Kind = PoolKind.Persistent });
        for (var i = 0u; i < 3; i++) await pool.StoreAsync(ObjectId.FromUInt64(i), i, PageBytes.Mixed(i + 4));
        (await RunAsync("export", "--pool", _name, File)).Exits(ExitCodes.Ok);
        var good = await System.IO.File.ReadAllBytesAsync(File);
        var bad = _folder.Combine("bad");
        async Task Refused(byte[] bytes, string says)
        {
            await System.IO.File.WriteAllBytesAsync(bad, bytes);
            Assert.Contains(says, (await CliRun.RunAsync("import", bad, "--check")).Exits(ExitCodes.Checksum).Error, StringComparison.Ordinal);
        }

        for (var length = 0; length < good.Length; length += length < 300 ? 7 : 611) await Refused(good[..length], "truncated");
        await Refused(good[..^1], "truncated");
        await Refused([.. good, 0], "goes on");
        var random = new Random(5);
        for (var at = 0; at < good.Length; at += 1 + random.Next(at < 300 ? 5 : 500))
        {
            var changed = (byte[])good.Clone();
            changed[at] ^= (byte)(1 << random.Next(8));
            await Refused(changed, "");
        }

        await System.IO.File.WriteAllBytesAsync(bad, good[..^100]);
        var run = (await RunAsync("import", bad, "--pool", _name + "-2")).Exits(ExitCodes.Checksum);
        Assert.Contains("destroyed again", run.Error, StringComparison.Ordinal);
        await Assert.ThrowsAsync<NoSuchPoolException>(async () => await Client.OpenPoolAsync(_name + "-2"));
        (await RunAsync("import", _folder.Combine("nowhere"))).Exits(ExitCodes.Failed);
    }

    [Fact]
    public async Task A_refused_page_ends_the_import_and_leaves_no_pool()
    {
        var pool = await Client.CreatePoolAsync(_name, new PoolOptions { Kind = PoolKind.Persistent });
        for (var i = 0u; i < 20; i++) await pool.StoreAsync(ObjectId.FromUInt64(i), i, PageBytes.Random(i));
        (await RunAsync("export", "--pool", _name, File)).Exits(ExitCodes.Ok);
        await Client.CreatePoolAsync(_name + "-small", new PoolOptions { Kind = PoolKind.Persistent, QuotaPages = 10 });
        Assert.Contains("quota", (await RunAsync("import", File, "--pool", _name + "-small")).Exits(ExitCodes.Refused).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_export_beside_writers_is_whole_and_says_how_many_objects_changed()
    {
        var pool = await Client.CreatePoolAsync(_name, new PoolOptions { Kind = PoolKind.Persistent });
        var id = Names.Object();
        for (var from = 0u; from < 4000; from += 200)
        {
            var batch = new WriteBatch();
            for (var i = from; i < from + 200; i++) batch.Put(i, PageBytes.Random(i));
            await pool.WriteBatchAsync(id, batch);
        }

        using var stop = new CancellationTokenSource();
        var writing = Task.Run(async () =>
        {
            for (var i = 0u; !stop.IsCancellationRequested; i = (i + 1) % 4000) await pool.StoreAsync(id, i, PageBytes.Random(i));
        });
        var exported = (await RunAsync("export", "--pool", _name, File, "--json")).Exits(ExitCodes.Ok).Json();
        await stop.CancelAsync();
        await writing;
        Assert.Equal(1, exported.GetProperty("changedObjects").GetInt32());
        (await RunAsync("import", File, "--pool", _name + "-2")).Exits(ExitCodes.Ok);
        var copy = await Client.OpenPoolAsync(_name + "-2");
        for (var i = 0u; i < 4000; i += 97) await copy.AssertHoldsAsync(id, i, PageBytes.Random(i));
    }

    [Fact]
    public async Task The_standard_output_and_input_will_do()
    {
        var pool = await Client.CreatePoolAsync(_name, new PoolOptions { Kind = PoolKind.Persistent });
        await pool.StoreAsync(default, 1, PageBytes.Random(1));
        var connect = Shared.Node.ConnectionString();
        var cli = $"dotnet exec '{Path.Combine(AppContext.BaseDirectory, "Grid.Cli.dll")}'";
        using var shell = Process.Start("/bin/bash", ["-c", $"set -o pipefail; {cli} export --pool {_name} - --connect '{connect}' | {cli} import - --pool {_name}-2 --connect '{connect}'"]);
        await shell.WaitForExitAsync();
        Assert.Equal(0, shell.ExitCode);
        await (await Client.OpenPoolAsync(_name + "-2")).AssertHoldsAsync(default, 1, PageBytes.Random(1));
    }

    /// <summary>Sparse indexes, several batches, same-filled, compressible and random pages, emptied objects.</summary>
    private static async Task<Dictionary<(ObjectId Id, uint Index), byte[]>> FillAsync(Pool pool)
    {
        var pages = new Dictionary<(ObjectId Id, uint Index), byte[]>();
        async Task Store(ObjectId id, uint index, ulong number) =>
            await pool.StoreAsync(id, index, pages[(id, index)] = PageBytes.Mixed(number, pool.PageSizeBytes));

        var large = new ObjectId(5, 6, 7);
        for (var i = 0u; i < 600; i++) await Store(large, i * 7_000_003, i);
        for (var i = 0u; i < 60; i++) await Store(ObjectId.FromUInt64(i % 50), uint.MaxValue - i, 1000 + i);
        var emptied = Names.Object();
        await pool.StoreAsync(emptied, 1, PageBytes.Random(1, pool.PageSizeBytes));
        await pool.FlushObjectAsync(emptied);
        return pages;
    }

    private static async Task AssertHoldsAsync(Pool pool, Dictionary<(ObjectId Id, uint Index), byte[]> pages)
    {
        foreach (var (handle, page) in pages) await pool.AssertHoldsAsync(handle.Id, handle.Index, page);
        var held = 0;
        await foreach (var item in pool.ListObjectsAsync())
            await foreach (var piece in pool.ListPagesAsync(item.Id)) held += piece.Indexes.Count;
        Assert.Equal(pages.Count, held);
    }

    private Task<CliRun> RunAsync(params string[] args) => CliRun.OnAsync(Shared.Node, args);
}
