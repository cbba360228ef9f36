using System.Buffers.Binary;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Client.Support;
using Xunit;

namespace Grid.Tests.Client;

/// <summary>Many callers at once while connections are cut and nodes ask to leave.</summary>
public sealed class StressTests : ClientTest
{
    private const int Callers = 24;
    private const int CallsPerCaller = 100;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Every_call_ends_and_every_page_is_one_that_its_caller_may_see(int seed)
    {
        var node = StartNode();
        var pool = await PoolAsync(node, "?window=16&timeout=20s");
        using var done = new CancellationTokenSource();
        var disturbing = DisturbAsync(node, new Random(seed), done.Token);
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(caller => Task.Run(() => CallAsync(pool, caller, new Random((seed * 1000) + caller)))))
            .WaitAsync(TimeSpan.FromSeconds(120));
        await done.CancelAsync();
        var disturbances = await disturbing;
        Assert.True(disturbances > 0, "nothing was disturbed");
        Assert.True(node.Hellos.Count > 1);
    }

    // A fast machine would be done before the first cut.
    private const int LeastDisturbances = 5;
    private int _disturbed;

    /// <summary>Puts numbered pages on a handle of its own, and reads them back.</summary>
    private async Task CallAsync(Pool pool, int caller, Random random)
    {
        var page = new byte[4096];
        var buffer = new byte[4096];
        var possible = new HashSet<int> { 0 };
        var unknown = new HashSet<int>();
        for (var number = 1; number <= CallsPerCaller || Volatile.Read(ref _disturbed) < LeastDisturbances; number++)
        {
            if (random.Next(2) == 0)
            {
                var result = await pool.GetAsync(Object, (uint)caller, buffer);
                var seen = result.Hit ? Check(buffer, caller) : 0;
                Assert.True(possible.Contains(seen), $"caller {caller} sees page {seen}, possible: {string.Join(' ', possible)}");
                continue;
            }

            BinaryPrimitives.WriteInt32LittleEndian(page, number);
            page.AsSpan(4).Fill((byte)caller);
            try
            {
                Assert.True((await pool.PutAsync(Object, (uint)caller, page)).Stored);
                // What is unknown may still sit in the cut connection's buffer: this node knows no epochs and applies it late.
                possible = [number, .. unknown];
            }
            catch (OutcomeUnknownException)
            {
                unknown.Add(number);
                possible.Add(number);
            }

            // The buffer is the caller's again, however the call ended.
            page.AsSpan().Fill(0xFF);
        }
    }

    private static int Check(byte[] page, int caller)
    {
        Assert.True(page.AsSpan(4).IndexOfAnyExcept((byte)caller) < 0, $"caller {caller} got bytes of another handle");
        return BinaryPrimitives.ReadInt32LittleEndian(page);
    }

    private async Task<int> DisturbAsync(ScriptedNode node, Random random, CancellationToken done)
    {
        var disturbances = 0;
        try
        {
            while (true)
            {
                await Task.Delay(random.Next(20, 120), done);
                if (node.Connections.Count == 0) continue;
                disturbances++;
                Interlocked.Increment(ref _disturbed);
                if (random.Next(3) > 0) node.CutAll();
                else await node.Connections[0].SendGoAwayAsync();
            }
        }
        catch (Exception end) when (end is OperationCanceledException or System.Net.Sockets.SocketException or ObjectDisposedException)
        {
            // The end of the test, or a connection that was cut while it was asked to leave.
            return done.IsCancellationRequested ? disturbances : disturbances + await DisturbAsync(node, random, done);
        }
    }
}
