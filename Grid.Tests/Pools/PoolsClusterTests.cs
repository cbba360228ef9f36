using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Cluster;
using Grid.Node.Pools;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Status = Grid.Protocol.Status;

namespace Grid.Tests.Pools;

/// <summary>Two nodes in one process, over real remoting.</summary>
public sealed class PoolsClusterTests : IAsyncLifetime
{
    private readonly JournalStore _journal = new();
    private long _pagesOfTheDead;
    private PoolsNode _one = null!;
    private PoolsNode _two = null!;

    public async Task InitializeAsync()
    {
        var settings = PoolsNode.Settings with
        {
            ConfirmTimeout = TimeSpan.FromSeconds(4),
            CountPages = (_, _) => Task.FromResult(Volatile.Read(ref _pagesOfTheDead) + _one.Entry("a").Quota.Taken - _one.Entry("a").Quota.Given),
        };
        _one = await (await PoolsNode.StartAsync(_journal, settings, serializeAll: false)).ReadyAsync();
        _two = await (await PoolsNode.StartAsync(_journal, settings, _one, serializeAll: false)).ReadyAsync();
    }

    public async Task DisposeAsync()
    {
        await _two.DisposeAsync();
        await _one.DisposeAsync();
    }

    [Fact]
    public async Task What_one_node_was_told_is_so_on_every_node()
    {
        for (var round = 0; round < 10; round++)
        {
            var (here, there) = round % 2 == 0 ? (_one, _two) : (_two, _one);
            var created = (await here.CreateAsync("a")).Pool!;
            var entry = there.Entry("a");
            Assert.Equal(created, entry.Info);
            Assert.Equal(Status.Ok, (await there.FreezeAsync("a")).Status);
            Assert.True(here.Entry("a").Frozen);
            Assert.Equal(Status.Ok, (await here.DestroyAsync("a")).Status);
            Assert.False(there.View.TryGet(created.Id, out _));
            Assert.True(entry.IsDestroyed);
        }
    }

    [Fact]
    public async Task A_change_that_a_node_does_not_confirm_is_in_progress_or_unknown_until_it_does_or_is_gone()
    {
        await _one.CreateAsync("a");
        await _two.Handles.ViewActor.GracefulStop(PoolsNode.Patience);
        var frozen = await _one.FreezeAsync("a");
        Assert.Equal(Status.FailedUnknown, frozen.Status);
        Assert.Contains(_two.Address.Port.ToString()!, frozen.Text, StringComparison.Ordinal);
        Assert.Equal(Status.InProgress, (await _one.DestroyAsync("a")).Status);
        Assert.Equal(Status.InProgress, (await _one.DestroyAsync("a")).Status);
        await _two.CrashAsync(_one);
        PoolAnswer? answer = null;
        await Eventually.TrueAsync(
            async () => (answer = await _one.DestroyAsync("a")).Status != Status.InProgress, "the node is removed", PoolsNode.Patience, () => $"{answer}");
        Assert.True(answer!.Status is Status.Ok or Status.NoSuchPool, $"{answer}");
        Assert.Equal(Status.NoSuchPool, (await _one.DestroyAsync("a")).Status);
    }

    [Fact]
    public async Task The_registry_moves_when_its_node_leaves_and_knows_everything()
    {
        var a = (await _two.CreateAsync("a")).Pool!;
        var b = (await _two.CreateAsync("b")).Pool!;
        await _two.DestroyAsync("b");
        await _one.DisposeAsync();
        PoolAnswer? answer = null;
        await Eventually.TrueAsync(
            async () => (answer = await _two.CreateAsync("b")).Status is Status.Ok or Status.PoolExists, "the registry is here now", PoolsNode.Patience, () => $"{answer}");
        Assert.Equal(a, _two.Entry("a").Info);
        // "There is one already" may be an earlier attempt's, of which this node's view has not been told yet.
        await Eventually.TrueAsync(() => _two.View.TryGet("default", "b", out _), "the view shows it", PoolsNode.Patience);
        Assert.True(_two.Entry("b").Id.Value > b.Id.Value);
    }

