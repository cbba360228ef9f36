using Grid.Client;
using Grid.Client.Frontends;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends;

/// <summary>Cleancache on a live node: the kernel's semantics and counters.</summary>
public sealed class CleancacheTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    private static readonly CleancacheOptions Patient = new() { CacheTimeout = TimeSpan.FromSeconds(60), InvalidateTimeout = TimeSpan.FromSeconds(60) };

    [Fact]
    public async Task Counts_exactly_as_the_kernel_does()
    {
        var cleancache = new Cleancache(Client, Patient);
        var fs = await cleancache.InitFsAsync(Names.Unique("fs"));
        Assert.True(fs.HasPool);
        var inode = Names.Object();
        await fs.AssertAbsentAsync(inode, 0);
        await fs.PutPageAsync(inode, 0, PageBytes.Mixed(1));
        await fs.PutPageAsync(inode, 1, PageBytes.Mixed(2));
        await fs.AssertGivesAsync(inode, 0, 1);
        await fs.AssertAbsentAsync(inode, 0);
        await fs.InvalidatePageAsync(inode, 1);
        await fs.InvalidatePageAsync(inode, 7);
        await fs.AssertAbsentAsync(inode, 1);
        await fs.InvalidateInodeAsync(inode);
        await fs.InvalidateFsAsync();
        Assert.Equal(new CleancacheCounters(SuccGets: 1, FailedGets: 3, Puts: 2, Invalidates: 2), cleancache.Counters);

        // Without a pool the kernel calls and counts nothing.
        Assert.False(fs.HasPool);
        await fs.AssertAbsentAsync(inode, 0);
        await fs.PutPageAsync(inode, 0, PageBytes.Mixed(1));
        await fs.InvalidatePageAsync(inode, 0);
        await fs.InvalidateInodeAsync(inode);
        await fs.InvalidateFsAsync();
        Assert.Equal(new CleancacheCounters(SuccGets: 1, FailedGets: 3, Puts: 2, Invalidates: 2), cleancache.Counters);
    }

    [Fact]
    public async Task A_hit_removes_the_page_in_a_file_system_of_one_and_keeps_it_in_a_shared_one()
    {
        var cleancache = new Cleancache(Client, Patient);
        var inode = Names.Object();
        var alone = await cleancache.InitFsAsync(Names.Unique("fs"));
        await alone.PutPageAsync(inode, 3, PageBytes.Mixed(1));
        await alone.AssertGivesAsync(inode, 3, 1);
        await alone.AssertAbsentAsync(inode, 3);

        var uuid = Guid.NewGuid();
        await using var other = await Shared.Node.ConnectAsync(member: "other");
        var here = await cleancache.InitSharedFsAsync(uuid);
        var there = await new Cleancache(other, Patient).InitSharedFsAsync(uuid);
        await here.PutPageAsync(inode, 3, PageBytes.Mixed(2));
        await there.AssertGivesAsync(inode, 3, 2);
        await here.AssertGivesAsync(inode, 3, 2);
        await there.InvalidatePageAsync(inode, 3);
        await here.AssertAbsentAsync(inode, 3);

        // It dies with the last that mounts it.
        await here.PutPageAsync(inode, 4, PageBytes.Mixed(4));
        await here.InvalidateFsAsync();
        await here.AssertAbsentAsync(inode, 4);
        await there.AssertGivesAsync(inode, 4, 4);
        await there.InvalidateFsAsync();
        var again = await cleancache.InitSharedFsAsync(uuid);
        await again.AssertAbsentAsync(inode, 4);
    }

    [Fact]
    public async Task An_inodes_invalidation_leaves_other_inodes_and_a_new_mount_finds_nothing_of_the_last()
    {
        var cleancache = new Cleancache(Client, Patient);
        var name = Names.Unique("fs");
        var (one, two) = (Names.Object(), Names.Object());
        var fs = await cleancache.InitFsAsync(name);
        for (var index = 0u; index < 20; index++)
        {
            await fs.PutPageAsync(one, index * 1000, PageBytes.Mixed(index));
            await fs.PutPageAsync(two, index * 1000, PageBytes.Mixed(index));
        }

        await fs.InvalidateInodeAsync(one);
        for (var index = 0u; index < 10; index++)
        {
            await fs.AssertAbsentAsync(one, index * 1000);
            await fs.AssertGivesAsync(two, index * 1000, index);
        }

        // Not unmounted: the machine crashed, the disk was changed elsewhere.
        var next = await new Cleancache(Client, Patient).InitFsAsync(name);
        for (var index = 10u; index < 20; index++) await next.AssertAbsentAsync(two, index * 1000);
        await fs.AssertAbsentAsync(two, 11_000);
        await fs.InvalidatePageAsync(two, 11_000);
        await fs.PutPageAsync(two, 11_000, PageBytes.Mixed(1));
        await next.AssertAbsentAsync(two, 11_000);
    }

    [Fact]
    public async Task Random_sequences_never_give_an_old_page_and_hit_where_nothing_vanished()
    {
        var seed = Seeds.Next(Output);
        foreach (var isShared in new[] { false, true })
        {
            var random = new Random(seed);
            var cleancache = new Cleancache(Client, Patient);
            var fs = isShared ? await cleancache.InitSharedFsAsync(Guid.NewGuid()) : await cleancache.InitFsAsync(Names.Unique("fs"));
            var inodes = Enumerable.Range(0, 3).Select(_ => Names.Object()).ToArray();
            var model = new Dictionary<(ObjectId, uint), ulong>();
            for (var number = 1ul; number < 1500; number++)
            {
                var key = (Inode: inodes[random.Next(3)], Index: (uint)random.Next(12));
                switch (random.Next(20))
                {
                    case < 8:
                        await fs.PutPageAsync(key.Inode, key.Index, PageBytes.Mixed(number));
                        model[key] = number;
                        break;
                    case < 16:
                        if (model.TryGetValue(key, out var expected)) await fs.AssertGivesAsync(key.Inode, key.Index, expected);
                        else await fs.AssertAbsentAsync(key.Inode, key.Index);
                        if (!isShared) model.Remove(key);
                        break;
                    case < 19:
                        await fs.InvalidatePageAsync(key.Inode, key.Index);
                        model.Remove(key);
                        break;
                    default:
                        await fs.InvalidateInodeAsync(key.Inode);
                        foreach (var gone in model.Keys.Where(held => held.Item1 == key.Inode).ToList()) model.Remove(gone);
                        break;
                }
            }
        }
    }

    [Fact]
    public async Task Bad_arguments_are_refused_and_a_taken_name_is_no_pool()
    {
        var cleancache = new Cleancache(Client, Patient);
        await Assert.ThrowsAsync<ArgumentException>(() => cleancache.InitFsAsync("a/b").AsTask());
        await Assert.ThrowsAsync<ArgumentException>(() => cleancache.InitFsAsync("fs", 5000).AsTask());
        var uuid = Guid.NewGuid();
        var fs = await cleancache.InitSharedFsAsync(uuid);
        await Assert.ThrowsAsync<ArgumentException>(() => fs.GetPageAsync(default, 0, new byte[100]).AsTask());
        await Assert.ThrowsAsync<ArgumentException>(() => fs.PutPageAsync(default, 0, new byte[5000]).AsTask());
        var other = await cleancache.InitSharedFsAsync(uuid, 8192);
        Assert.False(other.HasPool);
        Assert.NotNull(other.LastFailure);
        Assert.False(await other.GetPageAsync(default, 0, new byte[8192]));
    }
}

/// <summary>Asks for a page and compares.</summary>
internal static class CleancacheAssertions
{
    public static async Task AssertGivesAsync(this CleancacheFileSystem fs, ObjectId inode, uint index, ulong number)
    {
        var page = new byte[fs.PageSizeBytes];
        Assert.True(await fs.GetPageAsync(inode, index, page), $"page {index}: a miss; {fs.LastFailure}");
        PoolAssertions.AssertSame(PageBytes.Mixed(number), page, $"page {index}");
    }

    public static async Task AssertAbsentAsync(this CleancacheFileSystem fs, ObjectId inode, uint index)
    {
        var page = new byte[fs.PageSizeBytes];
        Assert.False(await fs.GetPageAsync(inode, index, page), $"page {index}: {PageBytes.Describe(page)}");
    }
}
