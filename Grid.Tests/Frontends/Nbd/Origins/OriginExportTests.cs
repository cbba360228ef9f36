using System.Security.Cryptography;
using Grid.Client;
using Grid.Node.Frontends.Nbd;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends.Nbd.Origins;

/// <summary>Exports with origins and backings as people use them: a real node, and libnbd's, QEMU's and fio's programs.</summary>
public sealed class OriginExportTests(NbdNode shared, ITestOutputHelper output) : NbdTest(shared, output)
{
    [Fact]
    public async Task A_golden_image_in_a_file_is_served_as_it_is_and_no_more_once_it_changes()
    {
        const int Bytes = (24 << 20) + 512;
        using var folder = new TestFolder();
        var (image, copy) = (folder.Combine("image"), folder.Combine("copy"));
        await File.WriteAllBytesAsync(image, PageBytes.Random(1, Bytes));
        File.SetLastWriteTimeUtc(image, DateTime.UtcNow.AddDays(-1));
        var (uri, name) = await NewExportAsync(new NbdOrigin(image), readOnly: true);
        var info = (await RunAsync("nbdinfo", uri)).Succeeds().Text;
        foreach (var line in (string[])[$"export-size: {Bytes}", "is_read_only: true", "can_multi_conn: true", "block_size_minimum: 512", "block_size_preferred: 4096"]) Assert.Contains(line, info);
        for (var i = 0; i < 2; i++)
        {
            (await RunAsync("nbdcopy", "--connections=4", uri, copy)).Succeeds();
            Assert.Equal(await HashAsync(image), await HashAsync(copy));
        }

        (await RunAsync("qemu-img", "compare", "-f", "raw", "-F", "raw", image, uri)).Succeeds();
        Assert.NotEqual(0, (await RunAsync("qemu-io", "-f", "raw", "-c", "write 0 4096", uri)).Code);
        var statistics = await Shared.Client.OpenPoolAsync($"nbd-{name}");
        Assert.Equal(PoolKind.Ephemeral, statistics.Info.Options.Kind);

        await using var peer = await NbdPeer.OpenAsync("127.0.0.1", Shared.Port, name);
        await File.WriteAllBytesAsync(image, PageBytes.Random(2, Bytes));
        // What is cached is what it was; nothing else of it is given, and nobody new is let in once the node has forgotten it.
        var (error, page) = await peer.ReadAtAsync(0, 4096);
        Assert.True(error != NbdError.None || PageBytes.Random(1).AsSpan().SequenceEqual(page));
    }

    [Fact]
    public async Task What_is_written_goes_through_to_another_server_with_flushes_and_back()
    {
        await using var server = new OriginServer(16 << 20);
        var (uri, name) = await NewExportAsync(new NbdOrigin(server.Uri));
        using var folder = new TestFolder();
        var image = folder.Combine("image");
        await File.WriteAllBytesAsync(image, PageBytes.Random(3, 16 << 20));
        (await RunAsync("nbdcopy", "--connections=4", "--requests=32", "--flush", image, uri)).Succeeds();
        PoolAssertions.AssertSame(PageBytes.Random(3, 16 << 20), server.Content, "the origin");
        Assert.InRange(server.Asked(NbdCommand.Flush), 1, 10);
        Assert.Equal(0, server.Reads.Sum());
        (await RunAsync("qemu-img", "compare", "-f", "raw", "-F", "raw", image, uri)).Succeeds();
        // What is written whole, and not too much of it at a time, is put on the way.
        (await RunAsync("qemu-io", "-f", "raw", "-c", "write -P 5 1M 256k", uri)).Succeeds();
        var read = server.Reads.Sum();
        (await RunAsync("qemu-io", "-f", "raw", "-c", "read -P 5 1M 256k", uri)).Succeeds();
        Assert.Equal(read, server.Reads.Sum());
        var before = server.Asked(NbdCommand.Flush);
        var script = $"""
            import nbd
            n = nbd.NBD()
            n.connect_uri("{uri}")
            n.pwrite(b"x" * 512, 512, nbd.CMD_FLAG_FUA)
            n.zero(4096, 8192)
            n.trim(4096, 16384, nbd.CMD_FLAG_FUA)
            assert n.pread(512, 512) == b"x" * 512 and n.pread(4096, 8192) == bytes(4096) and n.pread(4096, 16384) == bytes(4096)
            n.flush()
            print("all as it must be")
            """;
        Assert.Contains("all as it must be", (await Tool.NbdshAsync(Output, "-c", script)).Succeeds().Text);
        Assert.InRange(server.Asked(NbdCommand.Flush) - before, 3, 5);
        Assert.Equal("xx"u8, server.Content.AsSpan(1022, 2));
        Assert.Equal(16 << 20, Assert.Single(await Exports.ListAsync(), export => export.Name == name).SizeBytes);
    }

