using System.Runtime.CompilerServices;
using Grid.Node.Journal;
using Grid.Node.Memory;
using Grid.Node.Objects;
using Grid.Node.Pools;
using Grid.Protocol;
using Grid.Tests.Journal;
using Xunit;

namespace Grid.Tests.Objects;

internal enum UpkeepStepKind
{
    Put,
    Batch,
    Flush,
    FlushObject,
    Fence,

    /// <summary>Upkeep writes an event if it wants to.</summary>
    Upkeep,

    /// <summary>The actor receives messages: something read, a turn, a deletion's end.</summary>
    Deliver,

    /// <summary>Some rows of a deletion under way go.</summary>
    DeleteRows,

    /// <summary>A get finds its page's event, and reads it later.</summary>
    BeginGet,
    EndGet,

    /// <summary>The actor ends at once, and another recovers.</summary>
    Restart,

    /// <summary>Upkeep's event fails: it is applied or not, and nobody knows until the journal has been read.</summary>
    FailUpkeep,

    /// <summary>What is read next can't be.</summary>
    FailReads,
}

internal readonly record struct UpkeepStep(UpkeepStepKind Kind, uint Index, int Count);

/// <summary>An object as its actor keeps it, its journal, and beside them what it must hold.</summary>
internal sealed class UpkeepModel
{
    private static readonly ObjectKey Key = JournalBed.Key;

    private static readonly UpkeepLimits Smallest = new()
    {
        CheckpointEvents = 8,
        CheckpointCostFactor = 1,
        CleanMinDeadBytes = 512,
        CleanDeadPercent = 20,
        ForegroundEvents = 1,
        ForegroundPause = TimeSpan.Zero,
    };

    private const int StepMs = 20;

    private readonly PageStore _store;
    private readonly MemoryJournal _journal = new(Key);
    private readonly CleaningTurns _turns = new(1);
    private readonly Dictionary<uint, ulong> _expected = [];
    private AccountedIndex _index = null!;
    private ChangeTracker _changes = null!;
    private ObjectLog _log = null!;
    private IndexReplay _replay = null!;
    private LogUpkeep _upkeep = null!;
    private (uint Index, long SequenceNr, ulong Expected)? _get;
    private ulong _incarnation;
    private ulong _number;

    public UpkeepModel(PageStore store)
    {
        _store = store;
        Recover();
    }

    public int Copies { get; private set; }

    public int Pieces { get; private set; }

    public long DeletedRows { get; private set; }

    public void Do(UpkeepStep step)
    {
        _journal.NowMs += StepMs;
        switch (step.Kind)
        {
            case UpkeepStepKind.Put:
                Write(builder => Put(builder, step.Index, step.Count));
                break;
            case UpkeepStepKind.Batch:
                Write(builder =>
                {
                    for (var i = 0; i < step.Count; i++)
                        if (i % 4 == 3) Flush(builder, step.Index + (uint)i);
                        else Put(builder, step.Index + (uint)i, i);
                    // Two writes of one handle that waited together.
                    Put(builder, step.Index, 1);
                });
                break;
            case UpkeepStepKind.Flush when _expected.ContainsKey(step.Index):
                Write(builder => Flush(builder, step.Index));
                break;
            case UpkeepStepKind.FlushObject:
                Write(
                    builder =>
                    {
                        builder.FlushObject();
                        _expected.Clear();
                        for (var i = 0; i < step.Count; i++) Put(builder, step.Index + (uint)i, i);
                    },
                    flushesAll: true);
                break;
            case UpkeepStepKind.Fence:
                Write(builder => builder.Fence());
                break;
            case UpkeepStepKind.Upkeep:
                Upkeep(fails: false, isApplied: true);
                break;
            case UpkeepStepKind.FailUpkeep:
                Upkeep(fails: true, isApplied: step.Count == 1);
                break;
            case UpkeepStepKind.Deliver:
                for (var i = 0; i < step.Count; i++) Deliver();
                break;
            case UpkeepStepKind.DeleteRows:
                DeletedRows += _journal.DeleteRows(step.Count);
                AssertRecovers();
                break;
            case UpkeepStepKind.BeginGet when _get is null:
                ref var entry = ref _index.Find(step.Index);
                if (Unsafe.IsNullRef(ref entry)) break;
                _get = (step.Index, entry.SequenceNr, _expected[step.Index]);
                _journal.OldestEventRead = entry.SequenceNr;
                break;
            case UpkeepStepKind.EndGet when _get is { } get:
                Assert.Equal(get.Expected, NumberAt(_journal, get.Index, get.SequenceNr));
                _get = null;
                _journal.OldestEventRead = long.MaxValue;
                break;
            case UpkeepStepKind.Restart:
                _upkeep.Stop();
                _journal.Restart();
                Recover();
                break;
            case UpkeepStepKind.FailReads:
                _journal.ReadsFail = true;
                break;
        }
    }

