using System.Diagnostics;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cluster;

/// <summary>Real nodes with TLS between them: who gets in, who does not, and how certificates and authorities are exchanged while clients work.</summary>
[Collection(SeveralNodes.Name)]
public sealed class ClusterTlsTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>, IDisposable
{
    private const int ClusterPort = 7072;
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(30);
    private readonly TestFolder _folder = new();
    private readonly TestAuthority _ours = new("ours");
    private readonly TestAuthority _theirs = new("theirs");

    public void Dispose()
    {
        _ours.Dispose();
        _theirs.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task Nodes_of_one_authority_form_a_cluster_and_nobody_else_gets_in()
    {
        var files = new TlsFiles(_folder);
        await using var cluster = await ClusterOfNodes.StartAsync(server, 2, output, setup =>
        {
            files.Write(setup.Host, _ours, _ours);
            return files.Use(setup);
        });
        var (_, status) = await cluster.Nodes[0].HttpGetAsync("/api/v1/status");
        Assert.Contains("akka.ssl.tcp://", status, StringComparison.Ordinal);
        await using var client = await cluster.ConnectAsync();
        var pool = await client.CreatePoolAsync("p", new PoolOptions { Kind = PoolKind.Persistent, Sharing = PoolSharing.Shared });
        for (var i = 0ul; i < 30; i++) await pool.StoreAsync(ObjectId.FromUInt64(i), 0, PageBytes.Random(i));

        // It would believe the members; they must not believe it, neither when it calls nor when it is called.
        var clock = Stopwatch.StartNew();
        var stranger = cluster.SetupOf(8);
        files.Write(stranger.Host, _theirs, _ours, _theirs);
        await using var withAnother = NodeProcess.Launch(files.Use(stranger), output);
        await using var withNone = NodeProcess.Launch(cluster.SetupOf(9), output);
        await Eventually.TrueAsync(
            () => withAnother.Log.Contains("does not answer") && withNone.Log.Contains("does not answer")
                && cluster.Nodes.All(node => node.Log.Contains("Certificate chain validation failed") && node.Log.Contains("not an SSL/TLS record")),
            "both say that nobody answers, and the members why", Soon, () => $"{withAnother.Log.Tail()}\n{withNone.Log.Tail()}\n{cluster.Nodes[0].Log.Tail()}");
        output.WriteLine($"told after {clock.Elapsed.TotalSeconds:0.0} s");
        Assert.False(withAnother.Serves || withNone.Serves);
        await cluster.AllSeeAsync(2);
        for (var i = 0ul; i < 30; i++) await pool.AssertHoldsAsync(ObjectId.FromUInt64(i), 0, PageBytes.Random(i));

        using var member = files.Certificate(cluster.SetupOf(1).Host);
        using var foreign = files.Certificate(stranger.Host);
        Assert.True(await IsLetInAsync(cluster.SetupOf(1).Host, member));
        Assert.False(await IsLetInAsync(cluster.SetupOf(1).Host, foreign));
        Assert.False(await IsLetInAsync(cluster.SetupOf(1).Host, null));
    }

    [Fact]
    public async Task Certificates_and_the_authority_are_exchanged_by_rolling_restarts_while_clients_work()
    {
        var files = new TlsFiles(_folder);
        await using var cluster = await ClusterOfNodes.StartAsync(server, 2, output, setup =>
        {
            files.Write(setup.Host, _ours, _ours, _theirs);
            return files.Use(setup);
        });
        await using var load = await ClusterLoad.StartAsync(cluster, clients: 1, workersPerClient: 4);
        await RollAsync("certificates of the new authority", _theirs, _ours, _theirs);
        await RollAsync("new certificates once more, and the old authority is trusted no more", _theirs, _theirs);
        await load.StopAsync();
        output.WriteLine($"{load.Operations} operations, longest call {load.Longest.TotalMilliseconds:0} ms, {load.Unknown} unknown");
        load.AssertNoFailures();
        load.AssertNothingUnknown();
        Assert.True(load.Operations > 1000, $"{load.Operations} operations are no load");

        async Task RollAsync(string what, TestAuthority authority, params TestAuthority[] trusted)
        {
            var clock = Stopwatch.StartNew();
            for (var i = 0; i < cluster.Nodes.Count; i++)
            {
                files.Write(cluster.SetupOf(i + 1).Host, authority, trusted);
                Assert.Equal(0, await cluster.Nodes[i].TerminateAsync());
                await cluster.Nodes[i].RestartAsync();
                await cluster.AllSeeAsync(2);
            }

            output.WriteLine($"{what}: {clock.Elapsed.TotalSeconds:0.0} s");
        }
    }

    /// <summary>Whether a connection with this certificate stays open. A server of TLS 1.3 refuses after the client's handshake is done: it closes.</summary>
    private static async Task<bool> IsLetInAsync(string host, X509Certificate2? certificate)
    {
        using var socket = new TcpClient();
        await socket.ConnectAsync(host, ClusterPort);
        await using var stream = new SslStream(socket.GetStream(), leaveInnerStreamOpen: false, (_, _, _, _) => true);
        try
        {
            await stream.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = host, LocalCertificateSelectionCallback = (_, _, _, _, _) => certificate! });
            using var silence = new CancellationTokenSource(TimeSpan.FromSeconds(1));
            try
            {
                return await stream.ReadAsync(new byte[1], silence.Token) > 0;
            }
            catch (OperationCanceledException)
            {
                return true;
            }
        }
        catch (Exception refused) when (refused is AuthenticationException or IOException)
        {
            return false;
        }
    }
}
