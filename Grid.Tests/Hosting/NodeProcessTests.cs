using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Grid.Client;
using Grid.Node.Hosting;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Hosting;

public sealed class NodeProcessTests
{
    [Fact]
    public async Task A_node_serves_tells_its_state_and_ends_with_0_on_SIGTERM()
    {
        using var directory = new TempDirectory();
        await using var node = await NodeUnderTest.StartAsync(directory, "--set", "grid.node.name=alpha");
        Assert.Contains($"grid node alpha serving data on 127.0.0.1:{node.DataPort}, admin on http://127.0.0.1:{node.AdminPort} (memory limit 256 MiB, journal sqlite", await BannerAsync(node));

        Assert.Equal(200, (await node.GetAsync("/health/live")).Status);
        var (status, body) = await node.GetAsync("/health/ready");
        Assert.True(status == 200, body);
        using var ready = JsonDocument.Parse(body);
        Assert.Contains(ready.RootElement.GetProperty("checks").EnumerateArray(), check => check.GetProperty("name").GetString() == "cluster");

        using var state = JsonDocument.Parse((await node.GetAsync("/api/v1/status")).Body);
        Assert.Equal("alpha", state.RootElement.GetProperty("name").GetString());
        Assert.Equal("serving", state.RootElement.GetProperty("phase").GetString());
        Assert.Equal($"127.0.0.1:{node.DataPort}", state.RootElement.GetProperty("addresses").GetProperty("public").GetString());
        Assert.Equal($"127.0.0.1:{node.ClusterPort}", state.RootElement.GetProperty("addresses").GetProperty("cluster").GetString());
        Assert.Equal("Up", Assert.Single(state.RootElement.GetProperty("members").EnumerateArray()).GetProperty("status").GetString());

        var metrics = (await node.GetAsync("/metrics")).Body;
        Assert.Contains("grid_memory_limit_bytes", metrics);
        Assert.Contains("grid_gateway_connections_opened_total", metrics);
        Assert.Contains("dotnet_gc_heap_total_allocated_bytes_total", metrics);
        Assert.Equal(404, (await node.GetAsync("/nothing/here")).Status);

        node.Signal("TERM");
        var exit = await node.WaitAsync();
        Assert.True(exit == ExitCodes.Ok, node.Output);
        Assert.DoesNotContain("fail:", node.Output);
    }

    [Fact]
    public async Task A_node_listens_where_it_is_told_and_goes_by_a_name_that_this_machine_does_not_know()
    {
        using var directory = new TempDirectory();
        await using var node = await NodeUnderTest.StartAsync(directory, "--set", "grid.cluster.host=alpha.invalid", "--set", "grid.cluster.bind-host=127.0.0.3");
        using var state = JsonDocument.Parse((await node.GetAsync("/api/v1/status")).Body);
        Assert.Equal($"akka.tcp://grid@alpha.invalid:{node.ClusterPort}", Assert.Single(state.RootElement.GetProperty("members").EnumerateArray()).GetProperty("address").GetString());
        using var peer = new TcpClient();
        await peer.ConnectAsync(IPAddress.Parse("127.0.0.3"), node.ClusterPort);
    }

    [Theory]
    [InlineData("host", "alpha.invalid")]
    [InlineData("bind-host", "alpha.invalid")]
    [InlineData("bind-host", "192.0.2.1")]
    public async Task An_address_to_listen_on_that_cannot_be_had_is_one_clear_line(string setting, string value)
    {
        using var directory = new TempDirectory();
        await RefusedAsync(ExitCodes.Surroundings, $"grid.cluster.{setting}:", [.. NodeUnderTest.TestArguments(directory), "--set", $"grid.cluster.{setting}={value}", "--set", "grid.cluster.port=7072"]);
    }

    [Fact]
    public async Task A_node_on_an_IPv6_address_tells_clients_an_address_that_they_understand()
    {
        await using var node = await Harness.NodeProcess.StartAsync(NodeSetup.Default.With("grid.gateway.host", "::1"));
        var address = $"[::1]:{node.Ports.Data}";
        var (_, status) = await node.HttpGetAsync("/api/v1/status");
        Assert.Contains($"\"{address}\"", status, StringComparison.Ordinal);
        await using var client = await GridClient.ConnectAsync($"grid://{address}?timeout=10s");
        var pool = await client.CreatePoolAsync("p", new PoolOptions { Kind = PoolKind.Ephemeral });
        await pool.StoreAsync(ObjectId.FromUInt64(1), 0, PageBytes.Random(1));
        await pool.AssertHoldsAsync(ObjectId.FromUInt64(1), 0, PageBytes.Random(1));
        var topology = await client.GetTopologyAsync();
        Assert.Equal(address, Assert.Single(topology.Nodes).DataAddress);
    }

