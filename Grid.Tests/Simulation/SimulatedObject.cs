using System.Runtime.CompilerServices;
using Grid.Node.Journal;
using Grid.Node.Memory;
using Grid.Node.Objects;
using Grid.Node.Pools;
using Grid.Protocol;
using Grid.Tests.Objects;
using Xunit;

namespace Grid.Tests.Simulation;

/// <summary>Where a write ends.</summary>
internal enum WriteEnd
{
    /// <summary>It is committed and applied.</summary>
    Applied,

    /// <summary>The node dies before the journal has the event.</summary>
    LostBefore,

    /// <summary>The node dies when the journal has the event, and nobody was answered.</summary>
    LostBehind,
}

/// <summary>
/// A persistent object without its actor: index, page frames, journal and upkeep as the node has them, and beside them what it must hold. It does what the actor does, in one thread.
/// </summary>
internal sealed class SimulatedObject
{
    public const int PageBytes = PoolOptions.MinPageSizeBytes;

    private static readonly UpkeepLimits Smallest = new()
    {
        CheckpointEvents = 8,
        CheckpointCostFactor = 1,
        CleanMinDeadBytes = 8192,
        CleanDeadPercent = 30,
        ForegroundEvents = 1,
        ForegroundPause = TimeSpan.Zero,
    };

    private readonly ObjectKey _key;
    private readonly PageCompression _compression;
    private readonly MemoryJournal _journal;
    private readonly Dictionary<uint, ulong> _expected = [];
    private readonly EventBuilder _event = new(PageBytes);
    private readonly List<Effect> _effects = [];
    private readonly List<IndexEntry> _found = [];
    private readonly byte[] _page = new byte[PageBytes];
    private PageStore _store = null!;
    private PoolEntry _pool = null!;
    private AccountedIndex _index = null!;
    private ChangeTracker _changes = null!;
    private ObjectLog _log = null!;
    private IndexReplay _replay = null!;
    private LogUpkeep _upkeep = null!;
    private (uint Index, long SequenceNr, ulong Number)? _read;
    private ulong _incarnation;

    public SimulatedObject(ObjectKey key, PageCompression compression)
    {
        (_key, _compression, _journal) = (key, compression, new MemoryJournal(key));
    }

    /// <summary>Events in the journal so far; deleted ones count.</summary>
    public long Events => _journal.Last;

    /// <summary>Rows deleted so far.</summary>
    public long Deleted { get; private set; }

    /// <summary>Pages copied forward and pieces of checkpoints, in events.</summary>
    public long UpkeepEvents { get; private set; }

    /// <summary>Gets that found their page in memory, and those that had to read the journal.</summary>
    public (long Memory, long Journal) Gets { get; private set; }

    /// <summary>Puts refused for want of memory.</summary>
    public long Refused { get; private set; }

    /// <summary>Begins a life: on a new store after the node died, or on the same.</summary>
    public void Recover(PageStore store, CleaningTurns turns)
    {
        if (store != _store)
        {
            _store = store;
            _pool = new PoolEntry(
                new PoolInfo(_key.Pool, "simulated", "default", new PoolOptions { Kind = PoolKind.Persistent, Compression = _compression }, false, 1), QuotaAccount.Unlimited);
        }

        _incarnation++;
        (_index, _changes, _log) = (new AccountedIndex(store, _pool), new ChangeTracker(_incarnation), new ObjectLog());
        _replay = _journal.Replay(_index, _changes, _log);
        _upkeep = new LogUpkeep(_journal, Smallest, turns, _key, PageBytes, _index, _log);
        _journal.Restart();
        _read = null;
        AssertHolds(_index);
    }

    /// <summary>The object stops in an orderly way: its frames are given back.</summary>
    public void Stop()
    {
        _upkeep.Stop();
        _index.Clear();
    }

    /// <summary>Time passes for the object.</summary>
    public void Wait(int ms) => _journal.NowMs += ms;

    // ---- writing ----

