using Grid.Node.Memory;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Memory;

public sealed class EvictionTests
{
    private const int Mebibytes = 16;

    // What a store of 16 MiB holds: seven slabs of 512.
    private const int Capacity = 7 * 512;

    [Fact]
    public void Store_keeps_to_its_limit_and_recent_pages_stay()
    {
        using var store = Pages.Store(Mebibytes);
        var account = Pages.Account();
        var pages = new List<PageRef>();
        for (var i = 0ul; i < 4 * Capacity; i++)
        {
            pages.Add(store.Put(account, i));
            Assert.False(pages[^1].IsNone);
        }
        var stats = store.Stats;
        Assert.True(stats.UsedBytes <= stats.LimitBytes);
        Assert.Equal(account.Pages + account.Evictions, pages.Count);
        Assert.True(account.Pages > Capacity - 64, $"only {account.Pages} pages are there");
        var recent = pages[^(Capacity * 9 / 10)..];
        Assert.All(recent, page => Assert.True(store.IsAlive(page)));
        Assert.Equal(Pages.Make(4096, (ulong)pages.Count - 1, Look.Random), store.Read(pages[^1]));
    }

    [Fact]
    public void Raw_page_of_4_KiB_takes_at_most_4160_bytes()
    {
        using var store = Pages.Store(64);
        var account = Pages.Account(ephemeral: false);
        var pages = 0ul;
        while (!store.Put(account, pages, evictable: false).IsNone) pages++;
        // With 64 bytes of index that is 4224; the limit that no slab fits in any more is not the page's.
        Assert.True(store.Stats.UsedBytes / (double)pages <= 4160, $"{store.Stats.UsedBytes / (double)pages:f1} bytes a page");
        Assert.True(store.Stats.LimitBytes - store.Stats.UsedBytes < 2 * NativeRegion.SlabBytes);
    }

    [Fact]
    public void Pages_read_since_the_hand_passed_outlive_those_that_were_not()
    {
        using var store = Pages.Store(Mebibytes);
        var account = Pages.Account();
        var hot = new List<PageRef>();
        var cold = new List<PageRef>();
        for (var i = 0ul; i < 1000; i++)
        {
            hot.Add(store.Put(account, i));
            cold.Add(store.Put(account, i + 1_000_000));
        }
        for (var i = 0ul; i < 3 * Capacity; i++)
        {
            store.Put(account, i + 2_000_000);
            if (i % 100 == 0) hot.ForEach(page => store.Read(page));
        }
        Assert.All(hot, page => Assert.True(store.IsAlive(page)));
        Assert.DoesNotContain(cold, store.IsAlive);
    }

    [Fact]
    public void Pinned_pages_are_never_evicted()
    {
        using var store = Pages.Store(Mebibytes);
        var account = Pages.Account();
        var pinned = new List<PageRef>();
        for (var i = 0ul; i < 5 * Capacity; i++)
        {
            var page = store.Put(account, i);
            if (i % 100 != 0 || pinned.Count == 100) continue;
            Assert.True(store.TryPin(page));
            pinned.Add(page);
        }
        for (var i = 0; i < pinned.Count; i++)
        {
            Assert.Equal(Pages.Make(4096, (ulong)i * 100, Look.Random), store.Read(pinned[i]));
            store.Unpin(pinned[i]);
        }
        for (var i = 0ul; i < 3 * Capacity; i++) store.Put(account, i);
        Assert.DoesNotContain(pinned, store.IsAlive);
    }

    [Fact]
    public void Pages_that_must_stay_are_refused_room_and_never_lost()
    {
        using var store = Pages.Store(Mebibytes);
        var ephemeral = Pages.Account();
        for (var i = 0ul; i < 2 * Capacity; i++) store.Put(ephemeral, i);
        var persistent = Pages.Account(2, ephemeral: false);
        var pages = new List<PageRef>();
        while (store.Put(persistent, (ulong)pages.Count, evictable: false) is { IsNone: false } page) pages.Add(page);
        Assert.Equal(0, ephemeral.Pages);
        Assert.True(pages.Count > Capacity - 16, $"refused after {pages.Count} pages");
        for (var i = 0; i < 100; i++) Assert.True(store.Put(persistent, 0, evictable: false).IsNone);
        Assert.True(store.Put(ephemeral, 0).IsNone);
        Assert.Equal(pages.Count, persistent.Pages);
        for (var i = 0; i < pages.Count; i++) Assert.Equal(Pages.Make(4096, (ulong)i, Look.Random), store.Read(pages[i]));

        // One of them may go: one comes in.
        store.MakeEvictable(pages[7]);
        Assert.False(store.Put(persistent, 1, evictable: false).IsNone);
        Assert.False(store.IsAlive(pages[7]));
        Assert.True(store.Put(persistent, 1, evictable: false).IsNone);

        // A pin holds what may go; its end lets it.
        Assert.True(store.TryPin(pages[8]));
        store.MakeEvictable(pages[8]);
        Assert.True(store.Put(persistent, 1, evictable: false).IsNone);
        store.Unpin(pages[8]);
        Assert.False(store.Put(persistent, 1, evictable: false).IsNone);
    }

