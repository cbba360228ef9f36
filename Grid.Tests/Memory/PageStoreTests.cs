using System.Buffers;
using System.Runtime.CompilerServices;
using Grid.Node.Memory;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Memory;

public sealed class PageStoreTests
{
    [Fact]
    public void Reference_takes_sixteen_bytes_and_its_default_is_no_page()
    {
        Assert.Equal(16, Unsafe.SizeOf<PageRef>());
        Assert.Equal(16, Unsafe.SizeOf<FrameMeta>());
        Assert.True(default(PageRef).IsNone);
        using var store = Pages.Store();
        Assert.False(store.TryPin(default));
        Assert.False(store.IsAlive(default));
        store.Free(default);
        store.Unpin(default);
    }

    public static TheoryData<int, PageCompression, Look> AllPages()
    {
        var all = new TheoryData<int, PageCompression, Look>();
        for (var bytes = 4096; bytes <= 65536; bytes *= 2)
            foreach (var compression in Enum.GetValues<PageCompression>())
                foreach (var look in Enum.GetValues<Look>())
                    all.Add(bytes, compression, look);
        return all;
    }

    [Theory]
    [MemberData(nameof(AllPages))]
    public void Page_comes_back_as_it_was_from_any_pieces_into_any_output(int bytes, PageCompression compression, Look look)
    {
        using var store = Pages.Store();
        var account = Pages.Account(compression: compression, bytes: bytes);
        var page = Pages.Make(bytes, 12345, look);
        Assert.True(store.TryStore(account, Pages.Pieces(page, 5, 1500), out var stored));
        store.Publish(stored, evictable: true);
        Assert.Equal(bytes, stored.PageSizeBytes);
        Assert.Equal(look == Look.Same, stored.IsSameFilled);
        Assert.Equal(page, store.Read(stored));

        Assert.True(store.TryPin(stored));
        foreach (var spanBytes in (int[])[100, bytes])
        {
            var output = new NarrowWriter(spanBytes);
            store.CopyTo(stored, output);
            Assert.Equal(page, output.Written);
        }
        var compresses = compression != PageCompression.None && look is Look.Text or Look.Sparse;
        var encoded = store.Stored(stored, new byte[8], out var codec).ToArray();
        store.Unpin(stored);
        if (look == Look.Same) Assert.Equal((PageCodec.Same, 8), (codec, encoded.Length));
        else if (look == Look.Random || compression == PageCompression.None) Assert.Equal((PageCodec.Raw, bytes), (codec, encoded.Length));
        else Assert.True(compresses && (byte)codec == (byte)compression && encoded.Length < bytes);

        // What the journal keeps comes back without being encoded anew, whatever the account's own compression.
        var other = Pages.Account(2, PageCompression.None, bytes, ephemeral: false);
        Assert.True(store.TryStoreEncoded(other, codec, encoded, out var again));
        store.Publish(again, evictable: false);
        Assert.Equal(page, store.Read(again));
    }

    [Fact]
    public void Wrong_sizes_are_refused_by_name()
    {
        using var store = Pages.Store();
        var account = Pages.Account();
        Assert.Throws<ArgumentException>(() => store.TryStore(account, new byte[4095], out _));
        Assert.Throws<ArgumentException>(() => store.TryStore(account, Pages.Pieces(new byte[8192], 4096), out _));
        Assert.Throws<ArgumentException>(() => store.TryStoreEncoded(account, PageCodec.Raw, new byte[4000], out _));
        Assert.Throws<ArgumentException>(() => store.TryStoreEncoded(account, PageCodec.Same, new byte[7], out _));
        Assert.Throws<ArgumentException>(() => store.TryStoreEncoded(account, PageCodec.Lz4, new byte[4096], out _));
        Assert.Throws<ArgumentException>(() => store.TryStoreEncoded(account, (PageCodec)9, new byte[100], out _));
        Assert.Throws<ArgumentOutOfRangeException>(() => Pages.Account(bytes: 4097));
        Assert.Throws<ArgumentException>(() => new PageStore(new PageStoreOptions(1 << 20)));
        var page = store.Put(account, 1);
        Assert.Throws<ArgumentException>(() => store.CopyTo(page, new byte[4097]));
        Assert.Equal(1, account.Pages);
    }

    [Fact]
    public void Freed_page_is_stale_at_once_and_its_frame_serves_another()
    {
        using var store = Pages.Store();
        var account = Pages.Account();
        var first = store.Put(account, 1);
        store.Free(first);
        var second = store.Put(account, 2);
        Assert.Equal(first.Id, second.Id);
        Assert.NotEqual(first, second);
        Assert.Null(store.Read(first));
        Assert.False(store.IsAlive(first));
        store.Free(first);
        store.MakeEvictable(first);
        Assert.Throws<InvalidOperationException>(() => store.Unpin(first));
        Assert.Equal(Pages.Make(4096, 2, Look.Random), store.Read(second));
    }

