using Grid.Client.Frontends;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends;

/// <summary>The locks of pages: one caller a key, and now and then one for all.</summary>
public sealed class KeyedLocksTests(ITestOutputHelper output)
{
    [Fact]
    public async Task One_caller_is_inside_a_key_others_do_not_wait_and_who_wants_all_is_alone()
    {
        var locks = new KeyedLocks<uint>();
        var inside = new int[5];
        var alone = 0;
        var seed = Seeds.Next(output);
        var entered = 0;
        await Task.WhenAll(Enumerable.Range(0, 16).Select(caller => Task.Run(async () =>
        {
            var random = new Random(seed + caller);
            for (var round = 0; round < 400; round++)
            {
                using var cancel = new CancellationTokenSource();
                if (random.Next(8) == 0) cancel.CancelAfter(TimeSpan.FromMilliseconds(random.Next(3)));
                try
                {
                    if (random.Next(20) == 0)
                    {
                        await locks.EnterAllAsync(cancel.Token);
                        Assert.Equal(1, Interlocked.Increment(ref alone));
                        Assert.All(inside, count => Assert.Equal(0, count));
                        await Task.Yield();
                        Interlocked.Decrement(ref alone);
                        locks.ExitAll();
                        continue;
                    }

                    var key = random.Next(inside.Length);
                    using var held = await locks.EnterAsync((uint)key, cancel.Token);
                    Assert.Equal(1, Interlocked.Increment(ref inside[key]));
                    Assert.Equal(0, Volatile.Read(ref alone));
                    await Task.Yield();
                    Interlocked.Decrement(ref inside[key]);
                    Interlocked.Increment(ref entered);
                }
                catch (OperationCanceledException)
                {
                    // Given up while waiting.
                }
            }
        })));
        Assert.True(entered > 3000, $"{entered}");
        // Nothing is left behind by those that gave up.
        await locks.EnterAllAsync(default).AsTask().WaitAsync(TimeSpan.FromSeconds(10));
        locks.ExitAll();
    }

    [Fact]
    public async Task A_key_that_is_held_for_long_holds_up_no_other()
    {
        var locks = new KeyedLocks<uint>();
        var held = await locks.EnterAsync(1, default);
        var waiting = locks.EnterAsync(1, default).AsTask();
        for (var key = 2u; key < 2000; key++) (await locks.EnterAsync(key, default)).Dispose();
        Assert.False(waiting.IsCompleted);
        held.Dispose();
        (await waiting.WaitAsync(TimeSpan.FromSeconds(10))).Dispose();
    }
}
