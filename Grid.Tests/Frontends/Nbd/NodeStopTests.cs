using System.Security.Cryptography.X509Certificates;
using Grid.Client;
using Grid.Node.Frontends.Nbd;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>What becomes of devices when their node stops, dies, or has a certificate.</summary>
public sealed class NodeStopTests(ITestOutputHelper output)
{
    [Fact]
    public async Task A_stop_answers_what_was_asked_and_what_was_acknowledged_is_there_after_it_and_after_a_crash()
    {
        await using var node = await NodeProcess.StartAsync(NbdNode.Setup, output);
        await CreateAsync(node, "disk", 8 << 20);
        var peer = await NbdPeer.OpenAsync("127.0.0.1", node.Ports.Nbd!.Value, "disk");
        var acknowledged = 0;
        var writing = Task.Run(async () =>
        {
            try
            {
                for (; ; Interlocked.Increment(ref acknowledged)) await peer.WriteAtAsync((ulong)(acknowledged % 2048 * 4096), PageBytes.Random((ulong)acknowledged));
            }
            catch (IOException)
            {
                return acknowledged;
            }
        });
        await Eventually.TrueAsync(() => Volatile.Read(ref acknowledged) >= 20, "some writes are acknowledged", TimeSpan.FromSeconds(60));
        Assert.Equal(0, await node.TerminateAsync());
        var count = await writing;
        await peer.DisposeAsync();
        await node.RestartAsync();
        await AssertHoldsAsync(node, count);
        await node.Kill9Async();
        await node.RestartAsync();
        await AssertHoldsAsync(node, count);
    }

    [Fact]
    public async Task A_client_that_reconnects_goes_on_when_its_node_was_killed_and_is_back()
    {
        var port = PostgresTools.FreePort();
        await using var node = await NodeProcess.StartAsync(NbdNode.Setup.With("grid.nbd.port", $"{port}"), output);
        await CreateAsync(node, "disk", 64 << 20);
        var running = Tool.RunAsync(
            output, "qemu-io", "--image-opts", $"driver=nbd,server.type=inet,server.host=127.0.0.1,server.port={port},export=disk,reconnect-delay=100",
            "-c", "write -P 1 0 1M", "-c", "sleep 2000", "-c", "write -P 2 512k 1M", "-c", "read -P 1 0 512k", "-c", "read -P 2 512k 1M", "-c", "flush");
        await using (var client = await node.ConnectAsync())
        {
            var pool = await client.OpenPoolAsync("nbd-disk");
            await Eventually.TrueAsync(async () => (await pool.ReadAsync(NbdExport.ObjectOf(0), 255)).Hit, "the first write is there", TimeSpan.FromSeconds(30));
        }

        await node.Kill9Async();
        await node.RestartAsync();
        var run = (await running).Succeeds();
        Assert.DoesNotContain("failed", run.Text, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(2, run.Text.Split("read 1048576/1048576").Length);
    }

    [Fact]
    public async Task With_a_certificate_devices_are_served_over_TLS_to_clients_with_one()
    {
        using var folder = new TestFolder();
        using var authority = new TestAuthority("nbd authority");
        using var stranger = new TestAuthority("strange authority");
        foreach (var (name, issuer) in (ValueTuple<string, TestAuthority>[])[("own", authority), ("strange", stranger)])
        {
            var clients = Directory.CreateDirectory(folder.Combine(name)).FullName;
            using var certificate = issuer.Issue(names => names.AddIpAddress(System.Net.IPAddress.Loopback));
            await File.WriteAllTextAsync(Path.Combine(clients, "ca-cert.pem"), authority.Pem);
            await File.WriteAllTextAsync(Path.Combine(clients, "client-cert.pem"), certificate.ExportCertificatePem());
            await File.WriteAllTextAsync(Path.Combine(clients, "client-key.pem"), certificate.GetECDsaPrivateKey()!.ExportPkcs8PrivateKeyPem());
        }

        await using var node = await NodeProcess.StartAsync(
            NbdNode.Setup
                .With("grid.nbd.tls.certificate-file", folder.Combine("own/client-cert.pem")).With("grid.nbd.tls.key-file", folder.Combine("own/client-key.pem"))
                .With("grid.nbd.tls.client-authority-file", folder.Combine("own/ca-cert.pem")),
            output);
        await CreateAsync(node, "disk", 64 << 20);
        var image = folder.Combine("image");
        var bytes = new byte[20 << 20];
        new Random(3).NextBytes(bytes);
        await File.WriteAllBytesAsync(image, bytes);
        string Uri(string certificates) => $"nbds://127.0.0.1:{node.Ports.Nbd}/disk?tls-certificates={folder.Combine(certificates)}";
        (await Tool.RunAsync(output, "nbdcopy", image, Uri("own"))).Succeeds();
        Assert.Contains("protocol: newstyle-fixed with TLS", (await Tool.RunAsync(output, "nbdinfo", Uri("own"))).Succeeds().Text);
        (await Tool.NbdshAsync(output, "-c", "h.set_uri_allow_local_file(True)", "-c", $"h.connect_uri('{Uri("own")}')", "-c", $"assert h.pread({1 << 20}, {5 << 20}) == open('{image}', 'rb').read()[{5 << 20}:{6 << 20}]")).Succeeds();
        Assert.NotEqual(0, (await Tool.RunAsync(output, "nbdinfo", $"nbd://127.0.0.1:{node.Ports.Nbd}/disk")).Code);
        Assert.NotEqual(0, (await Tool.RunAsync(output, "nbdinfo", Uri("strange"))).Code);
    }

    private static async Task CreateAsync(NodeProcess node, string name, long bytes)
    {
        await using var client = await node.ConnectAsync();
        await new NbdExports(client).CreateAsync(name, bytes, $"nbd-{name}");
    }

    /// <summary>The pages written in order have the newest number each; the one after the last acknowledged one may be there.</summary>
    private static async Task AssertHoldsAsync(NodeProcess node, int count)
    {
        await using var peer = await NbdPeer.OpenAsync("127.0.0.1", node.Ports.Nbd!.Value, "disk");
        for (var at = 0; at < Math.Min(count, 2048); at++)
        {
            var newest = at + ((count - 1 - at) / 2048 * 2048);
            var (error, page) = await peer.ReadAtAsync((ulong)(at * 4096), 4096);
            Assert.Equal(NbdError.None, error);
            var found = PageBytes.NumberOf(page);
            Assert.True(found == (ulong)newest || (count % 2048 == at && found == (ulong)count), $"page {at} has number {found}, {newest} was acknowledged");
            Assert.Equal(PageBytes.Random(found), page);
        }
    }
}
