using System.Net;
using System.Net.Sockets;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Client.Support;
using Xunit;

namespace Grid.Tests.Client;

/// <summary>Connecting: what the client says, and what it makes of refusals and strangers.</summary>
public sealed class HandshakeTests : ClientTest
{
    [Fact]
    public async Task The_hello_says_who_the_client_is()
    {
        var node = StartNode();
        await ConnectAsync(node, "?tenant=acme&credential=secret&member=m1&single-address=true");
        var hello = Assert.Single(node.Hellos);
        Assert.Equal(("acme", "secret", "m1", true, 1ul), (hello.Tenant, hello.Credential, hello.Member, hello.SingleAddress, hello.Epoch));
        Assert.NotEqual(Guid.Empty, hello.Session);
    }

    [Theory]
    [InlineData(Status.UnsupportedVersion, typeof(GridProtocolException))]
    [InlineData(Status.Malformed, typeof(GridProtocolException))]
    [InlineData(Status.NotAllowed, typeof(NotAllowedException))]
    [InlineData(Status.NotServing, typeof(GridUnavailableException))]
    public async Task A_refused_hello_ends_the_attempt_with_the_nodes_words(Status status, Type type)
    {
        var node = StartNode();
        node.RefuseHello = (status, "the words of the node");
        var failure = await Assert.ThrowsAnyAsync<GridException>(() => ConnectAsync(node));
        Assert.Equal((type, CallOutcome.NotApplied), (failure.GetType(), failure.Outcome));
        Assert.Contains("the words of the node", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_version_the_client_did_not_offer_is_refused()
    {
        var node = StartNode();
        node.Hello = node.Hello with { Version = 77 };
        var failure = await Assert.ThrowsAsync<GridProtocolException>(() => ConnectAsync(node));
        Assert.Contains("77", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_window_of_nothing_or_a_grid_without_shards_is_refused()
    {
        var node = StartNode();
        var good = node.Hello;
        node.Hello = good with { WindowRequests = 0 };
        await Assert.ThrowsAsync<GridProtocolException>(() => ConnectAsync(node));
        node.Hello = good with { ShardCount = uint.MaxValue };
        await Assert.ThrowsAsync<GridProtocolException>(() => ConnectAsync(node));
    }

    [Fact]
    public async Task Nobody_there_is_unavailable_and_names_the_addresses()
    {
        var (one, two) = (FreePort(), FreePort());
        var failure = await Assert.ThrowsAsync<GridUnavailableException>(async () => await GridClient.ConnectAsync($"grid://127.0.0.1:{one},127.0.0.1:{two}"));
        Assert.Contains($":{one}", failure.Message, StringComparison.Ordinal);
        Assert.Contains($":{two}", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_first_address_that_answers_is_taken()
    {
        var node = StartNode();
        var client = Own(await GridClient.ConnectAsync($"grid://127.0.0.1:{FreePort()},{node.Address}"));
        Assert.Equal(node.Address, client.Server.NodeAddress);
    }

    [Fact]
    public async Task Silence_ends_with_the_connect_timeout()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var failure = await Assert.ThrowsAsync<GridUnavailableException>(
            async () => await GridClient.ConnectAsync($"grid://{listener.LocalEndPoint}?connect-timeout=200ms"));
        Assert.Contains("0.2 s", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_is_no_grid_node_is_told_apart()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        var connecting = GridClient.ConnectAsync($"grid://{listener.LocalEndPoint}").AsTask();
        using var stranger = await listener.AcceptAsync();
        await stranger.SendAsync("HTTP/1.1 400 Bad Request\r\n\r\n"u8.ToArray());
        await FailureOf<GridProtocolException>(connecting);
    }

    [Fact]
    public async Task Connecting_can_be_cancelled()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen();
        using var cancellation = new CancellationTokenSource(100);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await GridClient.ConnectAsync($"grid://{listener.LocalEndPoint}", cancellation.Token));
    }

    private static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }
}