    [Theory]
    [InlineData("db-1", "db-1:7070")]
    [InlineData("10.0.0.1", "10.0.0.1:7070")]
    [InlineData("fd00::1", "[fd00::1]:7070")]
    [InlineData("[fd00::1]", "[fd00::1]:7070")]
    public void An_address_with_its_port_is_written_as_it_is_read(string host, string text) => Assert.Equal(text, Binding.Text(host, 7070));

    [Fact]
    public async Task A_killed_node_leaves_its_data_directory_free()
    {
        using var directory = new TempDirectory();
        await using (var node = await NodeUnderTest.StartAsync(directory))
        {
            node.Signal("KILL");
            Assert.NotEqual(ExitCodes.Ok, await node.WaitAsync());
        }
        await using var next = await NodeUnderTest.StartAsync(directory);
        Assert.Equal(200, (await next.GetAsync("/health/ready")).Status);
    }

    [Fact]
    public async Task A_connection_that_stays_does_not_hold_up_the_stop()
    {
        using var directory = new TempDirectory();
        await using var node = await NodeUnderTest.StartAsync(directory);
        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, node.DataPort);
        node.Signal("TERM");
        var exit = await node.WaitAsync();
        Assert.True(exit == ExitCodes.Ok, node.Output);
    }

    [Fact]
    public async Task A_second_node_on_the_same_data_directory_is_refused_by_name()
    {
        using var directory = new TempDirectory();
        await using var node = await NodeUnderTest.StartAsync(directory);
        await RefusedAsync(ExitCodes.Surroundings, "grid.node.data-directory", NodeUnderTest.TestArguments(directory));
    }

    [Theory]
    [InlineData("grid.gateway.port")]
    [InlineData("grid.admin.port")]
    [InlineData("grid.cluster.port")]
    public async Task A_port_in_use_is_one_clear_line(string setting)
    {
        using var directory = new TempDirectory();
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        var address = taken.LocalEndpoint.ToString()!;
        var line = await RefusedAsync(ExitCodes.Surroundings, setting,
            [.. NodeUnderTest.TestArguments(directory), "--set", $"{setting}={((IPEndPoint)taken.LocalEndpoint).Port}"]);
        Assert.Contains(address, line);
        Assert.Contains("in use", line);
    }

    [Fact]
    public async Task A_data_directory_that_cannot_be_written_is_one_clear_line()
    {
        using var directory = new TempDirectory();
        directory.Write("file", "");
        await RefusedAsync(ExitCodes.Surroundings, "grid.node.data-directory",
            [.. NodeUnderTest.TestArguments(directory), "--set", "grid.node.data-directory=file/data"]);
    }

    [Fact]
    public async Task A_wrong_setting_is_one_clear_line()
    {
        await RefusedAsync(ExitCodes.BadSettings, "grid.gateway.prot", ["--set", "grid.gateway.prot=1"]);
    }

    [Fact]
    public async Task The_effective_configuration_is_printed_without_starting_anything()
    {
        var (exit, output, errors) = await NodeUnderTest.RunAsync(["--print-config", "--set", "grid.admin.port=1"], ("GRID__GATEWAY__ECHO", "on"));
        Assert.Equal((ExitCodes.Ok, ""), (exit, errors));
        Assert.Contains("grid.gateway.echo = \"on\"  # environment GRID__GATEWAY__ECHO", output);
        Assert.Contains("grid.admin.port = \"1\"  # --set", output);
    }

    private static async Task<string> RefusedAsync(int exitCode, string name, string[] arguments)
    {
        var (exit, output, errors) = await NodeUnderTest.RunAsync(arguments);
        Assert.Equal((exitCode, ""), (exit, output));
        var line = Assert.Single(errors.TrimEnd().Split('\n'));
        Assert.StartsWith($"grid node: ", line);
        Assert.Contains(name, line);
        return line;
    }

    /// <summary>The ports file comes just before the banner, and output is read behind it.</summary>
    private static async Task<string> BannerAsync(NodeUnderTest node)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (!node.Output.Contains("serving data on")) await Task.Delay(10, patience.Token);
        return node.Output;
    }
}
