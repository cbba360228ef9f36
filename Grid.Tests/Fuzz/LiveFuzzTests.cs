using System.Buffers;
using System.Diagnostics;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Fuzz;

/// <summary>A live node under a million mutated frames: the same process goes on serving, in its memory, and another client notices nothing.</summary>
public sealed class LiveFuzzTests(ITestOutputHelper output)
{
    private const int Frames = 1_000_000;
    private const int LimitMebibytes = 256;
    private const int Connections = 4;
    private const int WildFrames = 640;
    private const int DangerousFrames = 8;
    private int _answered;
    private int _connected;

    [Fact]
    public async Task A_million_mutated_frames_leave_the_node_serving_within_its_memory_and_other_clients_untouched()
    {
        var seed = Seeds.Next(output);
        await using var node = await NodeProcess.StartAsync(NodeSetup.WithMemoryLimit(LimitMebibytes), output);
        var pid = node.Pid;
        await using var bystander = await node.ConnectAsync("bystander");
        var pools = await CreatePoolsAsync(bystander);
        using var done = new CancellationTokenSource();
        var wellBehaved = WellBehavedAsync(bystander, () => done.IsCancellationRequested);

        var clock = Stopwatch.StartNew();
        var fuzzers = Enumerable.Range(0, Connections).Select(i => Task.Run(() => FuzzAsync(node, new FrameMutator(seed + i, pools))));
        await Task.WhenAll(fuzzers);
        output.WriteLine($"{_answered} frames answered, over {_connected} connections with {DangerousFrames} more each, in {clock.Elapsed.TotalSeconds:0.0} s; RSS at most {node.PeakRssBytes() >> 20} MiB");

        await done.CancelAsync();
        Assert.True(await wellBehaved > 0, "the well-behaved client did nothing");
        Assert.False(node.HasExited);
        Assert.Equal(pid, node.Pid);
        Assert.True(node.PeakRssBytes() <= (LimitMebibytes + 150L) << 20, $"RSS reached {node.PeakRssBytes() >> 20} MiB under a limit of {LimitMebibytes} MiB");
        await using var fresh = await node.ConnectAsync();
        var pool = await fresh.CreatePoolAsync(Names.Unique("after"), Kinds.Options(PoolKind.Persistent, PoolSharing.Private));
        await pool.StoreAsync(Names.Object(), 0, PageBytes.Random(1));
        Assert.Equal(200, (await node.HttpGetAsync("/health/ready")).Status);
    }

    private static async Task<PoolId[]> CreatePoolsAsync(GridClient client)
    {
        var options = new PoolOptions { Sharing = PoolSharing.Shared, QuotaPages = 4000 };
        return
        [
            (await client.CreatePoolAsync("fuzz-ephemeral", options)).Id,
            (await client.CreatePoolAsync("fuzz-compressed", options with { Compression = PageCompression.Lz4 })).Id,
            (await client.CreatePoolAsync("fuzz-persistent", options with { Kind = PoolKind.Persistent })).Id,
        ];
    }

    /// <summary>
    /// Connections: a hello, a burst of frames that the node must answer one by one, then frames that it may close the connection over,
    /// the last one breaking the framing.
    /// </summary>
    private async Task FuzzAsync(NodeProcess node, FrameMutator mutator)
    {
        var frames = new ArrayBufferWriter<byte>();
        while (Volatile.Read(ref _answered) < Frames)
        {
            await using var connection = await RawConnection.OpenAsync(node.Ports.Data);
            Interlocked.Increment(ref _connected);
            var greeted = await connection.TrySendAsync(mutator.NextHello()) && (await connection.ReadAsync())?.Header.Status == Status.Ok;
            if (!greeted) continue;
            await AskWildlyAsync(connection, mutator, frames);

            frames.ResetWrittenCount();
            for (var i = 0; i < DangerousFrames; i++) frames.Write(i == DangerousFrames - 1 ? mutator.NextBroken() : mutator.NextFramed());
            var sending = SendAllAsync(connection, frames.WrittenMemory);
            await connection.ReadToEndAsync(header => Assert.True(header.IsAnswer || header.Opcode == Opcode.GoAway, $"{header}"));
            await sending;
        }
    }

    private async Task AskWildlyAsync(RawConnection connection, FrameMutator mutator, ArrayBufferWriter<byte> frames)
    {
        frames.ResetWrittenCount();
        var unanswered = new Dictionary<ulong, Opcode>();
        while (unanswered.Count < WildFrames)
        {
            var frame = mutator.NextWild();
            var header = FrameMutator.HeaderOf(frame);
            if (unanswered.TryAdd(header.Correlation, header.Opcode)) frames.Write(frame);
        }

        var sending = connection.SendAsync(frames.WrittenMemory);
        while (unanswered.Count > 0)
        {
            var answer = await connection.ReadAsync() ?? throw new InvalidOperationException($"closed with {unanswered.Count} frames unanswered, such as a {unanswered.Values.First()}");
            var header = answer.Header;
            // Objects are made all the time, and shards opened with them: who wanted to know is told.
            if (header is { Opcode: Opcode.TopologyPush, IsAnswer: true, Status: Status.Ok, Correlation: 0 }) continue;
            Assert.True(unanswered.Remove(header.Correlation, out var asked) && header.IsAnswer && header.Opcode == asked, $"{header}: {(header.Status.IsError() ? answer.Text : "")}");
            Assert.True(header.Status is not (Status.FailedUnknown or Status.FailedNotApplied or Status.Corrupt or Status.Malformed), $"{header}: {answer.Text}");
            Interlocked.Increment(ref _answered);
        }

        await sending;
    }

    private static async Task SendAllAsync(RawConnection connection, ReadOnlyMemory<byte> bytes)
    {
        if (await connection.TrySendAsync(bytes)) connection.CloseOutput();
    }

    /// <summary>Another tenant of the node: every page it put must be what it gets, and no call may fail.</summary>
    private static async Task<int> WellBehavedAsync(GridClient client, Func<bool> done)
    {
        var ephemeral = await client.CreatePoolAsync(Names.Unique("good"), Kinds.Options(PoolKind.Ephemeral, PoolSharing.Shared));
        var persistent = await client.CreatePoolAsync(Names.Unique("good"), Kinds.Options(PoolKind.Persistent, PoolSharing.Private));
        var id = Names.Object();
        var rounds = 0;
        var expected = new Dictionary<uint, ulong>();
        while (!done())
        {
            var index = (uint)(rounds % 128);
            var number = (ulong)rounds++;
            await ephemeral.StoreAsync(id, index, PageBytes.Mixed(number));
            await persistent.StoreAsync(id, index, PageBytes.Mixed(number));
            expected[index] = number;
            await ephemeral.AssertHoldsAsync(id, index, PageBytes.Mixed(number));
            var other = (uint)((rounds * 7) % 128);
            if (expected.TryGetValue(other, out var known)) await persistent.AssertHoldsAsync(id, other, PageBytes.Mixed(known));
        }

        foreach (var (index, number) in expected) await persistent.AssertHoldsAsync(id, index, PageBytes.Mixed(number));
        return rounds;
    }
}
