using System.Diagnostics;
using System.Globalization;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Client.Support;
using Grid.Tests.Harness;
using Microsoft.Extensions.Caching.Distributed;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Caching;

/// <summary>Nodes that are down, killed, or answer nothing; pools that are destroyed: what callers are told, and what is there afterwards.</summary>
public sealed class FailureTests(SharedNode shared, ITestOutputHelper output) : CacheTest(shared, output)
{
    private static readonly DistributedCacheEntryOptions NoExpiration = new();

    [Fact]
    public async Task A_pool_that_was_destroyed_is_made_anew_and_is_empty()
    {
        var cache = NewCache();
        await cache.SetAsync("k", [1], NoExpiration);
        await Client.DestroyPoolAsync(PoolName);
        Assert.Null(await cache.GetAsync("k"));
        await cache.SetAsync("k", [2], NoExpiration);
        await Client.DestroyPoolAsync(PoolName);
        await cache.SetAsync("k", [3], NoExpiration);
        Assert.Equal([3], await cache.GetAsync("k"));
        await Client.DestroyPoolAsync(PoolName);
        await cache.RemoveAsync("k");
        await Client.DestroyPoolAsync(PoolName);
        await cache.RefreshAsync("k");
    }

    [Fact]
    public async Task Calls_fail_while_the_grid_is_down_and_succeed_when_it_is_up()
    {
        await using var node = await NodeProcess.StartAsync(output: Output);
        var up = NodeSetup.Default.With("grid.gateway.port", node.Ports.Data.ToString(CultureInfo.InvariantCulture));
        await node.Kill9Async();
        await using var cache = new GridDistributedCache(new GridCacheOptions
        {
            ConnectionString = node.ConnectionString(timeout: "1s"),
            NewPool = Shareable(PoolKind.Persistent),
        });
        Assert.Equal(CallOutcome.NotApplied, (await Assert.ThrowsAsync<GridUnavailableException>(() => cache.GetAsync("k"))).Outcome);
        await node.RestartAsync(up);
        await cache.SetAsync("k", [1], NoExpiration);
        await node.Kill9Async();
        var clock = Stopwatch.StartNew();
        await Assert.ThrowsAsync<GridUnavailableException>(() => cache.GetAsync("k"));
        await Assert.ThrowsAsync<GridUnavailableException>(() => cache.SetAsync("k", [2], NoExpiration));
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(20), $"the failures took {clock.Elapsed}");
        await node.RestartAsync(up);
        await Eventually.TrueAsync(async () => await TryGetAsync(cache) is [1], "the value is there again", TimeSpan.FromSeconds(30));
    }

    [Fact]
    public async Task A_set_whose_answer_is_lost_is_settled_by_reading_and_takes_effect_once()
    {
        await using var node = ScriptedNode.Start();
        await using var cache = new GridDistributedCache(new GridCacheOptions { ConnectionString = node.ConnectionString + "?timeout=20s", SweepInterval = Timeout.InfiniteTimeSpan });
        await cache.SetAsync("k", [1], NoExpiration);
        foreach (var isApplied in (bool[])[true, false])
        {
            var batches = 0;
            node.Script = async request =>
            {
                if (request.Opcode != Opcode.WriteBatch || ++batches > 1) return false;
                request.IsUnanswered = true;
                if (isApplied) await request.ServeAsync();
                request.Connection.Cut();
                return true;
            };
            await cache.SetAsync("k", [2, isApplied ? (byte)1 : (byte)0], NoExpiration);
            Assert.Equal([2, isApplied ? (byte)1 : (byte)0], await cache.GetAsync("k"));
            Assert.Equal(isApplied ? 1 : 2, batches);
        }
    }

    [Fact]
    public async Task A_value_that_came_after_a_set_whose_answer_was_lost_is_not_overwritten_by_it()
    {
        await using var node = ScriptedNode.Start();
        var options = new GridCacheOptions { ConnectionString = node.ConnectionString + "?timeout=20s", SweepInterval = Timeout.InfiniteTimeSpan };
        await using var cache = new GridDistributedCache(options);
        await using var other = new GridDistributedCache(options);
        await cache.SetAsync("k", [1], NoExpiration);
        await other.GetAsync("k");
        foreach (var isApplied in (bool[])[true, false])
        {
            var batches = 0;
            node.Script = async request =>
            {
                if (request.Opcode != Opcode.WriteBatch || ++batches > 1) return false;
                request.IsUnanswered = true;
                if (isApplied) await request.ServeAsync();
                await other.SetAsync("k", [3], NoExpiration);
                request.Connection.Cut();
                return true;
            };
            await cache.SetAsync("k", [2], NoExpiration);
            Assert.Equal([3], await cache.GetAsync("k"));
            await cache.SetAsync("k", [1], NoExpiration);
        }
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task A_change_whose_outcome_cannot_be_found_out_says_so_not_that_nothing_was_changed(bool isSet, bool isApplied)
    {
        await using var node = ScriptedNode.Start();
        GridCacheOptions Options(string timeout) => new() { ConnectionString = node.ConnectionString + $"?timeout={timeout}", SweepInterval = Timeout.InfiniteTimeSpan };
        await using var cache = new GridDistributedCache(Options("2s"));
        await using var patient = new GridDistributedCache(Options("20s"));
        await cache.SetAsync("k", [1], NoExpiration);
        var isDown = false;
        node.Script = async request =>
        {
            if (request.Opcode != Opcode.WriteBatch && !isDown) return false;
            // From here on nothing is answered: what became of the change cannot be read either.
            request.IsUnanswered = true;
            if (isApplied && !isDown) await request.ServeAsync();
            isDown = true;
            request.Connection.Cut();
            return true;
        };
        var failure = await Assert.ThrowsAsync<OutcomeUnknownException>(() => isSet ? cache.SetAsync("k", [2], NoExpiration) : cache.RemoveAsync("k"));
        Assert.Contains("a cached value took effect could not be found out", failure.Message, StringComparison.Ordinal);
        node.Script = null;
        Assert.Equal(isApplied ? isSet ? [2] : null : [1], await patient.GetAsync("k"));
    }

    [Fact]
    public async Task A_call_that_is_cancelled_while_it_waits_ends_at_once()
    {
        await using var node = ScriptedNode.Start();
        await using var cache = new GridDistributedCache(new GridCacheOptions { ConnectionString = node.ConnectionString + "?timeout=60s", SweepInterval = Timeout.InfiniteTimeSpan });
        Func<CancellationToken, Task>[] calls =
        [
            token => cache.GetAsync("k", token),
            token => cache.TryGetAsync("k", new System.Buffers.ArrayBufferWriter<byte>(), token).AsTask(),
            token => cache.SetAsync("k", [2], NoExpiration, token),
            token => cache.RefreshAsync("k", token),
            token => cache.RemoveAsync("k", token),
        ];
        foreach (var call in calls)
        {
            node.Script = null;
            await cache.SetAsync("k", [1], NoExpiration);
            var arrived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            node.Script = _ =>
            {
                arrived.TrySetResult();
                return ValueTask.FromResult(true);
            };
            using var cancelled = new CancellationTokenSource();
            var waiting = call(cancelled.Token);
            await arrived.Task.WaitAsync(TimeSpan.FromSeconds(20));
            await cancelled.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.WaitAsync(TimeSpan.FromSeconds(20)));
        }

        node.Script = null;
        Assert.Equal([1], await cache.GetAsync("k"));
    }

    [Fact]
    public async Task Whatever_was_stored_survives_kills_whole_in_a_persistent_pool_and_nothing_is_left_over()
    {
        const int Kills = 3;
        const int Writers = 4;
        int[] sizes = [50, 20_000, 1_400_000];
        await using var node = await NodeProcess.StartAsync(output: Output);
        var up = NodeSetup.Default.With("grid.gateway.port", node.Ports.Data.ToString(CultureInfo.InvariantCulture));
        var time = new Microsoft.Extensions.Time.Testing.FakeTimeProvider(DateTimeOffset.UtcNow);
        await using var cache = new GridDistributedCache(
            new GridCacheOptions { ConnectionString = node.ConnectionString(), Objects = 4, NewPool = Shareable(PoolKind.Persistent), SweepInterval = Timeout.InfiniteTimeSpan }, time);
        var acknowledged = new int[Writers];
        var tried = new int[Writers];
        var failed = 0;
        using var done = new CancellationTokenSource();
        var writers = Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            for (var number = 1; !done.IsCancellationRequested; number++)
            {
                Volatile.Write(ref tried[writer], number);
                try
                {
                    await cache.SetAsync($"k{writer}", Numbered(number, sizes[number % sizes.Length]), NoExpiration);
                    Volatile.Write(ref acknowledged[writer], number);
                }
                catch (GridException)
                {
                    Interlocked.Increment(ref failed);
                }
            }
        })).ToArray();
        for (var kill = 0; kill < Kills; kill++)
        {
            var before = acknowledged.Sum();
            await Eventually.TrueAsync(() => acknowledged.Sum() > before + 20, "values are stored", TimeSpan.FromSeconds(60));
            await node.Kill9Async();
            await node.RestartAsync(up);
        }

        await done.CancelAsync();
        await Task.WhenAll(writers);
        var pages = 0;
        for (var writer = 0; writer < Writers; writer++)
        {
            var value = Assert.IsType<byte[]>(await cache.GetAsync($"k{writer}"));
            var number = BitConverter.ToInt32(value);
            Assert.InRange(number, acknowledged[writer], tried[writer]);
            Assert.True(Numbered(number, sizes[number % sizes.Length]).AsSpan().SequenceEqual(value), $"value {number} of writer {writer} is torn");
            pages += value.Length < 4000 ? 1 : 1 + ((value.Length + 4095) / 4096);
        }

        time.Advance(TimeSpan.FromMinutes(11));
        var swept = await cache.Store.Sweeper.SweepAsync(default);
        Output.WriteLine($"{Kills} kills, {acknowledged.Sum()} values stored, {failed} failures, swept {swept}");
        await using var client = await node.ConnectAsync();
        var pool = await client.OpenPoolAsync("cache");
        var counted = 0;
        await foreach (var item in pool.ListObjectsAsync())
            await foreach (var piece in pool.ListPagesAsync(item.Id)) counted += piece.Indexes.Count;
        Assert.Equal(pages, counted);
    }

    private static byte[] Numbered(int number, int bytes)
    {
        var value = new byte[bytes];
        value.AsSpan().Fill((byte)number);
        BitConverter.TryWriteBytes(value, number);
        return value;
    }

    private static async Task<byte[]?> TryGetAsync(GridDistributedCache cache)
    {
        try
        {
            return await cache.GetAsync("k");
        }
        catch (GridException)
        {
            return null;
        }
    }
}
