using Grid.Client;
using Grid.Tests.Client.Support;
using Xunit;

namespace Grid.Tests.Client;

/// <summary>Code after a call runs on the thread that received the answer. If it blocks there, others go on.</summary>
public sealed class ContinuationTests : ClientTest
{
    /// <summary>The client and the node live in one process here: code that blocks must not take the node's threads.</summary>
    public ContinuationTests()
    {
        ThreadPool.GetMinThreads(out var workers, out var ports);
        ThreadPool.SetMinThreads(Math.Max(workers, 32), ports);
    }

    [Fact]
    public async Task Code_that_blocks_after_a_call_holds_up_no_other_call()
    {
        const int Blockers = 4;
        var node = StartNode();
        var pool = await PoolAsync(node, "?timeout=30s");
        using var all = new CountdownEvent(Blockers * 8);
        using var released = new ManualResetEventSlim();
        var held = new Held(node, Grid.Protocol.Opcode.Get);
        var callers = Enumerable.Range(0, Blockers * 8).Select(CallAsync).ToArray();
        await Until(() => held.Count == callers.Length, "all gets to arrive");
        // All the answers in one piece: the client finds them in one batch.
        foreach (var request in held.Take()) await request.ServeAsync();
        Assert.True(await Task.Run(() => all.Wait(Patience)), $"{all.CurrentCount} calls are stuck behind code that blocks");
        released.Set();
        await Task.WhenAll(callers).WaitAsync(Patience);

        async Task CallAsync(int caller)
        {
            await pool.GetAsync(Object, (uint)caller, new byte[4096]).ConfigureAwait(false);
            all.Signal();
            if (caller < Blockers) released.Wait(Patience);
        }
    }

    [Fact]
    public async Task Code_that_blocks_on_another_call_gets_its_answer()
    {
        var node = StartNode();
        var pool = await PoolAsync(node, "?timeout=30s");
        await Task.WhenAll(Enumerable.Range(0, 8).Select(caller => Task.Run(() => CallAsync(caller)))).WaitAsync(TimeSpan.FromSeconds(60));

        async Task CallAsync(int caller)
        {
            for (var i = 0; i < 20; i++)
            {
                await pool.PutAsync(Object, (uint)caller, Pages.Random(i)).ConfigureAwait(false);
                using var done = new ManualResetEventSlim();
                _ = GetAsync(caller, done);
                Assert.True(done.Wait(Patience), "the get inside of blocking code never ended");
            }
        }

        async Task GetAsync(int caller, ManualResetEventSlim done)
        {
            await pool.GetAsync(Object, (uint)caller, new byte[4096]).ConfigureAwait(false);
            done.Set();
        }
    }
}