    [Fact]
    public async Task Qemu_nbd_is_an_origin_if_it_says_that_its_connections_are_one()
    {
        using var folder = new TestFolder();
        var image = folder.Combine("image");
        await File.WriteAllBytesAsync(image, PageBytes.Random(4, 8 << 20));
        foreach (var clients in (int[])[8, 1])
        {
            var port = PostgresTools.FreePort();
            using var serving = System.Diagnostics.Process.Start("qemu-nbd", ["-t", "-f", "raw", "-b", "127.0.0.1", "-p", $"{port}", "-x", "img", "-e", $"{clients}", image]);
            OwnedProcesses.Add(serving.Id);
            await Eventually.TrueAsync(async () => (await RunAsync("nbdinfo", "--size", $"nbd://127.0.0.1:{port}/img")).Code == 0, "qemu-nbd serves", TimeSpan.FromSeconds(20));
            var (uri, name) = await NewExportAsync(new NbdOrigin($"nbd://127.0.0.1:{port}/img"));
            if (clients == 1)
            {
                Assert.Contains("can_multi_conn", (await RunAsync("qemu-img", "info", uri)).Text);
            }
            else
            {
                (await RunAsync("qemu-io", "-f", "raw", "-c", "write -P 7 4096 8192", "-c", "write -P 8 512 512", "-c", "read -P 7 4096 8192", "-c", "flush", uri)).Succeeds();
                var bytes = await File.ReadAllBytesAsync(image);
                Assert.True(!bytes.AsSpan(4096, 8192).ContainsAnyExcept((byte)7) && !bytes.AsSpan(512, 512).ContainsAnyExcept((byte)8));
                Assert.Contains("8388608", (await RunAsync("nbdinfo", "--map", uri)).Succeeds().Text);
            }

            await Exports.RemoveAsync(name);
            serving.Kill();
            await serving.WaitForExitAsync();
            OwnedProcesses.Remove(serving.Id);
        }
    }

    [Fact]
    public async Task Fio_verifies_a_backing_and_it_holds_what_the_pool_forgets()
    {
        using var folder = new TestFolder();
        var path = folder.Combine("disk");
        var (uri, name) = await NewExportAsync(new NbdOrigin(path, IsBacking: true), 32 << 20, options: new PoolOptions { QuotaPages = 500 });
        (await RunAsync("fio", "--name=v", "--ioengine=nbd", $"--uri={uri}", "--rw=randwrite", "--bs=4k", "--iodepth=32", "--size=32m", "--io_size=16m", "--verify=crc32c", "--verify_fatal=1", "--randseed=7")).Succeeds();
        (await RunAsync(
            "fio", "--name=u", "--ioengine=nbd", $"--uri={uri}", "--rw=randwrite", "--bsrange=512-12k", "--bs_unaligned=0", "--blockalign=512", "--iodepth=16", "--size=2m", "--numjobs=4", "--offset_increment=8m", "--verify=crc32c", "--verify_fatal=1",
            "--thread")).Succeeds();
        (await RunAsync("qemu-img", "compare", "-f", "raw", "-F", "raw", path, uri)).Succeeds();
        Assert.Contains("hole,zero", (await RunAsync("nbdinfo", "--map", "--totals", uri)).Succeeds().Text);
        await Exports.ResizeAsync(name, 48 << 20);
        Assert.Contains($"{48 << 20}", (await RunAsync("nbdinfo", "--size", uri)).Succeeds().Text);
        Assert.Equal(48 << 20, new FileInfo(path).Length);
        (await RunAsync("qemu-io", "-f", "raw", "-c", "write -P 9 40M 1M", "-c", "read -P 9 40M 1M", uri)).Succeeds();
    }

    [Fact]
    public async Task A_node_that_cannot_serve_an_export_says_why_in_the_handshake_and_in_its_log()
    {
        await using var server = new OriginServer(1 << 20) { IsReadOnly = true };
        using var folder = new TestFolder();
        var odd = folder.Combine("odd");
        await File.WriteAllBytesAsync(odd, new byte[1000]);
        await RefusedAsync("grid.nbd.origins", new NbdOrigin("/etc/hostname"));
        await RefusedAsync("/no.such.file", new NbdOrigin(Path.GetTempPath() + "/no.such.file"));
        await RefusedAsync("multiple of the sector size", new NbdOrigin(odd));
        await RefusedAsync("is read-only", new NbdOrigin(server.Uri));
        await RefusedAsync("no export 'images'", new NbdOrigin(server.Uri + "s"));
        await RefusedAsync($"has {1 << 20} bytes, the export {2 << 20}", new NbdOrigin(server.Uri), 2 << 20, readOnly: true);
        await RefusedAsync("refused", new NbdOrigin($"nbd://127.0.0.1:{PostgresTools.FreePort()}/x"));
    }

