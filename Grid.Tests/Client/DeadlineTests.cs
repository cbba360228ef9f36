using System.Diagnostics;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Client.Support;
using Xunit;

namespace Grid.Tests.Client;

/// <summary>Deadlines, and what a call that missed one says about its effect.</summary>
public sealed class DeadlineTests : ClientTest
{
    private static readonly CallOptions Short = new() { Timeout = TimeSpan.FromMilliseconds(200) };

    [Fact]
    public async Task A_get_that_keeps_times_out_and_a_put_or_take_is_unknown()
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        _ = new Held(node, Opcode.Get, Opcode.Put);
        var clock = Stopwatch.StartNew();
        var get = pool.GetAsync(Object, 0, new byte[4096], options: Short).AsTask();
        var take = pool.GetAsync(Object, 0, new byte[4096], GetMode.Take, Short).AsTask();
        var put = pool.PutAsync(Object, 0, Pages.Random(1), Short).AsTask();
        Assert.Equal(CallOutcome.NotApplied, (await FailureOf<GridTimeoutException>(get)).Outcome);
        await FailureOf<OutcomeUnknownException>(take);
        await FailureOf<OutcomeUnknownException>(put);
        Assert.True(clock.ElapsedMilliseconds >= 180, $"ended after {clock.ElapsedMilliseconds} ms");
    }

    [Fact]
    public async Task The_deadline_counts_while_a_call_waits_for_the_window()
    {
        var node = StartNode();
        var pool = await PoolAsync(node, "?window=1");
        var held = new Held(node, Opcode.Put);
        var first = pool.PutAsync(Object, 0, Pages.Random(1)).AsTask();
        var second = pool.PutAsync(Object, 1, Pages.Random(2), Short).AsTask();
        Assert.Equal(CallOutcome.NotApplied, (await FailureOf<GridTimeoutException>(second)).Outcome);
        await Until(() => held.Count == 1, "the first put to arrive");
        held.IsOpen = true;
        await held.Take()[0].ServeAsync();
        Assert.True((await first.WaitAsync(Patience)).Stored);
        await pool.FlushPageAsync(Object, 0);
        Assert.Equal(1, node.Grid.PutsApplied);
    }

    [Fact]
    public async Task The_client_goes_on_after_a_late_answer()
    {
        var node = StartNode();
        var pool = await PoolAsync(node, "?window=1");
        var held = new Held(node, Opcode.Get);
        await FailureOf<GridTimeoutException>(pool.GetAsync(Object, 0, new byte[4096], options: Short).AsTask());
        held.IsOpen = true;
        var next = pool.PutAsync(Object, 0, Pages.Random(1)).AsTask();
        await held.Take()[0].ServeAsync();
        Assert.True((await next.WaitAsync(Patience)).Stored);
        Assert.Single(node.Hellos);
    }

    [Fact]
    public async Task A_node_that_says_nothing_at_all_is_left()
    {
        var node = StartNode();
        var pool = await PoolAsync(node, "?timeout=infinite");
        var held = new Held(node, Opcode.Get, Opcode.Ping);
        var get = pool.GetAsync(Object, 0, new byte[4096]).AsTask();
        await Until(() => node.Hellos.Count > 1, "a second connection");
        held.IsOpen = true;
        foreach (var request in held.Take())
            if (node.Connections.Contains(request.Connection)) await request.ServeAsync();
        Assert.False((await get.WaitAsync(Patience)).Hit);
    }
}
