using CsCheck;
using Grid.Node.Memory;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Memory;

/// <summary>
/// Random lives of pages against a dictionary. Evictable pages may vanish, but never come back, and never come back wrong;
/// others are there until they are freed; what is pinned stays.
/// </summary>
public sealed class PageStoreModelTests
{
    private enum Act
    {
        Put,
        Read,
        Free,
        Pin,
        Unpin,
        MakeEvictable,
        Reserve,
        Trim,
    }

    [Fact]
    public void Pages_live_as_the_contract_says_over_random_operations()
    {
        var act = Gen.Frequency(
            (12, Gen.Const(Act.Put)), (4, Gen.Const(Act.Read)), (4, Gen.Const(Act.Free)), (1, Gen.Const(Act.Pin)),
            (1, Gen.Const(Act.Unpin)), (2, Gen.Const(Act.MakeEvictable)), (1, Gen.Const(Act.Reserve)), (1, Gen.Const(Act.Trim)));
        var operation = Gen.Select(act, Gen.Int[0, 5], Gen.Enum<Look>(), Gen.UInt);
        Gen.Select(Gen.Enum<PageCompression>(), Gen.Enum<PageCompression>(), operation.Array[50, 1500]).Sample((one, other, operations) =>
        {
            using var run = new Run(one, other);
            for (var i = 0; i < operations.Length; i++) run.Do(operations[i].Item1, operations[i].Item2, operations[i].Item3, operations[i].Item4);
            run.End();
        }, iter: 60);
    }

    private sealed class Life(PageRef page, PoolAccount account, ulong number, Look look)
    {
        public PageRef Page => page;

        public PoolAccount Account => account;

        public byte[] Bytes => Pages.Make(page.PageSizeBytes, number, look);

        public bool IsEvictable { get; set; }

        public bool IsFreed { get; set; }

        public bool IsGone { get; set; }

        public int Pins { get; set; }
    }

    private sealed class Run : IDisposable
    {
        private readonly PageStore _store = Pages.Store();
        private readonly PoolAccount[] _accounts;
        private readonly List<Life> _lives = [];
        private ulong _puts;
        private long _reserved;

        public Run(PageCompression one, PageCompression other) => _accounts =
        [
            Pages.Account(1, one), Pages.Account(2, other, ephemeral: false), Pages.Account(3, other, 8192), Pages.Account(4, one, 16384),
            Pages.Account(5, other, 32768), Pages.Account(6, one, 65536),
        ];

        public void Do(Act act, int account, Look look, uint choice)
        {
            if (act == Act.Put) Put(_accounts[account], look, choice);
            else if (act == Act.Reserve) Reserve(choice % 3_000_000);
            else if (act == Act.Trim) Trim();
            else if (_lives.Count > 0) Touch(act, _lives[(int)(choice % (uint)_lives.Count)]);
            var stats = _store.Stats;
            Assert.True(stats.UsedBytes <= Math.Max(stats.LimitBytes, stats.ReservedBytes + stats.SlabBytes + stats.MetadataBytes));
            if (_reserved == 0) Assert.True(stats.UsedBytes <= stats.LimitBytes);
        }

        public void End()
        {
            foreach (var life in _lives)
            {
                Check(life);
                while (life.Pins > 0) Touch(Act.Unpin, life);
                if (!life.IsFreed) Touch(Act.Free, life);
            }
            foreach (var account in _accounts)
                Assert.Equal((0, 0, 0, 0), (account.Pages, account.StoredBytes, account.EvictableBytes, account.SameFilledPages));
            Assert.Equal(0, _store.Stats.FramesUsed);
            Assert.Equal(_accounts.Sum(account => account.Evictions), _store.Stats.Evictions);
        }

        public void Dispose() => _store.Dispose();

        private void Put(PoolAccount account, Look look, uint choice)
        {
            var number = ++_puts;
            var bytes = Pages.Make(account.PageSizeBytes, number, look);
            if (!_store.TryStore(account, Pages.Pieces(bytes, (int)(choice % (uint)account.PageSizeBytes)), out var page))
            {
                // Refused only while much of the memory may not be dropped, or is reserved.
                Assert.True(_reserved > 0 || _lives.Exists(life => !life.IsGone && (!life.IsEvictable || life.Pins > 0)));
                return;
            }
            var evictable = account.IsEvictable && choice % 8 != 0;
            _store.Publish(page, evictable);
            _lives.Add(new Life(page, account, number, look) { IsEvictable = evictable });
        }

        private void Touch(Act act, Life life)
        {
            switch (act)
            {
                case Act.Read:
                    Check(life);
                    break;
                case Act.Free when !(life.Page.IsSameFilled && life.IsFreed):
                    _store.Free(life.Page);
                    life.IsFreed = true;
                    break;
                case Act.Pin when life.Pins < 3:
                    if (_store.TryPin(life.Page)) life.Pins++;
                    break;
                case Act.Unpin when life.Pins > 0:
                    var last = new byte[life.Page.PageSizeBytes];
                    _store.CopyTo(life.Page, last);
                    Assert.Equal(life.Bytes, last);
                    _store.Unpin(life.Page);
                    life.Pins--;
                    break;
                case Act.MakeEvictable:
                    _store.MakeEvictable(life.Page);
                    life.IsEvictable = true;
                    break;
            }
        }

        private void Check(Life life)
        {
            if (life.Page.IsSameFilled && life.IsFreed) return;
            var bytes = _store.Read(life.Page);
            if (bytes is null)
            {
                Assert.True(life.IsFreed || (life.IsEvictable && life.Pins == 0), "a page vanished that must stay");
                life.IsGone = true;
                return;
            }
            Assert.False(life.IsFreed, "a freed page was read");
            Assert.False(life.IsGone, "a page came back");
            Assert.Equal(life.Bytes, bytes);
        }

        private void Reserve(long bytes)
        {
            if (_reserved > 4_000_000)
            {
                _store.Reserve(-_reserved);
                _reserved = 0;
            }
            else if (_store.TryReserve(bytes))
            {
                _reserved += bytes;
                Assert.True(_store.Stats.UsedBytes <= _store.Stats.LimitBytes);
            }
            Assert.Equal(_reserved, _store.Stats.ReservedBytes);
        }

        private void Trim() => Assert.True(_store.Trim());
    }
}
