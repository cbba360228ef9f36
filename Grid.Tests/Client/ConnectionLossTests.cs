using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Client.Support;
using Xunit;

namespace Grid.Tests.Client;

/// <summary>Connections that end: what is repeated, what is unknown, and where the client goes.</summary>
public sealed class ConnectionLossTests : ClientTest
{
    [Fact]
    public async Task A_put_that_was_sent_is_unknown_and_never_sent_again()
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        var held = new Held(node, Opcode.Put);
        var put = pool.PutAsync(Object, 0, Pages.Random(1)).AsTask();
        await Until(() => held.Count == 1, "the put to arrive");
        held.IsOpen = true;
        node.CutAll();
        await FailureOf<OutcomeUnknownException>(put);
        Assert.False((await pool.GetAsync(Object, 0, new byte[4096])).Hit);
        Assert.Equal(0, node.Grid.PutsApplied);
    }

    [Fact]
    public async Task A_take_that_was_sent_is_unknown()
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        var held = new Held(node, Opcode.Get, Opcode.GetBatch);
        var take = pool.GetAsync(Object, 0, new byte[4096], GetMode.Take).AsTask();
        var batch = pool.GetBatchAsync(Object, new uint[] { 1 }, new byte[4096], GetMode.Take).AsTask();
        await Until(() => held.Count == 2, "the takes to arrive");
        node.CutAll();
        await FailureOf<OutcomeUnknownException>(take);
        await FailureOf<OutcomeUnknownException>(batch);
    }

    [Fact]
    public async Task A_get_that_keeps_is_sent_again_on_a_new_connection_of_the_session()
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        await pool.PutAsync(Object, 0, Pages.Random(1));
        var held = new Held(node, Opcode.Get);
        var buffer = new byte[4096];
        var get = pool.GetAsync(Object, 0, buffer).AsTask();
        await Until(() => held.Count == 1, "the get to arrive");
        held.IsOpen = true;
        node.CutAll();
        Assert.True((await get.WaitAsync(Patience)).Hit);
        Assert.Equal(Pages.Random(1), buffer);
        Assert.Equal([1ul, 2ul], node.Hellos.Select(hello => hello.Epoch));
        Assert.Single(node.Hellos.Select(hello => hello.Session).Distinct());
    }

    [Fact]
    public async Task At_least_once_sends_a_put_again()
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        var held = new Held(node, Opcode.Put);
        var put = pool.PutAsync(Object, 0, Pages.Random(1), new CallOptions { AtLeastOnce = true }).AsTask();
        await Until(() => held.Count == 1, "the put to arrive");
        held.IsOpen = true;
        node.CutAll();
        Assert.True((await put.WaitAsync(Patience)).Stored);
    }

    [Fact]
    public async Task A_put_that_was_not_sent_yet_is_sent_on_the_next_connection()
    {
        var node = StartNode();
        var pool = await PoolAsync(node, "?window=1");
        var held = new Held(node, Opcode.Put);
        var sent = pool.PutAsync(Object, 0, Pages.Random(1)).AsTask();
        var waiting = pool.PutAsync(Object, 1, Pages.Random(2)).AsTask();
        await Until(() => held.Count == 1, "the first put to arrive");
        held.IsOpen = true;
        node.CutAll();
        await FailureOf<OutcomeUnknownException>(sent);
        Assert.True((await waiting.WaitAsync(Patience)).Stored);
        Assert.Equal(1, node.Grid.PutsApplied);
    }

    [Fact]
    public async Task Calls_wait_for_a_node_that_comes_back()
    {
        var grid = new MemoryGrid();
        var node = ScriptedNode.Start(grid);
        var pool = await PoolAsync(node, "?timeout=20s");
        await node.DisposeAsync();
        var get = pool.GetAsync(Object, 0, new byte[4096]).AsTask();
        await Task.Delay(100);
        Assert.False(get.IsCompleted);
        Own(ScriptedNode.Start(grid, node.Port));
        Assert.False((await get.WaitAsync(Patience)).Hit);
    }

    [Fact]
    public async Task Without_a_node_a_call_is_unavailable_at_its_deadline()
    {
        var node = ScriptedNode.Start();
        var pool = await PoolAsync(node, "?timeout=200ms");
        await node.DisposeAsync();
        var failure = await FailureOf<GridUnavailableException>(pool.GetAsync(Object, 0, new byte[4096]).AsTask());
        Assert.Equal(CallOutcome.NotApplied, failure.Outcome);
        Assert.NotNull(failure.InnerException);
    }

    [Fact]
    public async Task The_next_address_takes_over()
    {
        var grid = new MemoryGrid();
        var first = ScriptedNode.Start(grid);
        var second = StartNode(grid);
        var client = Own(await GridClient.ConnectAsync($"{first.ConnectionString},{second.Address}"));
        var pool = await client.CreatePoolAsync("pool", Keeping);
        await first.DisposeAsync();
        Assert.False((await pool.GetAsync(Object, 0, new byte[4096])).Hit);
        Assert.Single(second.Hellos);
    }

    [Fact]
    public async Task A_node_that_asks_to_leave_answers_what_it_has_and_gets_nothing_more()
    {
        var grid = new MemoryGrid();
        var (first, second) = (StartNode(grid), StartNode(grid));
        var client = Own(await GridClient.ConnectAsync($"{first.ConnectionString},{second.Address}"));
        var pool = await client.CreatePoolAsync("pool", Keeping);
        var held = new Held(first, Opcode.Put);
        var old = pool.PutAsync(Object, 0, Pages.Random(1)).AsTask();
        await Until(() => held.Count == 1, "the put to arrive");
        await Assert.Single(first.Connections).SendGoAwayAsync();
        await Until(() => second.Hellos.Count == 1, "the client to go to the other node");

        Assert.True((await pool.PutAsync(Object, 1, Pages.Random(2))).Stored);
        Assert.False(old.IsCompleted);
        await held.Take()[0].ServeAsync();
        Assert.True((await old.WaitAsync(Patience)).Stored);
        await Until(() => first.Connections.Count == 0, "the old connection to be closed");
        Assert.Equal(0, held.Count);
    }

    [Fact]
    public async Task A_node_of_another_grid_is_refused()
    {
        var node = ScriptedNode.Start();
        var pool = await PoolAsync(node, "?timeout=300ms");
        await node.DisposeAsync();
        Own(ScriptedNode.Start(new MemoryGrid(), node.Port));
        var failure = await FailureOf<GridUnavailableException>(pool.GetAsync(Object, 0, new byte[4096]).AsTask());
        Assert.Contains("another grid", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Disposing_ends_every_call()
    {
        var node = StartNode();
        var client = await ConnectAsync(node, "?window=2");
        var pool = await client.CreatePoolAsync("pool", Keeping);
        var held = new Held(node, Opcode.Put, Opcode.Get);
        var put = pool.PutAsync(Object, 0, Pages.Random(1)).AsTask();
        var get = pool.GetAsync(Object, 0, new byte[4096]).AsTask();
        var waiting = pool.PutAsync(Object, 1, Pages.Random(1)).AsTask();
        await Until(() => held.Count == 2, "two requests to arrive");
        await client.DisposeAsync();
        await FailureOf<OutcomeUnknownException>(put);
        await FailureOf<ObjectDisposedException>(get);
        await FailureOf<ObjectDisposedException>(waiting);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await pool.PutAsync(Object, 0, Pages.Random(1)));
        await client.DisposeAsync();
    }
}