    [Fact]
    public async Task A_backing_outlives_the_node_and_a_full_disk_is_no_space_and_not_wrong_bytes()
    {
        const int Pages = 200;
        using var folder = new TestFolder();
        await using var node = await NodeProcess.StartAsync(NbdNode.Setup with { ShellPrelude = "trap '' XFSZ" }, Output);
        await using (var client = await node.ConnectAsync()) await new NbdExports(client).CreateWithOriginAsync("disk", new NbdOrigin(folder.Combine("disk"), IsBacking: true), 64 << 20, "disk");
        await using (var peer = await NbdPeer.OpenAsync("127.0.0.1", node.Ports.Nbd!.Value, "disk"))
        {
            for (var page = 0; page < Pages; page++) await peer.WriteAtAsync((ulong)page * 4096, PageBytes.Random((ulong)page));
            // The limit on file sizes stands in for the disk's end.
            (await RunAsync("prlimit", "--pid", $"{node.Pid}", $"--fsize={32 << 20}:unlimited")).Succeeds();
            Assert.Equal(NbdError.NoSpace, (await peer.AskAsync(NbdCommand.Write, 40 << 20, 4096, new byte[4096])).Error);
            Assert.Equal(new byte[4096], (await peer.ReadAtAsync(40 << 20, 4096)).Data);
            await peer.WriteAtAsync(20 << 20, PageBytes.Random(7));
            Assert.Equal(NbdError.None, (await peer.AskAsync(NbdCommand.Flush, 0, 0)).Error);
        }

        await node.Kill9Async();
        await node.RestartAsync();
        await using var again = await NbdPeer.OpenAsync("127.0.0.1", node.Ports.Nbd!.Value, "disk");
        for (var page = 0; page < Pages; page++)
        {
            var (_, data) = await again.ReadAtAsync((ulong)page * 4096, 4096);
            PoolAssertions.AssertSame(PageBytes.Random((ulong)page), data, $"page {page}");
        }

        Assert.Equal(PageBytes.Random(7), (await again.ReadAtAsync(20 << 20, 4096)).Data);
    }

    [Fact]
    public async Task An_origin_s_errors_are_its_clients_and_a_slow_one_is_waited_for()
    {
        var error = NbdError.None;
        await using var server = new OriginServer(4 << 20)
        {
            Before = async request =>
            {
                if (request.Offset == 65536) await Task.Delay(1500);
                return request.Command == NbdCommand.Write ? error : NbdError.None;
            },
        };
        PageBytes.Random(5, 4 << 20).CopyTo(server.Content, 0);
        var (_, name) = await NewExportAsync(new NbdOrigin(server.Uri));
        await using var peer = await NbdPeer.OpenAsync("127.0.0.1", Shared.Port, name);
        Assert.Equal(server.Content[..4096], (await peer.ReadAtAsync(0, 4096)).Data);
        error = NbdError.NoSpace;
        Assert.Equal(NbdError.NoSpace, (await peer.AskAsync(NbdCommand.Write, 0, 4096, new byte[4096])).Error);
        Assert.Equal(server.Content[..4096], (await peer.ReadAtAsync(0, 4096)).Data);
        error = NbdError.Perm;
        Assert.Equal(NbdError.Perm, (await peer.AskAsync(NbdCommand.Write, 0, 4096, new byte[4096])).Error);
        Assert.Equal(server.Content[65536..69632], (await peer.ReadAtAsync(65536, 4096)).Data);
        // Gone, and back within a request's time.
        await server.StopAsync();
        var waiting = peer.ReadAtAsync(1 << 20, 4096);
        await Task.Delay(500);
        Assert.False(waiting.IsCompleted);
        server.Start();
        Assert.Equal(server.Content[(1 << 20)..((1 << 20) + 4096)], (await waiting).Data);
        await Eventually.TrueAsync(() => Shared.Node.Log.Lines().Any(line => line.Contains("Connected again to origin", StringComparison.Ordinal)), "the log says so", TimeSpan.FromSeconds(10));
    }

    private async Task RefusedAsync(string why, NbdOrigin origin, long bytes = 0, bool readOnly = false)
    {
        var (uri, name) = await NewExportAsync(origin, bytes, readOnly);
        var refused = await RunAsync("qemu-img", "info", uri);
        await Exports.RemoveAsync(name);
        Assert.NotEqual(0, refused.Code);
        Assert.Contains(why, refused.Text);
        await Eventually.TrueAsync(
            () => Shared.Node.Log.Lines().Any(line => line.Contains(name, StringComparison.Ordinal) && line.Contains(why, StringComparison.Ordinal)), $"the log says of {name} '{why}'", TimeSpan.FromSeconds(10));
    }

    private static async Task<string> HashAsync(string path)
    {
        await using var file = File.OpenRead(path);
        return Convert.ToHexString(await SHA256.HashDataAsync(file));
    }
}
