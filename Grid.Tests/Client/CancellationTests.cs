using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Client.Support;
using Xunit;

namespace Grid.Tests.Client;

/// <summary>Cancellation, and that a call that has ended leaves its buffers alone.</summary>
public sealed class CancellationTests : ClientTest
{
    [Fact]
    public async Task A_call_cancelled_before_it_starts_is_never_sent()
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        var put = pool.PutAsync(Object, 0, Pages.Random(1), cancellationToken: cancelled.Token).AsTask();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => put);
        await pool.FlushPageAsync(Object, 1);
        Assert.Equal(0, node.Grid.PutsApplied);
    }

    [Fact]
    public async Task A_call_cancelled_while_it_waits_for_the_window_is_never_sent()
    {
        var node = StartNode();
        var pool = await PoolAsync(node, "?window=1");
        var held = new Held(node, Opcode.Put);
        var first = pool.PutAsync(Object, 0, Pages.Random(1)).AsTask();
        using var cancellation = new CancellationTokenSource();
        var second = pool.PutAsync(Object, 1, Pages.Random(2), cancellationToken: cancellation.Token).AsTask();
        var third = pool.PutAsync(Object, 2, Pages.Random(3)).AsTask();
        await cancellation.CancelAsync();
        var failure = await FailureOf<OperationCanceledException>(second);
        Assert.Equal(cancellation.Token, failure.CancellationToken);
        await Until(() => held.Count == 1, "the first put to arrive");
        held.IsOpen = true;
        await held.Take()[0].ServeAsync();
        await Task.WhenAll(first, third).WaitAsync(Patience);
        Assert.Equal(2, node.Grid.PutsApplied);
        Assert.False(node.Grid.Holds(new Handle(pool.Id, Object, 1)));
    }

    [Fact]
    public async Task A_call_cancelled_while_it_waits_to_be_tried_again_is_not_sent_again()
    {
        var node = StartNode();
        var pool = await PoolAsync(node, "?timeout=infinite");
        using var cancellation = new CancellationTokenSource();
        var sendings = 0;
        node.Script = async request =>
        {
            if (request.Opcode != Opcode.Put) return false;
            sendings++;
            await request.FailAsync(Status.NotServing, "starting");
            return true;
        };
        var put = pool.PutAsync(Object, 0, Pages.Random(1), cancellationToken: cancellation.Token).AsTask();
        await Until(() => sendings >= 2, "two sendings");
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => put.WaitAsync(Patience));
        var afterwards = sendings;
        await Task.Delay(300);
        Assert.InRange(sendings, afterwards, afterwards + 1);
    }

    [Fact]
    public async Task A_late_answer_does_not_touch_the_buffer_of_a_call_that_was_cancelled()
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        await pool.PutAsync(Object, 0, Pages.Random(1));
        var held = new Held(node, Opcode.Get);
        using var cancellation = new CancellationTokenSource();
        var buffer = Pages.Filled(0xEE);
        var get = pool.GetAsync(Object, 0, buffer, cancellationToken: cancellation.Token).AsTask();
        await Until(() => held.Count == 1, "the get to arrive");
        await cancellation.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => get.WaitAsync(Patience));
        await held.Take()[0].ServeAsync();
        // Answered on the same connection, so read after the late answer.
        await pool.FlushPageAsync(Object, 1);
        Assert.Equal(Pages.Filled(0xEE), buffer);
    }

    [Fact]
    public async Task Cancellations_deadlines_and_answers_that_race_never_write_late_or_cross_pages()
    {
        const int Callers = 16;
        var node = StartNode();
        var pool = await PoolAsync(node, "?window=8&timeout=10s");
        for (var i = 0; i < Callers; i++) await pool.PutAsync(Object, (uint)i, Pages.Filled((byte)(i + 1)));
        var ended = new int[2];
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(() => CallAsync(caller)))).WaitAsync(TimeSpan.FromSeconds(60));
        Assert.True(ended[0] > 0 && ended[1] > 0, $"{ended[0]} hits, {ended[1]} cancelled");

        async Task CallAsync(int caller)
        {
            var random = new Random(caller);
            for (var i = 0; i < 400; i++)
            {
                var buffer = Pages.Filled(0);
                using var cancellation = new CancellationTokenSource();
                var get = pool.GetAsync(Object, (uint)caller, buffer, cancellationToken: cancellation.Token).AsTask();
                for (var spin = random.Next(2000); spin > 0; spin--) Thread.SpinWait(1);
                await cancellation.CancelAsync();
                try
                {
                    await get;
                    Assert.Equal(Pages.Filled((byte)(caller + 1)), buffer);
                    Interlocked.Increment(ref ended[0]);
                }
                catch (OperationCanceledException)
                {
                    // Whoever ended the call, the buffer is ours now.
                    Array.Fill(buffer, (byte)0xEE);
                    await Task.Yield();
                    Assert.Equal(Pages.Filled(0xEE), buffer);
                    Interlocked.Increment(ref ended[1]);
                }
            }
        }
    }
}
