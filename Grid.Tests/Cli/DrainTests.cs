using System.Net;
using System.Net.Sockets;
using Grid.Cli;
using Grid.Tests.Harness;
using Grid.Tests.Hosting;
using Xunit;

namespace Grid.Tests.Cli;

/// <summary>A drain as an operator asks for it, over HTTP.</summary>
public sealed class DrainTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_drained_node_is_not_ready_first_and_then_ends_as_by_a_signal()
    {
        using var directory = new TempDirectory();
        await using var node = await NodeUnderTest.StartAsync(directory, "--set", "grid.node.name=alpha");
        // A client that stays: the node gives it a moment.
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, node.DataPort);
        var ready = new List<int>();
        var draining = CliRun.RunAsync("node", "drain", "--wait", "--admin", $"127.0.0.1:{node.AdminPort}");
        await Eventually.TrueAsync(
            async () =>
            {
                ready.Add((await node.GetAsync("/health/ready")).Status);
                return ready[^1] == 503;
            },
            "the node says that it is not ready", Patience, () => string.Join(' ', ready));
        Assert.Equal(200, (await node.GetAsync("/health/live")).Status);
        var again = (await CliRun.RunAsync("node", "drain", "--admin", $"127.0.0.1:{node.AdminPort}")).Exits(ExitCodes.Ok);
        Assert.StartsWith("alpha drains already: ", again.Output, StringComparison.Ordinal);

        var run = (await draining).Exits(ExitCodes.Ok);
        Assert.StartsWith("alpha drains: answers what it has, commits, ends; nobody is there to take over; within 10 s (grid.stop.timeout)\nalpha is gone after ", run.Output, StringComparison.Ordinal);
        Assert.True(await node.WaitAsync() == 0, node.Output);
        var nobody = (await CliRun.RunAsync("node", "drain", "--admin", $"127.0.0.1:{node.AdminPort}")).Exits(ExitCodes.CannotConnect);
        Assert.Contains("cannot connect to", nobody.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_web_page_cannot_drain_a_node_and_neither_can_a_get()
    {
        using var directory = new TempDirectory();
        await using var node = await NodeUnderTest.StartAsync(directory);
        using var http = new HttpClient();
        var address = new Uri($"http://127.0.0.1:{node.AdminPort}/api/v1/drain");
        using var request = new HttpRequestMessage(HttpMethod.Post, address);
        request.Headers.Add("Origin", "http://example.org");
        using var page = await http.SendAsync(request);
        Assert.Equal(HttpStatusCode.Forbidden, page.StatusCode);
        using var get = await http.GetAsync(address);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, get.StatusCode);
        Assert.Equal(200, (await node.GetAsync("/health/ready")).Status);
    }
}
