using System.Security.Cryptography;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>Clients as people use them: libnbd's, QEMU's and fio's.</summary>
public sealed class ClientTests(NbdNode shared, ITestOutputHelper output) : NbdTest(shared, output)
{
    [Fact]
    public async Task Nbdinfo_shows_exports_sizes_flags_and_the_map()
    {
        var (uri, _) = await NewExportAsync(64 << 20);
        var info = (await RunAsync("nbdinfo", uri)).Succeeds().Text;
        foreach (var line in (string[])["export-size: 67108864", "can_multi_conn: true", "can_fua: true", "can_flush: true", "can_trim: true", "can_zero: true", "can_fast_zero: true", "can_df: true", "is_read_only: false", "block_size_minimum: 512", "block_size_preferred: 4096", "block_size_maximum: 33554432", "base:allocation"])
            Assert.Contains(line, info);
        var (readOnly, _) = await NewExportAsync(1 << 20, new PoolOptions { PageSizeBytes = 65536 }, readOnly: true);
        info = (await RunAsync("nbdinfo", readOnly)).Succeeds().Text;
        Assert.Contains("is_read_only: true", info);
        Assert.Contains("block_size_preferred: 65536", info);

        // Two pages across the border of two objects, and one at the end.
        (await RunAsync("qemu-io", "-f", "raw", "-c", "write -P 1 16773120 8192", "-c", "write -P 2 67104768 4096", uri)).Succeeds();
        var map = (await RunAsync("nbdinfo", "--map", uri)).Succeeds().Text.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => string.Join(' ', line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[..3]));
        Assert.Equal(["0 16773120 3", "16773120 8192 0", "16781312 50323456 3", "67104768 4096 0"], map);
        Assert.NotEqual(0, (await RunAsync("nbdinfo", Shared.Uri("nothing"))).Code);
    }

    [Fact]
    public async Task Nbdinfo_lists_the_exports()
    {
        // It opens every one of them, also those that other tests made of what is there no more.
        await using var node = await NodeProcess.StartAsync(NbdNode.Setup, Output);
        await using (var client = await node.ConnectAsync())
            foreach (var name in (string[])["one", "two"]) await new NbdExports(client).CreateAsync(name, 1 << 20, name);
        var list = (await RunAsync("nbdinfo", "--list", $"nbd://127.0.0.1:{node.Ports.Nbd}/")).Succeeds().Text;
        Assert.Contains("export=\"one\"", list);
        Assert.Contains("export=\"two\"", list);
    }

    [Fact]
    public async Task An_image_is_copied_in_and_out_over_many_connections_unchanged()
    {
        const int Bytes = 256 << 20;
        var (uri, _) = await NewExportAsync(Bytes);
        using var folder = new TestFolder();
        var (image, copy) = (folder.Combine("image"), folder.Combine("copy"));
        await MakeImageAsync(image, Bytes);
        (await RunAsync("nbdcopy", "--connections=4", "--requests=32", image, uri)).Succeeds();
        (await RunAsync("nbdcopy", "--connections=4", uri, copy)).Succeeds();
        Assert.Equal(await HashAsync(image), await HashAsync(copy));
        (await RunAsync("qemu-img", "compare", "-f", "raw", "-F", "raw", image, uri)).Succeeds();
        // Holes went in as holes, and come out as such.
        var map = (await RunAsync("nbdinfo", "--map", "--totals", uri)).Succeeds().Text;
        Assert.Contains("hole,zero", map);
        File.Delete(copy);
        (await RunAsync("qemu-img", "convert", "-f", "raw", "-O", "raw", uri, copy)).Succeeds();
        Assert.Equal(await HashAsync(image), await HashAsync(copy));
        (await RunAsync("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", "-W", copy, uri)).Succeeds();
        (await RunAsync("qemu-img", "compare", "-f", "raw", "-F", "raw", image, uri)).Succeeds();
    }

    [Fact]
    public async Task Qemu_io_patterns_of_unaligned_writes_zeroes_discards_and_fua_read_back()
    {
        var (uri, _) = await NewExportAsync(48 << 20);
        string[] steps =
        [
            "write -P 0x11 0 1M", "write -P 0x22 512 512", "write -f -P 0x33 5120 1024", "write -P 0x44 16776704 1024", "write -z 8192 12800", "discard 65536 65536", "discard 70144 512",
            "write -z -u 131072 4608", "write -z -f 200704 4096", "flush", "write -P 0x55 262144 33554432",
            "read -P 0x11 0 512", "read -P 0x22 512 512", "read -P 0x11 1024 4096", "read -P 0x33 5120 1024", "read -P 0x11 6144 2048", "read -P 0 8192 12800", "read -P 0x11 20992 44544",
            "read -P 0 65536 65536", "read -P 0 131072 4608", "read -P 0x11 135680 65024", "read -P 0 200704 4096", "read -P 0x11 204800 57344", "read -P 0x55 262144 16514560", "read -P 0x55 16776704 1024", "read -P 0 33816576 1M",
        ];
        var run = (await RunAsync("qemu-io", [.. new[] { "-f", "raw" }, .. steps.SelectMany(step => new[] { "-c", step }), uri])).Succeeds();
        Assert.DoesNotContain("Pattern verification failed", run.Text);
        Assert.DoesNotContain("error", run.Text, StringComparison.OrdinalIgnoreCase);
        // The other way round, so that a test of patterns that cannot fail is found out.
        Assert.Contains("Pattern verification failed", (await RunAsync("qemu-io", "-f", "raw", "-c", "read -P 0x12 0 512", uri)).Text);
    }

    [Fact]
    public async Task Fio_verifies_random_writes_of_many_in_flight()
    {
        var (uri, _) = await NewExportAsync(64 << 20);
        var run = await RunAsync("fio", "--name=v", "--ioengine=nbd", $"--uri={uri}", "--rw=randwrite", "--bs=4k", "--iodepth=32", "--size=64m", "--io_size=32m", "--verify=crc32c", "--verify_fatal=1", "--randseed=7");
        run.Succeeds();
        Assert.Contains("err= 0", run.Text);
        // Sizes that are no multiples of pages, on four connections at once, each in its own part.
        (await RunAsync(
            "fio", "--name=u", "--ioengine=nbd", $"--uri={uri}", "--rw=randwrite", "--bsrange=512-12k", "--bs_unaligned=0", "--blockalign=512", "--iodepth=16", "--size=4m", "--numjobs=4", "--offset_increment=8m", "--verify=crc32c", "--verify_fatal=1",
            "--thread")).Succeeds();
    }

    [Fact]
    public async Task Nbdsh_finds_every_command_flag_and_error_as_the_protocol_says()
    {
        var (uri, _) = await NewExportAsync(1 << 20);
        var (readOnly, _) = await NewExportAsync(1 << 20, readOnly: true);
        var script = $$"""
            import errno
            def fails(what, code, *args, **kw):
                try:
                    what(*args, **kw)
                except nbd.Error as ex:
                    assert ex.errnum == code, (what, ex)
                    return
                assert False, (what, "did not fail")
            def connected(uri):
                n = nbd.NBD()
                n.set_strict_mode(0)
                n.add_meta_context(nbd.CONTEXT_BASE_ALLOCATION)
                n.connect_uri(uri)
                return n
            n = connected("{{uri}}")
            assert n.get_structured_replies_negotiated() and n.can_meta_context("base:allocation")
            n.pwrite(b"x" * 512, 512, nbd.CMD_FLAG_FUA)
            assert n.pread(2048, 0) == bytes(512) + b"x" * 512 + bytes(1024)
            assert n.pread(65536, 0, nbd.CMD_FLAG_DF)[512:1024] == b"x" * 512
            chunks = []
            n.pread_structured(8192, 4096, lambda buf, off, status, err: chunks.append((off, status)))
            assert chunks == [(4096, nbd.READ_HOLE)], chunks
            extents = []
            n.block_status(1 << 20, 0, lambda ctx, off, e, err: extents.append((ctx, off, list(e))))
            assert extents == [("base:allocation", 0, [4096, 0, (1 << 20) - 4096, 3])], extents
            one = []
            n.block_status(8192, 0, lambda ctx, off, e, err: one.extend(e), nbd.CMD_FLAG_REQ_ONE)
            assert one == [4096, 0], one
            n.zero(4096, 0, nbd.CMD_FLAG_NO_HOLE)
            assert n.pread(4096, 0) == bytes(4096)
            n.zero(4096, 0, nbd.CMD_FLAG_FAST_ZERO)
            fails(n.zero, errno.EOPNOTSUPP, 4096, 0, nbd.CMD_FLAG_FAST_ZERO | nbd.CMD_FLAG_NO_HOLE)
            n.trim(8192, 0, nbd.CMD_FLAG_FUA)
            n.flush()
            fails(n.pread, errno.EINVAL, 512, 1 << 20)
            fails(n.pread, errno.EINVAL, 1024, (1 << 20) - 512)
            fails(n.pread, errno.EINVAL, 100, 0)
            fails(n.pread, errno.EINVAL, 512, 1)
            fails(n.pread, errno.EINVAL, 512, 0, nbd.CMD_FLAG_NO_HOLE)
            fails(n.pwrite, errno.ENOSPC, bytes(1024), (1 << 20) - 512)
            fails(n.pwrite, errno.EINVAL, bytes(512), 0, nbd.CMD_FLAG_DF)
            fails(n.zero, errno.ENOSPC, 1024, (1 << 20) - 512)
            fails(n.trim, errno.EINVAL, 1024, (1 << 20) - 512)
            fails(n.trim, errno.EINVAL, 512, 0, nbd.CMD_FLAG_NO_HOLE)
            fails(n.block_status, errno.EINVAL, 512, 1 << 20, lambda *a: 0)
            fails(n.cache, errno.EINVAL, 512, 0)
            n.pwrite(b"y" * 4096, 8192)
            assert n.pread(4096, 8192) == b"y" * 4096
            n.shutdown()
            r = connected("{{readOnly}}")
            assert r.is_read_only()
            fails(r.pwrite, errno.EPERM, bytes(512), 0)
            fails(r.zero, errno.EPERM, 512, 0)
            fails(r.trim, errno.EPERM, 512, 0)
            assert r.pread(512, 0) == bytes(512)
            r.flush()
            s = nbd.NBD()
            s.set_request_structured_replies(False)
            s.connect_uri("{{uri}}")
            assert not s.get_structured_replies_negotiated() and not s.can_df()
            assert s.pread(4096, 8192) == b"y" * 4096
            o = nbd.NBD()
            o.set_opt_mode(True)
            o.connect_uri("{{uri}}")
            names = []
            o.opt_list(lambda name, description: names.append(name))
            assert len(names) >= 2, names
            o.set_export_name("nothing")
            fails(o.opt_info, errno.ENOENT)
            fails(o.opt_go, errno.ENOENT)
            o.set_export_name("{{uri[(uri.LastIndexOf('/') + 1)..]}}")
            contexts = []
            o.opt_list_meta_context(lambda name: contexts.append(name))
            assert contexts == ["base:allocation"], contexts
            o.opt_info()
            assert o.get_size() == 1 << 20
            o.opt_go()
            assert o.pread(512, 0) == bytes(512)
            o.shutdown()
            a = nbd.NBD()
            a.set_opt_mode(True)
            a.connect_uri("{{uri}}")
            a.opt_abort()
            t = nbd.NBD()
            t.set_tls(nbd.TLS_REQUIRE)
            fails(t.connect_uri, errno.ENOTSUP, "{{uri}}")
            print("all as it must be")
            """;
        Assert.Contains("all as it must be", (await Tool.NbdshAsync(Output, "-c", script)).Succeeds().Text);
    }

    [Fact]
    public async Task Old_clients_enter_by_name_and_write_single_bytes()
    {
        var (_, name) = await NewExportAsync(1 << 20);
        await using var peer = await NbdPeer.OpenAsync("127.0.0.1", Shared.Port, name);
        await peer.WriteAtAsync(4095, "ab"u8.ToArray());
        Assert.Equal([0, .. "ab"u8, 0], (await peer.ReadAtAsync(4094, 4)).Data);
        await peer.SendAsync(NbdBytes.Request(Node.Frontends.Nbd.NbdCommand.Disconnect, 1));
        Assert.True(await peer.ReadToEndAsync());
    }

    [Fact]
    public async Task Who_is_connected_to_an_export_that_is_removed_is_disconnected()
    {
        var (_, name) = await NewExportAsync(1 << 20);
        await using var peer = await NbdPeer.OpenAsync("127.0.0.1", Shared.Port, name);
        await peer.WriteAtAsync(0, new byte[4096]);
        await Exports.RemoveAsync(name);
        await Assert.ThrowsAnyAsync<IOException>(() => peer.ReadAsync(1));
    }

    /// <summary>A file with holes, random bytes and repeated ones.</summary>
    private static async Task MakeImageAsync(string path, long bytes)
    {
        await using var file = File.Create(path);
        file.SetLength(bytes);
        var random = new Random(5);
        var block = new byte[1 << 20];
        for (long at = 0; at < bytes; at += block.Length)
        {
            if (random.Next(3) == 0) continue;
            if (random.Next(4) == 0) block.AsSpan().Fill((byte)random.Next(1, 256));
            else random.NextBytes(block);
            file.Position = at;
            await file.WriteAsync(block.AsMemory(0, random.Next(1, block.Length)));
        }
    }

    private static async Task<string> HashAsync(string path)
    {
        await using var file = File.OpenRead(path);
        return Convert.ToHexString(await SHA256.HashDataAsync(file));
    }
}