    [Fact]
    public void Memory_cut_for_other_sizes_is_cut_anew()
    {
        using var store = Pages.Store(Mebibytes);
        PoolAccount[] accounts =
        [
            Pages.Account(1), Pages.Account(2, PageCompression.Lz4), Pages.Account(3, bytes: 65536), Pages.Account(4, PageCompression.Zstd, 16384), Pages.Account(5, bytes: 32768),
        ];
        foreach (var account in (PoolAccount[])[.. accounts, .. accounts])
        {
            var pages = new List<(PageRef Page, ulong Number, Look Look)>();
            for (var i = 0ul; i < (64ul << 20) / (ulong)account.PageSizeBytes; i++)
            {
                var look = (Look)(i % 3);
                var page = store.Put(account, i, look);
                Assert.False(page.IsNone);
                pages.Add((page, i, look));
                if (i % 64 == 0) Assert.True(store.Stats.UsedBytes <= store.Stats.LimitBytes);
            }
            Assert.Equal(pages.Count(page => store.IsAlive(page.Page)), account.Pages);
            foreach (var (page, number, look) in pages[^50..])
                if (store.Read(page) is { } bytes) Assert.Equal(Pages.Make(account.PageSizeBytes, number, look), bytes);
            // A fair share is a fifth of 14 MiB; the others are idle.
            Assert.True(account.StoredBytes > 4 << 20, $"{account.StoredBytes} bytes of pages of {account.PageSizeBytes} in 16 MiB");
        }
    }

    [Fact]
    public void Account_over_its_share_is_evicted_from_before_one_under_it()
    {
        using var store = Pages.Store(Mebibytes);
        var small = Pages.Account(1);
        var big = Pages.Account(2);
        var kept = new List<PageRef>();
        for (var i = 0ul; i < Capacity / 4; i++) kept.Add(store.Put(small, i));
        for (var i = 0ul; i < 4 * Capacity; i++) store.Put(big, i);
        Assert.Equal(0, small.Evictions);
        Assert.All(kept, page => Assert.True(store.IsAlive(page)));
        for (var i = 0ul; i < 3 * Capacity; i++)
        {
            store.Put(small, i);
            store.Put(big, i);
            store.Put(big, i);
        }
        Assert.InRange(big.StoredBytes, 6 << 20, 9 << 20);
        Assert.InRange(small.StoredBytes, 6 << 20, 9 << 20);
    }

    [Fact]
    public void Idle_accounts_under_their_share_lose_their_pages_in_the_end()
    {
        using var store = Pages.Store(Mebibytes);
        for (var id = 1ul; id <= 100; id++)
        {
            var idle = Pages.Account(id);
            for (var i = 0ul; i < 50; i++) store.Put(idle, i);
        }
        var active = Pages.Account(1000);
        for (var i = 0ul; i < 3 * Capacity; i++) store.Put(active, i);
        Assert.True(active.Pages > Capacity * 9 / 10, $"{active.Pages} pages of the only account in use");
    }

    [Fact]
    public void Account_over_its_share_gives_room_to_one_of_another_page_size()
    {
        using var store = Pages.Store(Mebibytes * 2);
        var small = Pages.Account(1);
        var large = Pages.Account(2, bytes: 65536);
        for (var i = 0ul; i < 3 * 2 * Capacity; i++) store.Put(small, i);
        for (var i = 0ul; i < 1000; i++) store.Put(large, i);
        Assert.InRange(large.StoredBytes, 10 << 20, 20 << 20);
        Assert.InRange(small.StoredBytes, 10 << 20, 20 << 20);
    }

    [Fact]
    public void Classes_share_memory_as_their_demand_does()
    {
        using var store = Pages.Store(64);
        var raw = Pages.Account(1);
        var packed = Pages.Account(1, PageCompression.Lz4);
        // The same account would do; two show what each class has.
        for (var i = 0ul; i < 20_000; i++) store.Put(raw, i);
        for (var i = 0ul; i < 200_000; i++)
        {
            store.Put(packed, i, Look.Sparse);
            if (i % 64 == 0) store.Put(raw, i);
        }
        // 64 pages of 256 bytes come in for each of 4096: a fifth of the bytes are the raw ones'.
        Assert.InRange(raw.StoredBytes, 6 << 20, 36 << 20);
        Assert.InRange(packed.StoredBytes, 20 << 20, 56 << 20);
    }

    [Fact]
    public void Reserved_bytes_drive_pages_out_and_come_back()
    {
        using var store = Pages.Store(64);
        var account = Pages.Account();
        for (var i = 0ul; i < 20_000; i++) store.Put(account, i);
        var before = account.StoredBytes;
        Assert.True(store.Reserve(40L << 20));
        var stats = store.Stats;
        Assert.True(stats.UsedBytes <= stats.LimitBytes);
        Assert.InRange(account.StoredBytes, 16 << 20, 24 << 20);
        Assert.False(store.TryReserve(30L << 20));
        Assert.Equal(40L << 20, store.Stats.ReservedBytes);
        store.Reserve(-(40L << 20));
        for (var i = 0ul; i < 20_000; i++) store.Put(account, i);
        Assert.Equal(before, account.StoredBytes);
    }

    [Fact]
    public void Slabs_whose_pages_are_freed_go_back()
    {
        using var store = Pages.Store(64);
        var account = Pages.Account();
        var pages = new List<PageRef>();
        for (var i = 0ul; i < 10_000; i++) pages.Add(store.Put(account, i));
        Assert.True(store.Stats.SlabBytes >= 40 << 20);
        pages.ForEach(store.Free);
        Assert.True(store.Stats.SlabBytes <= 10 << 20, $"{store.Stats.SlabBytes} bytes of slabs for no page");
        Assert.DoesNotContain(pages, store.IsAlive);
        for (var i = 0ul; i < 10_000; i++) store.Put(account, i, Look.Random);
        Assert.DoesNotContain(pages, store.IsAlive);
    }
}
