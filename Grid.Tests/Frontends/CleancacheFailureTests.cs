using Grid.Client;
using Grid.Client.Frontends;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends;

/// <summary>Errors are misses, and what was not invalidated is never given.</summary>
public sealed class CleancacheFailureTests(OwnNode own, ITestOutputHelper output) : OwnNodeTest(own, output)
{
    private static readonly CleancacheOptions Quick = new()
    {
        CacheTimeout = TimeSpan.FromSeconds(2),
        InvalidateTimeout = TimeSpan.FromSeconds(2),
        PauseAfterFailure = TimeSpan.Zero,
    };

    private static readonly CleancacheOptions Patient = new() { CacheTimeout = TimeSpan.FromSeconds(60), InvalidateTimeout = TimeSpan.FromSeconds(60) };

    [Fact]
    public async Task With_the_node_down_everything_is_a_miss_and_nothing_fails()
    {
        await using var client = await Node.ConnectAsync(timeout: "3s");
        var cleancache = new Cleancache(client, Quick);
        var name = Names.Unique("fs");
        var fs = await MountAsync(cleancache, name);
        var inode = Names.Object();
        await fs.PutPageAsync(inode, 0, PageBytes.Mixed(1));
        await Node.Kill9Async();
        await fs.AssertAbsentAsync(inode, 0);
        await fs.PutPageAsync(inode, 1, PageBytes.Mixed(2));
        await fs.InvalidatePageAsync(inode, 0);
        await fs.InvalidateInodeAsync(inode);
        Assert.NotNull(fs.LastFailure);
        Assert.Equal(new CleancacheCounters(0, 1, 2, 1), cleancache.Counters);
        var late = await cleancache.InitFsAsync(Names.Unique("late"));
        Assert.False(late.HasPool);
        await fs.InvalidateFsAsync();

        await RestartAsync();
        fs = await MountAsync(cleancache, name);
        await Eventually.TrueAsync(
            async () =>
            {
                await fs.PutPageAsync(inode, 5, PageBytes.Mixed(5));
                return await fs.GetPageAsync(inode, 5, new byte[4096]);
            },
            "it caches again",
            TimeSpan.FromSeconds(60));
    }

