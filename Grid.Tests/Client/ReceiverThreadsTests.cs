using Grid.Client;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Client;

public sealed class ReceiverThreadsTests
{
    [Fact]
    public async Task Somebody_always_receives_and_never_two_however_often_leaders_are_replaced()
    {
        var (leading, worst, rounds, stop) = (0, 0, 0L, false);
        ReceiverThreads? threads = null;
        threads = new ReceiverThreads(turn =>
        {
            while (!Volatile.Read(ref stop))
            {
                var leaders = Interlocked.Increment(ref leading);
                if (leaders > 1) Volatile.Write(ref worst, leaders);
                Interlocked.Increment(ref rounds);
                Interlocked.Decrement(ref leading);
                threads!.Lend(turn);
                Thread.SpinWait(50);
                if (!threads.TakeBack(turn)) return true;
            }

            return false;
        });
        threads.Start();
        var callers = Enumerable.Range(0, 2).Select(_ => Task.Factory.StartNew(
            () =>
            {
                while (!Volatile.Read(ref stop)) threads.EnsureReceiving();
            },
            CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default)).ToArray();
        try
        {
            await Eventually.TrueAsync(() => Interlocked.Read(ref rounds) > 50_000, "50,000 rounds of receiving", TimeSpan.FromSeconds(60));
        }
        finally
        {
            Volatile.Write(ref stop, true);
            threads.End();
            await Task.WhenAll(callers);
        }

        Assert.Equal(0, worst);
    }
}
