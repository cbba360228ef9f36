using Grid.Node.Pools;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Status = Grid.Protocol.Status;

namespace Grid.Tests.Pools;

/// <summary>Quota borrowed from a real registry by one node.</summary>
public sealed class NodeQuotaTests
{
    private static readonly PoolOptions Vault = new() { Kind = PoolKind.Persistent, QuotaPages = 500 };
    private readonly JournalStore _journal = new();

    [Theory]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(1000)]
    public async Task A_node_fills_a_quota_exactly_and_what_is_given_back_can_be_taken_again(int pages)
    {
        await using var node = await (await PoolsNode.StartAsync(_journal)).ReadyAsync();
        await node.CreateAsync("a", new PoolOptions { QuotaPages = (ulong)pages });
        Assert.Equal(pages, await node.TakeAllAsync("a"));
        node.Entry("a").Quota.Give(pages / 2);
        Assert.Equal(pages / 2, await node.TakeAllAsync("a"));
        Assert.Equal(0, await node.TakeAllAsync("a", pages: 2));
    }

    [Fact]
    public async Task Many_objects_together_fill_a_quota_exactly()
    {
        await using var node = await (await PoolsNode.StartAsync(_journal)).ReadyAsync();
        await node.CreateAsync("a", Vault);
        var taken = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(() => node.TakeAllAsync("a"))));
        Assert.Equal(500, taken.Sum());
    }

    [Fact]
    public async Task Batches_stop_where_the_next_does_not_fit_and_single_pages_fill_the_rest()
    {
        await using var node = await (await PoolsNode.StartAsync(_journal)).ReadyAsync();
        await node.CreateAsync("a", Vault);
        Assert.Equal(450, await node.TakeAllAsync("a", pages: 150));
        Assert.Equal(50, await node.TakeAllAsync("a"));
        Assert.False(await node.Entry("a").Quota.BorrowAsync(501));
    }

    [Fact]
    public async Task Pages_that_were_there_before_the_registry_started_count()
    {
        await using (var before = await (await PoolsNode.StartAsync(_journal)).ReadyAsync()) await before.CreateAsync("a", Vault);
        var settings = PoolsNode.Settings with { CountPages = (_, _) => Task.FromResult(480L) };
        await using var node = await (await PoolsNode.StartAsync(_journal, settings)).ReadyAsync();
        Assert.Equal(20, await node.TakeAllAsync("a"));
        // One of the old pages goes: its permission is free here.
        node.Entry("a").Quota.Give(1);
        Assert.Equal(1, await node.TakeAllAsync("a"));
    }

    [Fact]
    public async Task What_a_node_holds_counts_on_when_the_registry_starts_again()
    {
        QuotaAccount? quota = null;
        var settings = PoolsNode.Settings with { CountPages = (_, _) => Task.FromResult(quota!.Taken - quota.Given) };
        await using var node = await (await PoolsNode.StartAsync(_journal, settings)).ReadyAsync();
        await node.CreateAsync("a", Vault);
        quota = node.Entry("a").Quota;
        await TakeAsync(quota, 70);
        quota.Settle(70);
        await RestartRegistryAsync(node, fences: 2);
        Assert.Equal(430, await node.TakeAllAsync("a"));
        await RestartRegistryAsync(node, fences: 3);
        Assert.Equal(0, await node.TakeAllAsync("a"));
        quota.Give(10);
        Assert.Equal(10, await node.TakeAllAsync("a"));
    }

    [Fact]
    public async Task Nobody_waits_for_a_new_registry_to_know_the_exact_number()
    {
        QuotaAccount? quota = null;
        var settings = PoolsNode.Settings with { CountPages = (_, _) => Task.FromResult(quota!.Taken - quota.Given), QuotaSettle = TimeSpan.FromMinutes(5) };
        await using var node = await (await PoolsNode.StartAsync(_journal, settings)).ReadyAsync();
        await node.CreateAsync("a", Vault);
        quota = node.Entry("a").Quota;
        await TakeAsync(quota, 70);
        await RestartRegistryAsync(node, fences: 2);
        // The two slices that the node has may be counted twice: as the node's, and as pages that may be older than it. Nobody tells that they have been written.
        await TakeAsync(quota, 500 - (2 * 64) - 70);
        // Whoever wants more waits a moment for the exact number, and then goes without.
        Assert.False(await quota.BorrowAsync(1));
    }

    [Fact]
    public async Task A_new_registry_knows_the_exact_number_at_once_where_nothing_is_being_written()
    {
        QuotaAccount? quota = null;
        var settings = PoolsNode.Settings with { CountPages = (_, _) => Task.FromResult(300 + quota!.Taken - quota.Given), QuotaSettle = TimeSpan.FromMinutes(5) };
        await using (var before = await (await PoolsNode.StartAsync(_journal)).ReadyAsync()) await before.CreateAsync("a", Vault);
        await using var node = await (await PoolsNode.StartAsync(_journal, settings)).ReadyAsync();
        quota = node.Entry("a").Quota;
        // Nothing was borrowed yet, and pages came and went.
        quota.Give(3);
        Assert.True(quota.TryTake(2));
        quota.Settle(2);
        Assert.Equal(500 - 299, await node.TakeAllAsync("a"));
    }

    [Fact]
    public async Task Who_waits_for_the_exact_number_gets_the_rest_when_a_write_ends_soon()
    {
        QuotaAccount? quota = null;
        var counts = 0;
        var settings = PoolsNode.Settings with
        {
            CountPages = (_, _) =>
            {
                // The write under way ends behind the third count.
                if (Interlocked.Increment(ref counts) == 3) quota!.Settle(70);
                return Task.FromResult(quota!.Taken - quota.Given);
            },
            QuotaSettle = TimeSpan.FromMinutes(5),
            CountPatience = TimeSpan.FromSeconds(20),
        };
        await using var node = await (await PoolsNode.StartAsync(_journal, settings)).ReadyAsync();
        await node.CreateAsync("a", Vault);
        quota = node.Entry("a").Quota;
        await TakeAsync(quota, 70);
        await RestartRegistryAsync(node, fences: 2);
        Assert.True(await quota.BorrowAsync(430));
        Assert.Equal(4, counts);
    }

    [Fact]
    public async Task Pages_on_their_way_to_the_journal_are_not_granted_again_by_a_new_registry()
    {
        QuotaAccount? quota = null;
        var counts = 0;
        // The 70 are not there yet at the first count.
        var settings = PoolsNode.Settings with
        {
            CountPages = (_, _) => Task.FromResult(quota!.Taken - quota.Given - (Interlocked.Increment(ref counts) == 1 ? 70 : 0)),
            QuotaSettle = TimeSpan.FromMinutes(5),
        };
        await using var node = await (await PoolsNode.StartAsync(_journal, settings)).ReadyAsync();
        await node.CreateAsync("a", Vault);
        quota = node.Entry("a").Quota;
        await TakeAsync(quota, 70);
        await RestartRegistryAsync(node, fences: 2);
        var taken = await node.TakeAllAsync("a");
        Assert.Equal(430, taken);
        // What is taken in vain comes back, once.
        quota.Untake(30);
        Assert.Equal(30, await node.TakeAllAsync("a"));
    }

    [Fact]
    public async Task A_pool_whose_pages_cannot_be_counted_gives_nothing_and_says_why_until_they_can()
    {
        await using (var before = await (await PoolsNode.StartAsync(_journal)).ReadyAsync()) await before.CreateAsync("a", Vault);
        var fail = true;
        var settings = PoolsNode.Settings with
        {
            CountPages = (_, _) => Volatile.Read(ref fail) ? Task.FromException<long>(new IOException("no database")) : Task.FromResult(499L),
        };
        await using var node = await (await PoolsNode.StartAsync(_journal, settings)).ReadyAsync();
        var quota = node.Entry("a").Quota;
        var failure = await Assert.ThrowsAsync<QuotaUnavailableException>(() => quota.BorrowAsync(1).AsTask());
        Assert.Contains("no database", failure.Message, StringComparison.Ordinal);
        Volatile.Write(ref fail, false);
        Assert.Equal(1, await node.TakeAllAsync("a"));
    }

    [Fact]
    public async Task Who_waits_for_a_registry_that_is_away_is_told_in_time()
    {
        var settings = PoolsNode.Settings with { BorrowTimeout = TimeSpan.FromMilliseconds(500) };
        await using var node = await (await PoolsNode.StartAsync(_journal, settings, serializeAll: false)).ReadyAsync();
        await node.CreateAsync("a", Vault);
        _journal.FailReads = new IOException("no database");
        node.KillRegistry();
        var answers = new List<string>();
        await Eventually.TrueAsync(
            async () =>
            {
                var answer = await node.CreateAsync("b");
                answers.Add($"{answer.Status} {answer.Text}");
                return answer.Status == Status.NotServing;
            },
            "the registry is away", PoolsNode.Patience, () => string.Join("; ", answers.GroupBy(text => text).Select(same => $"{same.Count()} x {same.Key}")));
        await Assert.ThrowsAsync<TimeoutException>(() => node.Entry("a").Quota.BorrowAsync(1).AsTask());
        _journal.FailReads = null;
        await Eventually.TrueAsync(async () => (await node.CreateAsync("b")).Status is Status.Ok or Status.PoolExists, "it is back", PoolsNode.Patience);
        Assert.True(await node.Entry("a").Quota.BorrowAsync(1));
    }

    [Fact]
    public async Task What_is_far_more_than_a_node_uses_goes_back_by_itself()
    {
        await using var node = await (await PoolsNode.StartAsync(_journal)).ReadyAsync();
        await node.CreateAsync("a", new PoolOptions { QuotaPages = 4000 });
        Assert.Equal(4000, await node.TakeAllAsync("a"));
        var quota = node.Entry("a").Quota;
        quota.Give(3000);
        await Eventually.TrueAsync(() => quota.Free == 500, "the surplus is returned", PoolsNode.Patience, () => $"{quota.Free}");
        Assert.Equal(3000, await node.TakeAllAsync("a"));
    }

    [Fact]
    public async Task Who_waits_for_quota_of_a_pool_that_is_destroyed_gets_none()
    {
        await using var node = await (await PoolsNode.StartAsync(_journal)).ReadyAsync();
        await node.CreateAsync("a", Vault);
        var quota = node.Entry("a").Quota;
        await node.DestroyAsync("a");
        Assert.False(await quota.BorrowAsync(1));
    }

    /// <summary>Takes so many pages, one by one, as for writes that have not ended; they can all be had.</summary>
    private static async Task TakeAsync(QuotaAccount quota, int pages)
    {
        for (var taken = 0; taken < pages; taken++)
            while (!quota.TryTake(1)) Assert.True(await quota.BorrowAsync(1));
    }

    private async Task RestartRegistryAsync(PoolsNode node, int fences)
    {
        node.KillRegistry();
        await Eventually.TrueAsync(() => _journal.Events.OfType<PoolEvent.Fenced>().Count() == fences, "the registry starts again", PoolsNode.Patience);
    }
}
