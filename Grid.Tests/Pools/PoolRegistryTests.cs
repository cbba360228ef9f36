using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Pattern;
using Grid.Node.Pools;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Status = Grid.Protocol.Status;

namespace Grid.Tests.Pools;

/// <summary>The registry, its supervisor, the view and the facade of one node, on a journal that fails when asked to.</summary>
public sealed class PoolRegistryTests : IAsyncLifetime
{
    private static readonly PoolOptions Persistent = new() { Kind = PoolKind.Persistent };
    private static readonly PoolOptions Shared = new() { Sharing = PoolSharing.Shared };
    private JournalStore _journal = new JournalStore();
    private PoolsNode _node = null!;

    public async Task InitializeAsync() => _node = await (await PoolsNode.StartAsync(_journal)).ReadyAsync();

    public async Task DisposeAsync() => await _node.DisposeAsync();

    [Fact]
    public async Task A_created_pool_is_in_the_view_when_the_answer_comes()
    {
        var answer = await _node.CreateAsync("a", Persistent);
        Assert.Equal((Status.Ok, ""), (answer.Status, answer.Text));
        Assert.True(_node.View.TryGet(answer.Pool!.Id, out var entry));
        Assert.Equal(answer.Pool, entry.Info);
        Assert.Same(entry, _node.Entry("a"));
        Assert.Equal(answer.Pool, (await _node.OpenAsync("a", "bob")).Pool);
        Assert.Equal([answer.Pool], await _node.Pools.ListAsync("default", CancellationToken.None));
        Assert.Empty(await _node.Pools.ListAsync("other", CancellationToken.None));
    }

    [Fact]
    public async Task A_freeze_is_in_the_view_when_the_answer_comes_and_the_entry_stays_the_same()
    {
        await _node.CreateAsync("a");
        var entry = _node.Entry("a");
        Assert.True((await _node.FreezeAsync("a")).Pool!.Frozen);
        Assert.True(entry.Frozen);
        Assert.Equal(Status.Ok, (await _node.FreezeAsync("a")).Status);
        Assert.False((await _node.ThawAsync("a")).Pool!.Frozen);
        Assert.False(entry.Frozen);
        Assert.Same(entry, _node.Entry("a"));
        Assert.Equal(Status.NoSuchPool, (await _node.FreezeAsync("b")).Status);
    }

    [Fact]
    public async Task A_shared_pool_is_joined_and_left_and_dies_with_its_last_member()
    {
        Assert.Equal(1, (await _node.CreateAsync("s", Shared)).Pool!.Members);
        Assert.Equal(2, (await _node.CreateAsync("s", Shared, "bob")).Pool!.Members);
        Assert.Equal(3, (await _node.OpenAsync("s", "eve")).Pool!.Members);
        Assert.Equal(3, (await _node.OpenAsync("s", "eve")).Pool!.Members);
        Assert.Equal(Status.PoolExists, (await _node.CreateAsync("s", Shared with { PageSizeBytes = 8192 }, "bob")).Status);
        Assert.Equal(Status.NotAllowed, (await _node.DestroyAsync("s", "joe")).Status);
        Assert.Equal(Status.Ok, (await _node.DestroyAsync("s")).Status);
        Assert.Equal(Status.Ok, (await _node.DestroyAsync("s", "eve")).Status);
        Assert.Equal(1, _node.Entry("s").Info.Members);
        Assert.Equal(Status.Ok, (await _node.DestroyAsync("s", "bob")).Status);
        Assert.Equal(Status.NoSuchPool, (await _node.OpenAsync("s")).Status);
    }

    [Fact]
    public async Task A_destroyed_pool_is_out_of_the_view_and_its_objects_are_told_when_the_answer_comes()
    {
        var told = new ConcurrentQueue<PoolDestroyed>();
        var listener = _node.System.ActorOf(Props.Create(() => new Listener(told)));
        _node.System.EventStream.Subscribe(listener, typeof(PoolDestroyed));
        var pool = (await _node.CreateAsync("a")).Pool!;
        var entry = _node.Entry("a");
        Assert.Equal(Status.Ok, (await _node.DestroyAsync("a")).Status);
        Assert.False(_node.View.TryGet(pool.Id, out _));
        Assert.True(entry.IsDestroyed);
        await Eventually.TrueAsync(() => told.Contains(new PoolDestroyed(pool.Id)), "the event stream tells", PoolsNode.Patience);
        Assert.Equal(Status.NoSuchPool, (await _node.DestroyAsync("a")).Status);
    }