    [Theory, InlineData("page"), InlineData("inode"), InlineData("put")]
    public async Task What_one_process_could_not_invalidate_it_never_gets(string how)
    {
        await using var link = new HoldingLink(Node.Ports.Data);
        await using var client = await GridClient.ConnectAsync(link.ConnectionString("default"));
        var name = Names.Unique("fs");
        var fs = await MountAsync(new Cleancache(client, Quick), name);
        var (inode, other) = (Names.Object(), Names.Object());
        var auditor = await client.OpenPoolAsync($"cleancache.{name}");
        for (var index = 0u; index < 4; index++) await PutAsync(fs, auditor, inode, index);
        await PutAsync(fs, auditor, other, 0);

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
        await Eventually.TrueAsync(() => fs.GetPageAsync(other, 0, new byte[4096]).AsTask(), "other inodes are given", TimeSpan.FromSeconds(60));
        await Eventually.TrueAsync(
            async () =>
            {
                await fs.PutPageAsync(inode, 1, PageBytes.Mixed(301));
                return await fs.GetPageAsync(inode, 1, new byte[4096]);
            },
            "the inode is cached again",
            TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task An_invalidation_that_never_reached_the_grid_is_made_up_for_before_anything_is_given()
    {
        await using var client = await Node.ConnectAsync();
        var time = new Clock();
        var name = Names.Unique("fs");
        var fs = await MountAsync(new Cleancache(client, Quick with { PauseAfterFailure = TimeSpan.FromMinutes(1), Time = time }), name);
        var (inode, other) = (Names.Object(), Names.Object());
        var auditor = await client.OpenPoolAsync($"cleancache.{name}");
        await PutAsync(fs, auditor, inode, 1, () => time.Go(TimeSpan.FromMinutes(2)));
        await PutAsync(fs, auditor, other, 1, () => time.Go(TimeSpan.FromMinutes(2)));
        await Node.PauseAsync();
        // This failure begins the pause: the invalidation is not even sent, and the grid keeps the page.
        await fs.AssertAbsentAsync(other, 1);
        await fs.InvalidatePageAsync(inode, 1);
        Node.Continue();
        await auditor.AssertHoldsAsync(inode, 1, PageBytes.Mixed(1));
        await fs.AssertAbsentAsync(inode, 1);
        await auditor.AssertHoldsAsync(inode, 1, PageBytes.Mixed(1));
        time.Go(TimeSpan.FromMinutes(2));
        await Eventually.TrueAsync(
            async () =>
            {
                // The get that would have hit it has it flushed instead.
                await fs.AssertAbsentAsync(inode, 1);
                time.Go(TimeSpan.FromMinutes(2));
                return !(await auditor.ReadAsync(inode, 1)).Hit;
            },
            "the page is flushed",
            TimeSpan.FromSeconds(60));
    }

    [Fact]
    public async Task In_a_shared_file_system_an_invalidation_that_fails_is_said_for_others_still_get_the_page()
    {
        await using var link = new HoldingLink(Node.Ports.Data);
        await using var client = await GridClient.ConnectAsync(link.ConnectionString("one"));
        await using var other = await Node.ConnectAsync(member: "two");
        var uuid = Guid.NewGuid();
        var fs = await new Cleancache(client, Quick).InitSharedFsAsync(uuid);
        var there = await new Cleancache(other, Patient).InitSharedFsAsync(uuid);
        var inode = Names.Object();
        await PutAsync(fs, await client.OpenPoolAsync($"cleancache.{uuid:n}"), inode, 1);
        link.Hold();
        await Assert.ThrowsAnyAsync<GridException>(() => fs.InvalidatePageAsync(inode, 1).AsTask());
        await Assert.ThrowsAnyAsync<GridException>(() => fs.InvalidateInodeAsync(inode).AsTask());
        await Assert.ThrowsAnyAsync<GridException>(() => fs.PutPageAsync(inode, 1, PageBytes.Mixed(2)).AsTask());
        await there.AssertGivesAsync(inode, 1, 1);
        link.Release();
        await Eventually.TrueAsync(
            async () => await Record.ExceptionAsync(() => fs.InvalidatePageAsync(inode, 1).AsTask()) is null, "the repetition succeeds", TimeSpan.FromSeconds(60));
        await there.AssertAbsentAsync(inode, 1);
    }

    [Fact]
    public async Task A_put_that_is_late_does_not_undo_another_mounts_invalidation()
    {
        await using var link = new HoldingLink(Node.Ports.Data);
        await using var slow = await GridClient.ConnectAsync(link.ConnectionString("slow"));
        await using var client = await Node.ConnectAsync(member: "quick");
        var uuid = Guid.NewGuid();
        var slowFs = await new Cleancache(slow, Patient).InitSharedFsAsync(uuid);
        var fs = await new Cleancache(client, Patient).InitSharedFsAsync(uuid);
        var inode = Names.Object();
        await slowFs.PutPageAsync(inode, 0, PageBytes.Mixed(1));

        link.Hold();
        using var cancel = new CancellationTokenSource();
        var put = slowFs.PutPageAsync(inode, 1, PageBytes.Mixed(10), cancel.Token).AsTask();
        await Eventually.TrueAsync(() => link.HeldBytes > 4096, "the put is on its way", TimeSpan.FromSeconds(60));
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => put);
        await fs.InvalidatePageAsync(inode, 1);
        link.Release();
        // Once the same connection answers, the put has arrived.
        await slow.PingAsync();
        await fs.AssertAbsentAsync(inode, 1);
    }

    /// <summary>Mounts, however busy the machine is.</summary>
    private static async Task<CleancacheFileSystem> MountAsync(Cleancache cleancache, string name)
    {
        CleancacheFileSystem? fs = null;
        await Eventually.TrueAsync(async () => (fs = await cleancache.InitFsAsync(name)).HasPool, "it has a pool", TimeSpan.FromSeconds(60), () => fs?.LastFailure ?? "");
        return fs!;
    }

    /// <summary>Puts the page whose number is its index, however busy the machine is.</summary>
    private static Task PutAsync(CleancacheFileSystem fs, Pool auditor, ObjectId inode, uint index, Action? again = null) => Eventually.TrueAsync(
        async () =>
        {
            await fs.PutPageAsync(inode, index, PageBytes.Mixed(index));
            again?.Invoke();
            return (await auditor.ReadAsync(inode, index)).Hit;
        },
        "the page is put",
        TimeSpan.FromSeconds(60));

    /// <summary>A clock that goes as the test says.</summary>
    private sealed class Clock : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Read(ref _ticks);

        public void Go(TimeSpan time) => Interlocked.Add(ref _ticks, time.Ticks);
    }
}