    /// <summary>With nobody writing any more upkeep comes to an end, and what is left is not much more than what is alive.</summary>
    public void Settle()
    {
        // A cleaning that could not read rests until more is written; a new actor does not know.
        Do(new UpkeepStep(UpkeepStepKind.Restart, 0, 0));
        _journal.ReadsFail = false;
        var rounds = 0;
        for (var quiet = 0; quiet < 3; quiet++)
            while (Upkeep(fails: false, isApplied: true) | Deliver() | _journal.DeleteRows(100) > 0)
            {
                Assert.True(++rounds < 10_000, "upkeep does not come to an end");
                _journal.NowMs += StepMs;
                quiet = 0;
            }

        AssertRecovers();
        Assert.False(_upkeep.IsBusy, "upkeep stopped short");
        Assert.True(_journal.Bytes <= (4 * _index.JournalBytes) + 8192, $"{_journal.Bytes} bytes of {_journal.Count} events are left for {_index.JournalBytes} that are alive");
    }

    private void Put(EventBuilder builder, uint index, int size)
    {
        _expected[index] = ++_number;
        builder.Put(index, size == 0 ? PageCodec.Raw : PageCodec.Same, size == 0 ? PageOf(_number) : BitConverter.GetBytes(_number));
    }

    private void Flush(EventBuilder builder, uint index)
    {
        if (_expected.Remove(index)) builder.Flush(index);
    }

    /// <summary>An event of clients: appended, then applied as the actor does it.</summary>
    private void Write(Action<EventBuilder> fill, bool flushesAll = false)
    {
        var builder = new EventBuilder(JournalBed.PageSize);
        fill(builder);
        if (builder.IsEmpty) builder.Fence();
        _replay.Apply(_journal.Append(builder.ToEvent(Key, _incarnation, (uint)_expected.Count, _log.Next).Bytes), null);
        _upkeep.OnClientEvent(flushesAll);
        AssertRecovers();
    }

    private bool Upkeep(bool fails, bool isApplied)
    {
        EventBuilder? builder = null;
        LogPosition position = default;
        while (builder is null)
        {
            if (!_upkeep.WantsToWrite(clientsWait: false)) return false;
            builder = _upkeep.Compose(out position);
        }

        var isPiece = builder.PageBytes == 0;
        var bytes = builder.ToEvent(Key, _incarnation, (uint)_expected.Count, position).Bytes;
        if (fails)
        {
            _upkeep.BreakOff();
            if (isApplied) _replay.Apply(_journal.Append(bytes), null);
        }
        else
        {
            var row = _journal.Append(bytes);
            _log.Applied(row.SequenceNr, EventHeader.Read(Key, row.SequenceNr, row.Payload.Span), flushesAll: false);
            _upkeep.Committed(row.SequenceNr);
            if (isPiece) Pieces++;
            else Copies++;
        }

        AssertRecovers();
        return true;
    }

    private bool Deliver()
    {
        if (!_journal.TryReceive(out var message)) return false;
        if (!_upkeep.TryReceive(message)) throw new InvalidOperationException($"nobody expects {message}");
        if (message is CleanerRead) _journal.ReadsFail = false;
        return true;
    }

    private void Recover()
    {
        _incarnation++;
        (_index, _changes, _log) = (NewIndex(), new ChangeTracker(_incarnation), new ObjectLog());
        _replay = _journal.Replay(_index, _changes, _log);
        _upkeep = new LogUpkeep(_journal, Smallest, _turns, Key, JournalBed.PageSize, _index, _log);
        _get = null;
    }

    /// <summary>A recovery of the journal as it stands, beside the object that lives: what it should hold is there, and nothing else.</summary>
    private void AssertRecovers()
    {
        var (index, log) = (NewIndex(), new ObjectLog());
        _journal.Replay(index, new ChangeTracker(0), log);
        foreach (var found in new[] { _index, index })
        {
            Assert.Equal(_expected.Keys.Order(), PagesOf(found).Select(entry => entry.Index).Order());
            foreach (var entry in PagesOf(found)) Assert.Equal(_expected[entry.Index], NumberAt(_journal, entry.Index, entry.SequenceNr));
        }

        Assert.Equal((_log.AppliedSequenceNr, _log.EndBytes, _index.JournalBytes), (log.AppliedSequenceNr, log.EndBytes, index.JournalBytes));
        index.Clear();
    }

    private static ulong NumberAt(MemoryJournal journal, uint index, long sequenceNr)
    {
        var page = EventReader.Open(Key, sequenceNr, journal.Event(sequenceNr)).Page(index);
        var number = BitConverter.ToUInt64(page.Stored.Span);
        if (page.Codec == PageCodec.Raw) Assert.True(page.Stored.Span.SequenceEqual(PageOf(number)), $"page {index} in event {sequenceNr} has other bytes");
        return number;
    }

    private static byte[] PageOf(ulong number)
    {
        var page = new byte[JournalBed.PageSize];
        page.AsSpan().Fill((byte)number);
        BitConverter.TryWriteBytes(page, number);
        return page;
    }

    private static List<IndexEntry> PagesOf(AccountedIndex index)
    {
        var found = new List<IndexEntry>();
        index.Collect(0, int.MaxValue, int.MaxValue, found);
        return found;
    }

    private AccountedIndex NewIndex() => new(
        _store, new PoolEntry(new PoolInfo(Key.Pool, "test", "default", new PoolOptions { Kind = PoolKind.Persistent }, false, 1), QuotaAccount.Unlimited));
}