    /// <summary>Puts pages and flushes others (number 0) in one event; where memory refuses a page its handle is emptied.</summary>
    public void Write(ReadOnlySpan<(uint Index, ulong Number)> entries, WriteEnd end)
    {
        var before = end == WriteEnd.LostBefore ? new Dictionary<uint, ulong>(_expected) : null;
        _event.Clear();
        foreach (var (index, number) in entries)
        {
            if (number > 0 && TryStage(index, number)) continue;
            if (_expected.Remove(index)) _event.Flush(index);
            _effects.Add(default(Effect) with { Index = index });
        }

        if (_event.IsEmpty) _event.Fence();
        Commit(end, flushesAll: false, before);
    }

    /// <summary>Empties the object.</summary>
    public void FlushObject(WriteEnd end)
    {
        var before = end == WriteEnd.LostBefore ? new Dictionary<uint, ulong>(_expected) : null;
        _event.FlushObject();
        _expected.Clear();
        Commit(end, flushesAll: true, before);
    }

    /// <summary>An event of upkeep, if it wants one; it is applied, or the node does not learn what became of it.</summary>
    public bool Upkeep(bool isKnown = true, bool isApplied = true)
    {
        EventBuilder? builder = null;
        LogPosition position = default;
        while (builder is null)
        {
            if (!_upkeep.WantsToWrite(clientsWait: false)) return false;
            builder = _upkeep.Compose(out position);
        }

        var bytes = builder.ToEvent(_key, _incarnation, (uint)_expected.Count, position).Bytes;
        UpkeepEvents++;
        if (isKnown)
        {
            var row = _journal.Append(bytes);
            _log.Applied(row.SequenceNr, EventHeader.Read(_key, row.SequenceNr, row.Payload.Span), flushesAll: false);
            _upkeep.Committed(row.SequenceNr);
        }
        else
        {
            _upkeep.BreakOff();
            if (isApplied) _replay.Apply(_journal.Append(bytes), null);
        }

        AssertRecovers();
        return true;
    }

    /// <summary>The next message to the object, if there is one.</summary>
    public bool Receive()
    {
        if (!_journal.TryReceive(out var message)) return false;
        if (!_upkeep.TryReceive(message)) throw new InvalidOperationException($"nobody expects {message}");
        if (message is CleanerRead) _journal.ReadsFail = false;
        return true;
    }

    /// <summary>What cleaning reads next can't be read.</summary>
    public void FailReads() => _journal.ReadsFail = true;

    /// <summary>Some rows of a deletion under way go.</summary>
    public int DeleteRows(int most)
    {
        var rows = _journal.DeleteRows(most);
        if (rows == 0) return 0;
        Deleted += rows;
        AssertRecovers();
        return rows;
    }

    private bool TryStage(uint index, ulong number)
    {
        PageText.Write(number, _page);
        if (!_store.TryStore(_pool.Account, _page, out var page))
        {
            Refused++;
            return false;
        }

        var stored = _store.Stored(page, stackalloc byte[sizeof(ulong)], out var codec);
        _event.Put(index, codec, stored);
        _effects.Add(new Effect(index, page, stored.Length));
        _expected[index] = number;
        return true;
    }

    private void Commit(WriteEnd end, bool flushesAll, Dictionary<uint, ulong>? before)
    {
        if (end == WriteEnd.LostBefore)
        {
            _expected.Clear();
            foreach (var (index, number) in before!) _expected.Add(index, number);
        }
        else
        {
            var row = _journal.Append(_event.ToEvent(_key, _incarnation, (uint)_expected.Count, _log.Next).Bytes);
            if (end == WriteEnd.Applied) Apply(row, flushesAll);
        }

        _effects.Clear();
        _event.Clear();
    }

    private void Apply(in JournalRow row, bool flushesAll)
    {
        _log.Applied(row.SequenceNr, EventHeader.Read(_key, row.SequenceNr, row.Payload.Span), flushesAll);
        if (flushesAll)
        {
            _index.RemoveAll();
            _changes.EmptiedAll();
        }

        foreach (var (index, page, bytes) in _effects)
        {
            if (bytes > 0)
            {
                _index.Set(index, page, _changes.Put(index), row.SequenceNr, bytes);
                continue;
            }

            _index.Remove(index);
            _changes.Emptied(index);
        }

        foreach (var effect in _effects)
            if (effect.StoredBytes > 0) _store.Publish(effect.Page, evictable: true);
        _upkeep.OnClientEvent(flushesAll);
        AssertRecovers();
    }