    [Fact]
    public async Task Nobody_waits_for_a_node_that_said_that_it_serves_nothing_any_more()
    {
        var parted = new ConcurrentDictionary<UniqueAddress, bool>();
        var journal = new JournalStore();
        var settings = PoolsNode.Settings with { RemovedGrace = TimeSpan.FromMinutes(5), ConfirmTimeout = TimeSpan.FromSeconds(10), HasParted = parted.ContainsKey };
        var one = await (await PoolsNode.StartAsync(journal, settings, serializeAll: false)).ReadyAsync();
        await using var two = await (await PoolsNode.StartAsync(journal, settings, one, serializeAll: false)).ReadyAsync();
        await one.CreateAsync("a", new PoolOptions { Kind = PoolKind.Persistent, QuotaPages = 100 });
        parted.TryAdd(Akka.Cluster.Cluster.Get(one.System).SelfUniqueAddress, true);
        await one.DisposeAsync();
        PoolAnswer? answer = null;
        await Eventually.TrueAsync(
            async () => (answer = await two.FreezeAsync("a")).Status == Status.Ok, "the registry is here and waits for nobody", PoolsNode.Patience, () => $"{answer}");
        Assert.True(await two.Entry("a").Quota.BorrowAsync(1));
    }

    [Fact]
    public async Task Two_nodes_that_compete_fill_a_quota_exactly()
    {
        await _one.CreateAsync("a", new PoolOptions { QuotaPages = 777 });
        var taken = await Task.WhenAll(Task.Run(() => _one.TakeAllAsync("a")), Task.Run(() => _two.TakeAllAsync("a")));
        // Who was refused first may have handed back a little before the other was done.
        await Task.Delay(QuotaAccount.ExhaustedFor * 2);
        var rest = await _one.TakeAllAsync("a") + await _two.TakeAllAsync("a");
        Assert.Equal(777, taken.Sum() + rest);
    }

    [Fact]
    public async Task What_one_node_frees_the_other_can_take()
    {
        await _one.CreateAsync("a", new PoolOptions { QuotaPages = 300 });
        Assert.Equal(300, await _one.TakeAllAsync("a"));
        Assert.Equal(0, await _two.TakeAllAsync("a"));
        _one.Entry("a").Quota.Give(7);
        await Task.Delay(QuotaAccount.ExhaustedFor * 2);
        Assert.Equal(7, await _two.TakeAllAsync("a"));
        _two.Entry("a").Quota.Give(300);
        Assert.Equal(300, await _two.TakeAllAsync("a"));
        await Task.Delay(QuotaAccount.ExhaustedFor * 2);
        Assert.Equal(0, await _one.TakeAllAsync("a"));
    }

    [Theory, InlineData(PoolKind.Ephemeral), InlineData(PoolKind.Persistent)]
    public async Task What_a_removed_node_had_comes_back_except_for_the_pages_it_left(PoolKind kind)
    {
        await _one.CreateAsync("a", new PoolOptions { Kind = kind, QuotaPages = 300 });
        Assert.True(await _two.Entry("a").Quota.BorrowAsync(50));
        Assert.True(_two.Entry("a").Quota.TryTake(50));
        Assert.True(await _one.Entry("a").Quota.BorrowAsync(10));
        Assert.True(_one.Entry("a").Quota.TryTake(10));
        // Of its 50 pages 40 made it into the journal.
        Volatile.Write(ref _pagesOfTheDead, 40);
        await _two.CrashAsync(_one);
        var taken = 10;
        var expected = kind == PoolKind.Ephemeral ? 300 : 260;
        await Eventually.TrueAsync(
            async () => (taken += await _one.TakeAllAsync("a")) == expected, "everything it did not use is back", PoolsNode.Patience, () => $"{taken}");
        await Task.Delay(QuotaAccount.ExhaustedFor * 2);
        Assert.Equal(0, await _one.TakeAllAsync("a"));
    }

    [Fact]
    public async Task Counters_are_summed_over_the_nodes()
    {
        await _one.CreateAsync("a");
        _one.Entry("a").Counters.AddPuts(3);
        _two.Entry("a").Counters.AddPuts(4);
        Assert.Equal(7ul, (await _one.Pools.StatAsync("default", "a", CancellationToken.None)).Stat!.Puts);
        Assert.Equal(7ul, (await _two.Pools.StatAsync("default", "a", CancellationToken.None)).Stat!.Puts);
    }
}
