using CsCheck;
using Grid.Node.Journal;
using Grid.Node.Memory;
using Grid.Node.Objects;
using Grid.Node.Pools;
using Grid.Protocol;
using Grid.Tests.Journal;
using Xunit;

namespace Grid.Tests.Objects;

/// <summary>An object's journal as a list: random changes with checkpoints between them, and recoveries from every point.</summary>
public sealed class CheckpointTests
{
    private static readonly ObjectKey Key = JournalBed.Key;

    private static readonly UpkeepLimits Always = new() { CheckpointEvents = 1, CheckpointCostFactor = 0, CleanMinDeadBytes = 1, CleanDeadPercent = 50 };

    [Fact]
    public void Recovery_from_the_newest_base_gives_what_replaying_everything_gives_at_every_point() =>
        Gen.Select(Gen.Int[0, 9], Gen.UInt[0, 30], (kind, index) => (kind, index)).Array[1, 60].Sample(
            steps =>
            {
                using var store = new PageStore(new PageStoreOptions(64 << 20));
                var journal = new ListJournal(store);
                foreach (var (kind, index) in steps)
                {
                    journal.Step(kind, index);
                    journal.AssertRecovers();
                }
            },
            iter: 300);

    [Fact]
    public void A_large_index_is_told_in_pieces_with_changes_between_them()
    {
        using var store = new PageStore(new PageStoreOptions(64 << 20));
        var journal = new ListJournal(store);
        for (var i = 0u; i < 40_000; i++) journal.PutMany(i * 1000, 1);
        for (var i = 0; i < 30; i++)
        {
            journal.Step(9, 0);
            journal.Step(i % 3, (uint)i * 77_000);
        }

        Assert.True(journal.Log.Base > 40_000, "no checkpoint became whole");
        journal.AssertRecovers();
    }

    [Fact]
    public void Ranges_of_an_index_cover_it_exactly_once() =>
        Gen.Select(Gen.OneOf(Gen.UInt, Gen.UInt[0, 300], Gen.Const(uint.MaxValue)).Array[0, 500], Gen.Int[1, 40]).Sample((pages, enough) =>
        {
            var index = new PageIndex();
            foreach (var page in pages.Distinct()) index.Add(page);
            var (found, all, from) = (new List<IndexEntry>(), new List<uint>(), 0u);
            while (true)
            {
                var last = index.Collect(from, enough, 100, found);
                Assert.All(found, entry => Assert.InRange(PagePlace.Of(entry.Index), from, last));
                all.AddRange(found.Select(entry => entry.Index));
                if (last == uint.MaxValue) break;
                from = last + 1;
            }

            Assert.Equal(pages.Distinct().Order(), all.Order());
        });

    private sealed class ListJournal
    {
        private readonly PageStore _store;
        private readonly List<JournalRow> _rows = [];
        private readonly AccountedIndex _index;
        private readonly IndexReplay _replay;
        private readonly Checkpointer _checkpointer;

        public ListJournal(PageStore store)
        {
            _store = store;
            _index = NewIndex(store);
            _replay = new IndexReplay(Key, _index, new ChangeTracker(1), Log);
            _checkpointer = new Checkpointer(_index, Log, Always);
        }

        public ObjectLog Log { get; } = new();

        public void PutMany(uint first, int count)
        {
            var builder = new EventBuilder(4096);
            for (var i = 0; i < count; i++) builder.Put(first + (uint)i, PageCodec.Same, new byte[8]);
            Append(builder, Log.Next);
        }

        public void Step(int kind, uint index)
        {
            var builder = new EventBuilder(4096);
            switch (kind)
            {
                case 9:
                    var position = _checkpointer.Compose(builder);
                    Append(builder, position);
                    _checkpointer.Committed(Log.AppliedSequenceNr);
                    return;
                case 8 when index == 0:
                    builder.FlushObject();
                    builder.Put(1, PageCodec.Same, new byte[8]);
                    _checkpointer.BreakOff();
                    break;
                case 8:
                    _checkpointer.BreakOff();
                    return;
                case 6 or 7:
                    builder.Flush(index);
                    break;
                default:
                    builder.Put(index, PageCodec.Same, new byte[8]);
                    break;
            }

            Append(builder, Log.Next);
        }

        public void AssertRecovers()
        {
            if (_rows.Count == 0) return;
            var newest = EventHeader.Read(Key, _rows.Count, _rows[^1].Payload.Span);
            var first = EventHeader.Read(Key, 1, _rows[0].Payload.Span);
            var (index, log) = (NewIndex(_store), new ObjectLog());
            var replay = new IndexReplay(Key, index, new ChangeTracker(1), log);
            replay.Begin(new JournalEnds(0, false, first, _rows.Count, newest));
            foreach (var row in _rows.Skip((int)newest.Base)) replay.Apply(row, null);
            replay.DemandWhole();
            Assert.Equal(Pages(_index), Pages(index));
            Assert.Equal(_index.JournalBytes, index.JournalBytes);
            Assert.Equal((Log.EndBytes, Log.Base), (log.EndBytes, log.Base));
        }

        private static IEnumerable<(uint, long, int)> Pages(AccountedIndex index)
        {
            var found = new List<IndexEntry>();
            index.Collect(0, int.MaxValue, int.MaxValue, found);
            return found.Select(entry => (entry.Index, entry.SequenceNr, entry.StoredBytes)).Order();
        }

        private static AccountedIndex NewIndex(PageStore store) => new(
            store, new PoolEntry(new PoolInfo(Key.Pool, "test", "default", new PoolOptions { Kind = PoolKind.Persistent }, false, 1), QuotaAccount.Unlimited));

        private void Append(EventBuilder builder, LogPosition position)
        {
            var row = new JournalRow(_rows.Count + 1, builder.ToEvent(Key, 1, (uint)_index.Count, position).Bytes);
            _rows.Add(row);
            _replay.Apply(row, null);
        }
    }
}