    [Fact]
    public async Task Pools_and_numbers_outlive_the_registry_and_the_node()
    {
        var first = (await _node.CreateAsync("a", Persistent with { QuotaPages = 7 })).Pool!;
        var gone = (await _node.CreateAsync("b")).Pool!;
        await _node.FreezeAsync("a");
        await _node.DestroyAsync("b");
        _node.KillRegistry();
        await Eventually.TrueAsync(() => _journal.Events.Count(happened => happened is PoolEvent.Fenced) == 2, "a second fence", PoolsNode.Patience);
        var third = (await _node.CreateAsync("b")).Pool!;
        await RestartAsync();

        Assert.Equal(first with { Frozen = true }, _node.Entry("a").Info);
        Assert.Equal(third, _node.Entry("b").Info);
        await _node.DestroyAsync("b");
        var ids = new[] { first.Id, gone.Id, third.Id, (await _node.CreateAsync("b")).Pool!.Id };
        Assert.Equal(ids, ids.Distinct());
    }

    [Fact]
    public async Task Nothing_is_answered_before_it_is_durable()
    {
        var gate = new TaskCompletionSource();
        _journal.Gate = gate.Task;
        var create = _node.CreateAsync("a");
        await Task.Delay(300);
        Assert.False(create.IsCompleted);
        Assert.False(_node.View.TryGet("default", "a", out _));
        gate.SetResult();
        Assert.Equal(Status.Ok, (await create).Status);
    }

    [Theory, InlineData(false), InlineData(true)]
    public async Task A_write_that_fails_is_unknown_and_the_next_incarnation_tells_what_became_of_it(bool wasWritten)
    {
        await RestartAsync(serializeAll: false);
        _journal.FailAfterWriting = wasWritten;
        _journal.FailWrites = new IOException("the disk is gone");
        var answer = await _node.CreateAsync("a");
        Assert.Equal(Status.FailedUnknown, answer.Status);
        Assert.Contains("the disk is gone", answer.Text, StringComparison.Ordinal);
        _journal.FailWrites = null;
        await Eventually.TrueAsync(
            async () => (await _node.CreateAsync("probe")).Status is Status.Ok or Status.PoolExists, "the registry is back", PoolsNode.Patience);
        Assert.Equal(wasWritten ? Status.Ok : Status.NoSuchPool, (await _node.OpenAsync("a")).Status);
    }

    [Fact]
    public async Task An_open_circuit_breaker_is_a_failure_that_was_not_applied()
    {
        await RestartAsync(serializeAll: false);
        _journal.FailWrites = new OpenCircuitException("open");
        Assert.Equal(Status.FailedNotApplied, (await _node.CreateAsync("a")).Status);
    }

    [Fact]
    public async Task A_journal_that_is_away_for_long_does_not_end_the_registry_and_reads_go_on()
    {
        await RestartAsync(serializeAll: false);
        await _node.CreateAsync("a");
        _journal.FailReads = new IOException("no database");
        _node.KillRegistry();
        var failed = await WaitForAsync(() => _node.CreateAsync("b"), answer => answer.Status == Status.NotServing);
        Assert.Contains("journal", failed.Text, StringComparison.Ordinal);
        Assert.Equal(Status.Ok, (await _node.OpenAsync("a")).Status);
        await Task.Delay(1500);
        _journal.FailReads = null;
        await WaitForAsync(() => _node.CreateAsync("b"), answer => answer.Status is Status.Ok or Status.PoolExists);
    }

    [Fact]
    public async Task A_command_that_meets_a_registry_whose_recovery_fails_is_answered_at_once()
    {
        await RestartAsync(serializeAll: false);
        _journal.FailReads = new IOException("no database");
        _node.KillRegistry();
        await WaitForAsync(() => _node.CreateAsync("b"), answer => answer.Status == Status.NotServing);
        var commands = new List<Task<PoolAnswer>>();
        for (var i = 0; i < 500; i++)
        {
            commands.Add(_node.CreateAsync("b"));
            // Some come while it rests, some while it recovers.
            await Task.Delay(4);
        }

        foreach (var answer in await Task.WhenAll(commands).WaitAsync(PoolsNode.Settings.ConfirmTimeout / 2)) Assert.Equal(Status.NotServing, answer.Status);
    }

