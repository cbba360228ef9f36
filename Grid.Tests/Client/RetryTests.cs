using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Client.Support;
using Xunit;

namespace Grid.Tests.Client;

/// <summary>What the client sends again by itself, and what it never does.</summary>
public sealed class RetryTests : ClientTest
{
    [Fact]
    public async Task A_moved_object_is_followed_and_remembered()
    {
        var grid = new MemoryGrid();
        var (first, second) = (StartNode(grid), StartNode(grid));
        var pool = await PoolAsync(first);
        var moves = 0;
        first.Script = async request =>
        {
            if (!request.Opcode.IsObjectOperation()) return false;
            moves++;
            await request.FailAsync(Status.Moved, second.Address);
            return true;
        };
        for (var i = 0u; i < 5; i++) Assert.True((await pool.PutAsync(Object, i, Pages.Random(1))).Stored);
        Assert.Equal(1, moves);
        Assert.Equal(5, grid.PutsApplied);
    }

    [Fact]
    public async Task A_topology_leads_straight_to_the_owner()
    {
        var grid = new MemoryGrid();
        var (first, second) = (StartNode(grid), StartNode(grid));
        var client = await ConnectAsync(first);
        var pool = await client.CreatePoolAsync("pool", Keeping);
        grid.Topology = new Topology(
            [new TopologyNode("a", first.Address, "up"), new TopologyNode("b", second.Address, "up")], Enumerable.Repeat(1, 128).ToArray());
        await client.GetTopologyAsync();
        await pool.PutAsync(Object, 0, Pages.Random(1));
        Assert.Equal(1, Assert.Single(second.Connections).Requests);
        Assert.Equal([1ul, 2ul], first.Hellos.Concat(second.Hellos).Select(hello => hello.Epoch));
        Assert.Single(first.Hellos.Concat(second.Hellos).Select(hello => hello.Session).Distinct());
    }

    [Fact]
    public async Task A_topology_that_nobody_asked_for_leads_straight_to_the_owner_and_one_that_knows_less_takes_nothing_away()
    {
        var grid = new MemoryGrid();
        var (first, second) = (StartNode(grid), StartNode(grid));
        var client = await ConnectAsync(first);
        var pool = await client.CreatePoolAsync("pool", Keeping);
        Assert.True(first.Hellos.Single().WantsTopology);
        var connection = Assert.Single(first.Connections);
        TopologyNode[] nodes = [new("a", first.Address, "up"), new("b", second.Address, "up")];
        foreach (var owner in (int[])[1, -1])
        {
            var body = Grid.Tests.Protocol.Bodies.Write((ref writer) => new Topology(nodes, Enumerable.Repeat(owner, 128).ToArray()).Write(ref writer));
            await connection.SendAsync(FrameHeader.Answer(Opcode.TopologyPush, 0, Status.Ok, body.Length), body);
        }

        await client.PingAsync();
        await pool.PutAsync(Object, 0, Pages.Random(1));
        Assert.Equal(1, Assert.Single(second.Connections).Requests);
    }

    [Fact]
    public async Task A_topology_that_nobody_asked_for_and_that_makes_no_sense_ends_the_connection()
    {
        var node = StartNode();
        var client = await ConnectAsync(node);
        var connection = Assert.Single(node.Connections);
        await connection.SendAsync(FrameHeader.Answer(Opcode.TopologyPush, 0, Status.Ok, 4), new byte[] { 255, 255, 255, 255 });
        await Until(() => node.Hellos.Count == 2, "the client connects anew");
        await client.PingAsync();
    }

    /// <summary>The node takes nothing on the older of a session's connections: a client that went on using it would be sent away for good.</summary>
    [Fact]
    public async Task A_client_whose_way_in_leads_to_an_owner_it_knows_uses_only_the_newest_connection()
    {
        var grid = new MemoryGrid();
        var (first, second) = (ScriptedNode.Start(grid), StartNode(grid));
        var client = Own(await GridClient.ConnectAsync($"grid://{first.Address},{second.Address}"));
        var pool = await client.CreatePoolAsync("pool", Keeping);
        first.Script = async request =>
        {
            if (!request.Opcode.IsObjectOperation()) return false;
            await request.FailAsync(Status.Moved, second.Address);
            return true;
        };
        await pool.PutAsync(Object, 0, Pages.Random(1));
        var older = Assert.Single(second.Connections);
        second.Script = async request =>
        {
            if (request.Connection != older || second.Connections.Count == 1 || !request.Opcode.IsObjectOperation()) return false;
            await request.FailAsync(Status.NotServing, "the client has reconnected since it sent this");
            return true;
        };
        await first.DisposeAsync();
        await Until(() => second.Hellos.Count == 2 && second.Connections.Count == 1 && second.Connections[0] != older, "the older connection is closed");
        for (var i = 0u; i < 20; i++) await pool.PutAsync(Object, i, Pages.Random(2));
        Assert.Single(second.Connections);
    }

    [Fact]
    public async Task A_node_that_is_known_by_two_names_is_reached_over_one_connection_in_the_end()
    {
        var node = StartNode();
        node.Hello = node.Hello with { NodeAddress = "node-1:7070" };
        var pool = await PoolAsync(node);
        var moves = 0;
        node.Script = async request =>
        {
            if (!request.Opcode.IsObjectOperation() || Interlocked.Increment(ref moves) > 1) return false;
            await request.FailAsync(Status.Moved, node.Address);
            return true;
        };
        for (var i = 0u; i < 20; i++) Assert.True((await pool.PutAsync(Object, i, Pages.Random(1))).Stored);
        await Until(() => node.Connections.Count == 1, "one connection is left");
        Assert.Equal(20, node.Grid.PutsApplied);
        for (var i = 0u; i < 20; i++) Assert.True((await pool.PutAsync(Object, i, Pages.Random(1))).Stored);
    }