    [Fact]
    public void Page_freed_while_pinned_lives_until_the_last_unpin()
    {
        using var store = Pages.Store();
        var account = Pages.Account();
        var page = store.Put(account, 1);
        Assert.True(store.TryPin(page));
        Assert.True(store.TryPin(page));
        store.Free(page);
        store.Free(page);
        Assert.False(store.TryPin(page));
        Assert.False(store.IsAlive(page));
        Assert.NotEqual(page.Id, store.Put(account, 2).Id);
        store.Unpin(page);
        var bytes = new byte[4096];
        store.CopyTo(page, bytes);
        Assert.Equal(Pages.Make(4096, 1, Look.Random), bytes);
        store.Unpin(page);
        Assert.Equal(1, account.Pages);
        Assert.Equal(page.Id, store.Put(account, 3).Id);
        Assert.Throws<InvalidOperationException>(() => store.Unpin(page));
    }

    [Fact]
    public void Maker_that_changes_its_mind_leaves_nothing()
    {
        using var store = Pages.Store();
        var account = Pages.Account();
        Assert.True(store.TryStore(account, Pages.Make(4096, 1, Look.Random), out var page));
        store.Free(page);
        store.Unpin(page);
        Assert.Equal((0, 0, 0), (account.Pages, account.StoredBytes, account.EvictableBytes));
        Assert.True(store.TryStore(account, Pages.Make(4096, 1, Look.Random), out page));
        store.Free(page);
        store.Publish(page, evictable: true);
        Assert.Equal((0, 0, 0), (account.Pages, account.StoredBytes, account.EvictableBytes));
    }

    [Fact]
    public void Account_counts_what_it_holds()
    {
        using var store = Pages.Store();
        var account = Pages.Account(compression: PageCompression.Lz4);
        var raw = store.Put(account, 1);
        var same = store.Put(account, 2, Look.Same);
        var small = store.Put(account, 3, Look.Sparse, evictable: false);
        Assert.Equal((3, 4096 + 256, 1, 4096), (account.Pages, account.StoredBytes, account.SameFilledPages, account.EvictableBytes));
        var stats = store.Stats;
        Assert.Equal((3, 1, 2, 4352, 4096), (stats.Pages, stats.SameFilledPages, stats.FramesUsed, stats.StoredBytes, stats.EvictableBytes));
        Assert.Equal([(256, 1), (4096, 1)], stats.Classes.Select(c => (c.FrameBytes, c.FramesUsed)));
        store.MakeEvictable(small);
        store.MakeEvictable(small);
        Assert.Equal(4352, account.EvictableBytes);
        store.Free(raw);
        store.Free(same);
        store.Free(small);
        Assert.Equal((0, 0, 0, 0), (account.Pages, account.StoredBytes, account.SameFilledPages, account.EvictableBytes));
        Assert.Equal(0, store.Stats.FramesUsed);
    }

    [Fact]
    public void Closed_account_takes_no_more_and_is_forgotten_with_its_last_page()
    {
        using var store = Pages.Store();
        var gone = Pages.Account();
        var page = store.Put(gone, 1);
        var same = store.Put(gone, 1, Look.Same);
        store.Close(gone);
        Assert.True(store.Put(gone, 2).IsNone);
        Assert.Equal(Pages.Make(4096, 1, Look.Random), store.Read(page));
        Assert.Equal(2, store.Stats.Pages);
        store.Free(page);
        store.Free(same);
        Assert.Equal(0, gone.Pages);
        var next = Pages.Account(2);
        var kept = store.Put(next, 3);
        Assert.Equal(gone.Slot, next.Slot);
        Assert.True(store.Put(gone, 4).IsNone);
        Assert.Equal((1, 1), (next.Pages, store.Stats.Pages));
        Assert.NotNull(store.Read(kept));
    }

    [Fact]
    public void Operations_allocate_nothing_on_the_managed_heap()
    {
        foreach (var compression in Enum.GetValues<PageCompression>())
        {
            using var store = Pages.Store(32);
            var account = Pages.Account(compression: compression);
            PoolAccount[] others = [Pages.Account(2, compression), Pages.Account(3, compression, 65536)];
            ReadOnlySequence<byte>[] pages = [.. Enum.GetValues<Look>().Select(look => Pages.Pieces(Pages.Make(4096, 77, look), 1500))];
            var large = Pages.Pieces(Pages.Make(65536, 77, Look.Text), 1500);
            var output = new byte[4096];
            void Round()
            {
                foreach (ref readonly var page in pages.AsSpan())
                {
                    Assert.True(store.TryStore(account, page, out var mine));
                    store.Publish(mine, evictable: true);
                    Assert.True(store.TryPin(mine));
                    store.CopyTo(mine, output);
                    store.Unpin(mine);
                    store.Free(mine);
                    // These stay until they are evicted.
                    if (store.TryStore(others[0], page, out var other)) store.Publish(other, evictable: true);
                }
                if (store.TryStore(others[1], large, out var big)) store.Publish(big, evictable: true);
            }

            for (var i = 0; i < 6000; i++) Round();
            var before = GC.GetAllocatedBytesForCurrentThread();
            for (var i = 0; i < 1000; i++) Round();
            Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
            Assert.True(store.Stats.Evictions > 0);
        }
    }

    /// <summary>Gives spans no longer than it was told.</summary>
    private sealed class NarrowWriter(int spanBytes) : IBufferWriter<byte>
    {
        private readonly List<byte> _written = [];
        private readonly byte[] _span = new byte[spanBytes];

        public byte[] Written => [.. _written];

        public void Advance(int count) => _written.AddRange(_span.AsSpan(0, count));

        public Memory<byte> GetMemory(int sizeHint = 0) => _span;

        public Span<byte> GetSpan(int sizeHint = 0) => _span;
    }
}