    [Fact]
    public async Task Commands_that_wait_behind_a_failed_write_were_not_applied()
    {
        await RestartAsync(serializeAll: false);
        var gate = new TaskCompletionSource();
        _journal.Gate = gate.Task;
        var first = _node.CreateAsync("a");
        await Task.Delay(200);
        var second = _node.CreateAsync("b");
        await Task.Delay(200);
        _journal.FailWrites = new IOException("gone");
        gate.SetResult();
        Assert.Equal(Status.FailedUnknown, (await first).Status);
        Assert.Equal(Status.NotServing, (await second).Status);
    }

    [Fact]
    public async Task Pools_beyond_the_limit_are_refused()
    {
        await using var node = await (await PoolsNode.StartAsync(new JournalStore(), PoolsNode.Settings with { MaxPools = 2 })).ReadyAsync();
        await node.CreateAsync("a");
        await node.CreateAsync("b");
        Assert.Equal(Status.FailedNotApplied, (await node.CreateAsync("c")).Status);
        await node.DestroyAsync("a");
        Assert.Equal(Status.Ok, (await node.CreateAsync("c")).Status);
    }

    [Fact]
    public async Task A_view_takes_many_pools_in_parts()
    {
        for (var i = 0; i < 100; i++)
            await Task.WhenAll(Enumerable.Range(0, 7).Select(j => _node.CreateAsync($"pool-{i}-{j}-{new string('x', 100)}")));
        await RestartAsync();
        Assert.Equal(700, _node.View.Count);
        Assert.True(PoolsParts.PoolsPerPart < 700);
    }

    [Fact]
    public async Task A_destroyed_persistent_pool_is_swept_and_the_sweep_survives_failures_and_restarts()
    {
        var swept = new ConcurrentQueue<PoolId>();
        var fail = true;
        var settings = PoolsNode.Settings with
        {
            DeletePool = (pool, _) =>
            {
                if (Volatile.Read(ref fail)) return Task.FromException(new IOException("busy"));
                swept.Enqueue(pool);
                return Task.CompletedTask;
            },
        };
        await using (var node = await (await PoolsNode.StartAsync(_journal = new JournalStore(), settings)).ReadyAsync())
        {
            await node.CreateAsync("cache");
            await node.DestroyAsync("cache");
            await node.CreateAsync("vault", Persistent);
            await node.DestroyAsync("vault");
            await Task.Delay(200);
        }

        Assert.Empty(swept);
        Volatile.Write(ref fail, false);
        await using (await (await PoolsNode.StartAsync(_journal, settings)).ReadyAsync())
            await Eventually.TrueAsync(() => _journal.Events.OfType<PoolEvent.Swept>().Any(), "the sweep is durable", PoolsNode.Patience);
        Assert.Equal([new PoolId(2)], swept);
    }

    [Fact]
    public async Task Counters_are_told()
    {
        await _node.CreateAsync("a");
        var counters = _node.Entry("a").Counters;
        counters.AddPuts(5);
        counters.AddRefusals();
        counters.AddGets(4, 3);
        counters.AddFlushes(2);
        counters.ObjectStarted();
        counters.ObjectStarted();
        counters.ObjectStopped();
        var stat = (await _node.Pools.StatAsync("default", "a", CancellationToken.None)).Stat!;
        Assert.Equal((1ul, 5ul, 1ul, 4ul, 3ul, 2ul), (stat.Objects, stat.Puts, stat.Refusals, stat.Gets, stat.Hits, stat.Flushes));
        Assert.Equal(Status.NoSuchPool, (await _node.Pools.StatAsync("default", "b", CancellationToken.None)).Status);
    }

    private async Task RestartAsync(bool serializeAll = true)
    {
        await _node.DisposeAsync();
        _node = await (await PoolsNode.StartAsync(_journal, serializeAll: serializeAll)).ReadyAsync();
    }

    private static async Task<PoolAnswer> WaitForAsync(Func<Task<PoolAnswer>> ask, Func<PoolAnswer, bool> isIt)
    {
        PoolAnswer? answer = null;
        await Eventually.TrueAsync(async () => isIt(answer = await ask()), "the awaited answer", PoolsNode.Patience, () => $"{answer}");
        return answer!;
    }

    private sealed class Listener : ReceiveActor
    {
        public Listener(ConcurrentQueue<PoolDestroyed> told) => Receive<PoolDestroyed>(told.Enqueue);
    }
}