    [Fact]
    public async Task An_owner_that_cannot_be_reached_is_forgotten()
    {
        var grid = new MemoryGrid();
        var first = StartNode(grid);
        var pool = await PoolAsync(first);
        string dead;
        await using (var second = ScriptedNode.Start(grid)) dead = second.Address;
        var moves = 0;
        first.Script = async request =>
        {
            if (request.Opcode != Opcode.Put || moves++ > 0) return false;
            await request.FailAsync(Status.Moved, dead);
            return true;
        };
        Assert.True((await pool.PutAsync(Object, 0, Pages.Random(1))).Stored);
    }

    [Fact]
    public async Task Two_nodes_that_point_at_each_other_end_at_the_deadline()
    {
        var grid = new MemoryGrid();
        var (first, second) = (StartNode(grid), StartNode(grid));
        var pool = await PoolAsync(first);
        var moves = 0;
        first.Script = request => Move(request, second);
        second.Script = request => Move(request, first);
        var failure = await FailureOf<GridUnavailableException>(pool.PutAsync(Object, 0, Pages.Random(1), Within(300)).AsTask());
        Assert.Equal(CallOutcome.NotApplied, failure.Outcome);
        Assert.InRange(moves, 4, 60);

        async ValueTask<bool> Move(NodeRequest request, ScriptedNode to)
        {
            if (request.Opcode != Opcode.Put) return false;
            Interlocked.Increment(ref moves);
            await request.FailAsync(Status.Moved, to.Address);
            return true;
        }
    }

    [Fact]
    public async Task Not_serving_is_tried_again_until_it_serves()
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        var refusals = 3;
        node.Script = async request =>
        {
            if (request.Opcode != Opcode.Put || refusals-- <= 0) return false;
            await request.FailAsync(Status.NotServing, "starting");
            return true;
        };
        Assert.True((await pool.PutAsync(Object, 0, Pages.Random(1))).Stored);
        Assert.Equal(1, node.Grid.PutsApplied);
    }

    [Fact]
    public async Task Not_serving_until_the_deadline_is_unavailable_with_the_nodes_words()
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        node.Script = Fail(Opcode.Put, Status.NotServing, "no lease");
        var failure = await FailureOf<GridUnavailableException>(pool.PutAsync(Object, 0, Pages.Random(1), Within(200)).AsTask());
        Assert.Contains("no lease", failure.Message, StringComparison.Ordinal);
        Assert.Equal(CallOutcome.NotApplied, failure.Outcome);
    }

    [Theory]
    [InlineData(Status.FailedNotApplied, typeof(GridException), CallOutcome.NotApplied)]
    [InlineData(Status.FailedUnknown, typeof(OutcomeUnknownException), CallOutcome.Unknown)]
    [InlineData(Status.Corrupt, typeof(PageCorruptException), CallOutcome.NotApplied)]
    [InlineData(Status.BadArgument, typeof(GridArgumentException), CallOutcome.NotApplied)]
    [InlineData(Status.NoSuchPool, typeof(NoSuchPoolException), CallOutcome.NotApplied)]
    [InlineData(Status.NotAllowed, typeof(NotAllowedException), CallOutcome.NotApplied)]
    [InlineData(Status.UnknownOperation, typeof(GridProtocolException), CallOutcome.NotApplied)]
    [InlineData((Status)999, typeof(GridProtocolException), CallOutcome.Unknown)]
    public async Task Errors_become_exceptions_that_say_whether_it_was_applied(Status status, Type type, CallOutcome outcome)
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        var sendings = 0;
        node.Script = async request =>
        {
            if (request.Opcode != Opcode.Put) return false;
            sendings++;
            await request.FailAsync(status, "the words of the node");
            return true;
        };
        var failure = await Assert.ThrowsAnyAsync<GridException>(async () => await pool.PutAsync(Object, 0, Pages.Random(1)));
        Assert.Equal((type, outcome), (failure.GetType(), failure.Outcome));
        Assert.Contains("the words of the node", failure.Message, StringComparison.Ordinal);
        Assert.Equal(1, sendings);
    }

    [Fact]
    public async Task At_least_once_sends_an_unknown_put_again_and_never_calls_it_not_applied_afterwards()
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        var sendings = 0;
        node.Script = async request =>
        {
            if (request.Opcode != Opcode.Put) return false;
            await request.FailAsync(++sendings < 3 ? Status.FailedUnknown : Status.FailedNotApplied, "journal");
            return true;
        };
        await FailureOf<OutcomeUnknownException>(pool.PutAsync(Object, 0, Pages.Random(1), new CallOptions { AtLeastOnce = true }).AsTask());
        Assert.Equal(3, sendings);
    }

    private static CallOptions Within(int milliseconds) => new() { Timeout = TimeSpan.FromMilliseconds(milliseconds) };

    private static Func<NodeRequest, ValueTask<bool>> Fail(Opcode opcode, Status status, string text) => async request =>
    {
        if (request.Opcode != opcode) return false;
        await request.FailAsync(status, text);
        return true;
    };
}