    // ---- reading ----

    /// <summary>Gets a page: from memory, else from the journal, and keeps it where there is room.</summary>
    public void Get(uint index)
    {
        ref var entry = ref _index.Find(index);
        Assert.Equal(_expected.ContainsKey(index), !Unsafe.IsNullRef(ref entry));
        if (Unsafe.IsNullRef(ref entry)) return;
        if (_store.TryPin(entry.Page))
        {
            _store.CopyTo(entry.Page, _page);
            _store.Unpin(entry.Page);
            AssertIs(index, _expected[index]);
            Gets = (Gets.Memory + 1, Gets.Journal);
            return;
        }

        var stored = ReadStored(index, entry.SequenceNr);
        AssertIs(index, _expected[index]);
        Gets = (Gets.Memory, Gets.Journal + 1);
        if (!_store.TryStoreEncoded(_pool.Account, stored.Codec, stored.Stored.Span, out var kept)) return;
        entry.Page = kept;
        _store.Publish(kept, evictable: true);
    }

    /// <summary>A get has found its page's event and reads it later: nothing may delete it meanwhile.</summary>
    public void BeginRead(uint index)
    {
        if (_read is not null) return;
        ref var entry = ref _index.Find(index);
        if (Unsafe.IsNullRef(ref entry)) return;
        _read = (index, entry.SequenceNr, _expected[index]);
        _journal.OldestEventRead = entry.SequenceNr;
    }

    /// <summary>That get reads.</summary>
    public void EndRead()
    {
        if (_read is not { } read) return;
        _ = ReadStored(read.Index, read.SequenceNr);
        AssertIs(read.Index, read.Number);
        _read = null;
        _journal.OldestEventRead = long.MaxValue;
    }

    /// <summary>All pages are there, byte by byte, and no others.</summary>
    public void AssertHoldsAll()
    {
        foreach (var (index, number) in _expected)
        {
            ref var entry = ref _index.Find(index);
            _ = ReadStored(index, entry.SequenceNr);
            AssertIs(index, number);
            Get(index);
        }

        Assert.Equal(_expected.Count, _index.Count);
    }

    private StoredPage ReadStored(uint index, long sequenceNr)
    {
        var page = EventReader.Open(_key, sequenceNr, _journal.Event(sequenceNr)).Page(index);
        PageCodecs.Decode(page.Codec, page.Stored.Span, _page);
        return page;
    }

    private void AssertIs(uint index, ulong number) => Assert.True(PageText.Is(number, _page), $"page {index} of {_key} is not the one with number {number}");

    // ---- recovering ----

    /// <summary>If the node died at this boundary of two events, or of two deleted rows, a recovery would find what the living object has.</summary>
    private void AssertRecovers()
    {
        var (index, log) = (new AccountedIndex(_store, _pool), new ObjectLog());
        _journal.Replay(index, new ChangeTracker(0), log);
        AssertHolds(index);
        index.Collect(0, int.MaxValue, int.MaxValue, _found);
        foreach (var entry in _found)
        {
            ref var living = ref _index.Find(entry.Index);
            Assert.True(!Unsafe.IsNullRef(ref living) && living.SequenceNr == entry.SequenceNr, $"page {entry.Index} of {_key} would be found in event {entry.SequenceNr}");
            Assert.True(entry.SequenceNr > _journal.Noted, $"page {entry.Index} of {_key} is in event {entry.SequenceNr}, which is deleted");
        }

        _found.Clear();
        Assert.Equal((_log.AppliedSequenceNr, _log.EndBytes, _index.JournalBytes), (log.AppliedSequenceNr, log.EndBytes, index.JournalBytes));
        index.Clear();
    }

    private void AssertHolds(AccountedIndex index)
    {
        Assert.True(index.Count == _expected.Count, $"{_key} has {index.Count} pages instead of {_expected.Count}");
        foreach (var page in _expected.Keys) Assert.True(index.Contains(page), $"page {page} of {_key} is missing");
    }

    /// <summary>What a write does to a handle: a page is put (it has bytes), or the handle is emptied.</summary>
    private readonly record struct Effect(uint Index, PageRef Page, int StoredBytes);
}
