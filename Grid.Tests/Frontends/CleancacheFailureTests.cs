using System.Globalization;
using Grid.Client;
using Grid.Client.Frontends;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends;

/// <summary>Errors are misses, and what was not invalidated is never given.</summary>
public sealed class CleancacheFailureTests(ITestOutputHelper output)
{
    private static readonly CleancacheOptions Quick = new()
    {
        CacheTimeout = TimeSpan.FromMilliseconds(200), InvalidateTimeout = TimeSpan.FromMilliseconds(300), PauseAfterFailure = TimeSpan.Zero,
    };

    [Fact]
    public async Task With_the_node_down_everything_is_a_miss_and_nothing_fails()
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        await using var client = await node.ConnectAsync(timeout: "300ms");
        var cleancache = new Cleancache(client, Quick);
        var fs = await cleancache.InitFsAsync("fs");
        var inode = Names.Object();
        await fs.PutPageAsync(inode, 0, PageBytes.Mixed(1));
        await node.Kill9Async();
        await fs.AssertAbsentAsync(inode, 0);
        await fs.PutPageAsync(inode, 1, PageBytes.Mixed(2));
        await fs.InvalidatePageAsync(inode, 0);
        await fs.InvalidateInodeAsync(inode);
        Assert.NotNull(fs.LastFailure);
        Assert.Equal(new CleancacheCounters(0, 1, 2, 1), cleancache.Counters);
        var late = await cleancache.InitFsAsync("late");
        Assert.False(late.HasPool);
        await fs.InvalidateFsAsync();

