using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Client.Support;
using Xunit;

namespace Grid.Tests.Client;

/// <summary>The window of a connection: what the node granted and the options allow, whichever is less.</summary>
public sealed class WindowTests : ClientTest
{
    [Theory]
    [InlineData(4, 1024)]
    [InlineData(1024, 4)]
    public async Task No_more_requests_are_unanswered_than_the_window_has(int granted, int wanted)
    {
        var node = StartNode();
        node.Hello = node.Hello with { WindowRequests = (uint)granted };
        var pool = await PoolAsync(node, $"?window={wanted}");
        var held = new Held(node, Opcode.Get);
        var gets = Enumerable.Range(0, 100).Select(i => pool.GetAsync(Object, (uint)i, new byte[4096]).AsTask()).ToArray();
        var answered = 0;
        while (answered < gets.Length)
        {
            await Until(() => held.Count == Math.Min(4, gets.Length - answered), "the window to fill");
            Assert.InRange(held.Count, 1, 4);
            foreach (var request in held.Take())
            {
                await request.ServeAsync();
                answered++;
            }
        }

        await Task.WhenAll(gets).WaitAsync(Patience);
    }

    [Fact]
    public async Task Bytes_are_bounded_as_well_and_one_request_alone_is_let_through()
    {
        var node = StartNode();
        node.Hello = node.Hello with { WindowBytes = 9000 };
        var pool = await PoolAsync(node);
        var held = new Held(node, Opcode.Put, Opcode.WriteBatch);
        var puts = Enumerable.Range(0, 10).Select(i => pool.PutAsync(Object, (uint)i, Pages.Random(i)).AsTask()).ToList();
        await Until(() => held.Count == 2, "two puts to arrive");
        await Task.Delay(50);
        Assert.Equal(2, held.Count);
        held.IsOpen = true;
        foreach (var request in held.Take()) await request.ServeAsync();
        await Task.WhenAll(puts).WaitAsync(Patience);

        var batch = new WriteBatch();
        for (var i = 0u; i < 8; i++) batch.Put(i, Pages.Random(1));
        Assert.Equal(8, (await pool.WriteBatchAsync(Object, batch)).Existed.Count);
    }

    [Fact]
    public async Task A_node_that_stops_reading_bounds_what_the_client_holds()
    {
        var node = StartNode();
        var pool = await PoolAsync(node, "?timeout=20s");
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        node.Script = async request =>
        {
            await go.Task;
            return false;
        };
        var batch = new WriteBatch();
        for (var i = 0u; i < 256; i++) batch.Put(i, Pages.Random(1));
        var writes = Enumerable.Range(0, 30).Select(_ => pool.WriteBatchAsync(Object, batch).AsTask()).ToArray();
        await Task.Delay(100);
        Assert.All(writes, write => Assert.False(write.IsCompleted));
        go.SetResult();
        await Task.WhenAll(writes).WaitAsync(Patience);
    }
}
