using System.Diagnostics;
using Grid.Node.Memory;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Memory;

/// <summary>Threads over one small store, so that frames change hands all the time. Every page carries its number: wrong bytes are noticed.</summary>
public sealed class PageStoreStressTests(ITestOutputHelper output)
{
    private const int Threads = 4;
    private const int SharedSlots = 512;
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(3);

    [Fact]
    public async Task No_page_is_ever_wrong_while_threads_store_read_free_and_evict()
    {
        var seed = Seeds.Next(output);
        using var store = Pages.Store();
        PoolAccount[] accounts =
        [
            Pages.Account(1), Pages.Account(2, PageCompression.Lz4), Pages.Account(3, bytes: 16384), Pages.Account(4, ephemeral: false), Pages.Account(5, PageCompression.Lz4, 65536),
        ];
        var shared = new Slot[SharedSlots];
        for (var i = 0; i < shared.Length; i++) shared[i] = new Slot();
        var workers = Enumerable.Range(0, Threads).Select(i => Task.Factory.StartNew(
            () => new Worker(store, accounts, shared, seed + i).Run(), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default));
        var done = await Task.WhenAll(workers);
        output.WriteLine($"{done.Sum(d => d.Puts)} puts, {done.Sum(d => d.Hits)} hits, {done.Sum(d => d.Misses)} misses, {store.Stats.Evictions} evictions");
        Assert.True(done.Sum(d => d.Hits) > 0 && done.Sum(d => d.Misses) > 0 && store.Stats.Evictions > 0);
        foreach (var slot in shared) store.Free(slot.Page);
        foreach (var account in accounts)
            Assert.Equal((0, 0, 0, 0), (account.Pages, account.StoredBytes, account.EvictableBytes, account.SameFilledPages));
        Assert.Equal(0, store.Stats.FramesUsed);
        Assert.True(store.Stats.UsedBytes <= store.Stats.LimitBytes);
    }

    /// <summary>A place where threads find each other's pages.</summary>
    private sealed class Slot
    {
        public readonly Lock Gate = new();
        public PageRef Page;
        public ulong Number;
        public Look Look;
    }

    private sealed class Worker(PageStore store, PoolAccount[] accounts, Slot[] shared, int seed)
    {
        private readonly Random _random = new(seed);
        private readonly byte[] _page = new byte[65536];
        private readonly byte[] _expected = new byte[65536];

        public (long Puts, long Hits, long Misses) Run()
        {
            long puts = 0, hits = 0, misses = 0;
            var end = Stopwatch.GetTimestamp() + (long)(Duration.TotalSeconds * Stopwatch.Frequency);
            while (Stopwatch.GetTimestamp() < end)
            {
                var slot = shared[_random.Next(shared.Length)];
                var what = _random.Next(10);
                if (what < 5 && Put(slot)) puts++;
                else if (what < 9 && Get(slot, pinTwice: what == 8)) hits++;
                else if (what < 9) misses++;
                else Replace(slot, default, 0, Look.Random);
            }
            return (puts, hits, misses);
        }

        private bool Put(Slot slot)
        {
            var account = accounts[_random.Next(accounts.Length)];
            var look = (Look)_random.Next(4);
            var number = (ulong)_random.NextInt64();
            var page = _page.AsSpan(0, account.PageSizeBytes);
            Pages.Fill(page, number, look);
            if (!store.TryStore(account, page, out var stored)) return false;
            if (_random.Next(20) == 0)
            {
                store.Free(stored);
                store.Unpin(stored);
                return false;
            }
            Replace(slot, stored, number, look);
            store.Publish(stored, account.IsEvictable);
            // Other threads may have freed it by now, or it may be evicted: then nothing happens.
            if (!account.IsEvictable && _random.Next(2) == 0) store.MakeEvictable(stored);
            return true;
        }

        private void Replace(Slot slot, PageRef page, ulong number, Look look)
        {
            PageRef old;
            lock (slot.Gate)
            {
                old = slot.Page;
                (slot.Page, slot.Number, slot.Look) = (page, number, look);
            }
            store.Free(old);
            if (old is { IsNone: false, IsSameFilled: false } && _random.Next(4) == 0) store.Free(old);
        }

        private bool Get(Slot slot, bool pinTwice)
        {
            PageRef page;
            ulong number;
            Look look;
            lock (slot.Gate) (page, number, look) = (slot.Page, slot.Number, slot.Look);
            if (!store.TryPin(page)) return false;
            if (pinTwice && store.TryPin(page)) store.Unpin(page);
            var read = _page.AsSpan(0, page.PageSizeBytes);
            store.CopyTo(page, read);
            store.Unpin(page);
            var expected = _expected.AsSpan(0, page.PageSizeBytes);
            Pages.Fill(expected, number, look);
            Assert.True(read.SequenceEqual(expected), $"page {number} ({look}) came back wrong");
            return true;
        }
    }
}