        await node.RestartAsync(NodeSetup.Default.With("grid.gateway.port", node.Ports.Data.ToString(CultureInfo.InvariantCulture)));
        await Eventually.TrueAsync(async () => (fs = await cleancache.InitFsAsync("fs")).HasPool, "it has a pool again", TimeSpan.FromSeconds(20), () => fs.LastFailure ?? "");
        await Eventually.TrueAsync(
            async () =>
            {
                await fs.PutPageAsync(inode, 5, PageBytes.Mixed(5));
                return await fs.GetPageAsync(inode, 5, new byte[4096]);
            },
            "it caches again",
            TimeSpan.FromSeconds(20));
    }

    [Theory, InlineData("page"), InlineData("inode"), InlineData("put")]
    public async Task What_one_process_could_not_invalidate_it_never_gets(string how)
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        await using var link = new HoldingLink(node.Ports.Data);
        await using var client = await GridClient.ConnectAsync(link.ConnectionString("default"));
        var fs = await new Cleancache(client, Quick).InitFsAsync("fs");
        var (inode, other) = (Names.Object(), Names.Object());
        for (var index = 0u; index < 4; index++) await fs.PutPageAsync(inode, index, PageBytes.Mixed(index));
        await fs.PutPageAsync(other, 0, PageBytes.Mixed(9));

        // Nothing of this reaches the node, which keeps the pages.
        link.Hold();
        switch (how)
        {
            case "page":
                await fs.InvalidatePageAsync(inode, 1);
                break;
            case "inode":
                await fs.InvalidateInodeAsync(inode);
                break;
            default:
                await fs.PutPageAsync(inode, 1, PageBytes.Mixed(101));
                break;
        }

        await fs.AssertAbsentAsync(inode, 1);
        await link.CutAsync();
        for (var round = 0; round < 20; round++) await fs.AssertAbsentAsync(inode, 1);
        if (how == "inode")
            for (var index = 0u; index < 4; index++) await fs.AssertAbsentAsync(inode, index);
        await Eventually.TrueAsync(() => fs.GetPageAsync(other, 0, new byte[4096]).AsTask(), "other inodes are given", TimeSpan.FromSeconds(10));
        await Eventually.TrueAsync(
            async () =>
            {
                await fs.PutPageAsync(inode, 1, PageBytes.Mixed(301));
                return await fs.GetPageAsync(inode, 1, new byte[4096]);
            },
            "the inode is cached again",
            TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task An_invalidation_that_never_reached_the_grid_is_made_up_for_before_anything_is_given()
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        await using var client = await node.ConnectAsync();
        var fs = await new Cleancache(client, Quick with { PauseAfterFailure = TimeSpan.FromSeconds(1) }).InitFsAsync("fs");
        var (inode, other) = (Names.Object(), Names.Object());
        await fs.PutPageAsync(inode, 1, PageBytes.Mixed(1));
        await fs.PutPageAsync(other, 1, PageBytes.Mixed(1));
        await node.PauseAsync();
        // This failure begins the pause: the invalidation is not even sent, and the grid keeps the page.
        await fs.AssertAbsentAsync(other, 1);
        await fs.InvalidatePageAsync(inode, 1);
        node.Continue();
        var auditor = await client.OpenPoolAsync("cleancache.fs");
        await auditor.AssertHoldsAsync(inode, 1, PageBytes.Mixed(1));
        await Eventually.TrueAsync(
            async () =>
            {
                await fs.AssertAbsentAsync(inode, 1);
                return !(await auditor.ReadAsync(inode, 1)).Hit;
            },
            "the page is flushed by the get that would have hit it",
            TimeSpan.FromSeconds(10));
    }

    [Fact]
    public async Task In_a_shared_file_system_an_invalidation_that_fails_is_said_for_others_still_get_the_page()
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        await using var link = new HoldingLink(node.Ports.Data);
        await using var client = await GridClient.ConnectAsync(link.ConnectionString("one"));
        await using var other = await node.ConnectAsync(member: "two");
        var uuid = Guid.NewGuid();
        var fs = await new Cleancache(client, Quick).InitSharedFsAsync(uuid);
        var there = await new Cleancache(other).InitSharedFsAsync(uuid);
        var inode = Names.Object();
        await fs.PutPageAsync(inode, 1, PageBytes.Mixed(1));
        link.Hold();
        await Assert.ThrowsAnyAsync<GridException>(() => fs.InvalidatePageAsync(inode, 1).AsTask());
        await Assert.ThrowsAnyAsync<GridException>(() => fs.InvalidateInodeAsync(inode).AsTask());
        await Assert.ThrowsAnyAsync<GridException>(() => fs.PutPageAsync(inode, 1, PageBytes.Mixed(2)).AsTask());
        await there.AssertGivesAsync(inode, 1, 1);
        link.Release();
        await Eventually.TrueAsync(
            async () => await Record.ExceptionAsync(() => fs.InvalidatePageAsync(inode, 1).AsTask()) is null, "the repetition succeeds", TimeSpan.FromSeconds(10));
        await there.AssertAbsentAsync(inode, 1);
    }

    [Fact]
    public async Task A_put_that_is_late_does_not_undo_another_mounts_invalidation()
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        await using var link = new HoldingLink(node.Ports.Data);
        await using var slow = await GridClient.ConnectAsync(link.ConnectionString("slow"));
        await using var client = await node.ConnectAsync(member: "quick");
        var uuid = Guid.NewGuid();
        var slowFs = await new Cleancache(slow, Quick with { CacheTimeout = TimeSpan.FromSeconds(20) }).InitSharedFsAsync(uuid);
        var fs = await new Cleancache(client).InitSharedFsAsync(uuid);
        var inode = Names.Object();
        await slowFs.PutPageAsync(inode, 0, PageBytes.Mixed(1));

        link.Hold();
        using var cancel = new CancellationTokenSource();
        var put = slowFs.PutPageAsync(inode, 1, PageBytes.Mixed(10), cancel.Token).AsTask();
        await Eventually.TrueAsync(() => link.HeldBytes > 4096, "the put is on its way", TimeSpan.FromSeconds(10));
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => put);
        await fs.InvalidatePageAsync(inode, 1);
        link.Release();
        // Once the same connection answers, the put has arrived.
        await slow.PingAsync();
        await fs.AssertAbsentAsync(inode, 1);
    }
}
