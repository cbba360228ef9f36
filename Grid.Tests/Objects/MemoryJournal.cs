using Akka.Actor;
using Grid.Node.Journal;
using Grid.Node.Objects;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Objects;

/// <summary>An object's journal as a sorted list, with deletion in two steps as the real one has it: noted, then row by row. And the actor around it as a queue of messages.</summary>
internal sealed class MemoryJournal(ObjectKey key) : IUpkeepHost
{
    private readonly SortedDictionary<long, ReadOnlyMemory<byte>> _rows = [];
    private readonly Mailbox _mailbox = new();
    private TaskCompletionSource? _deletion;

    public IActorRef Self => _mailbox;

    public long OldestEventRead { get; set; } = long.MaxValue;

    public long NowMs { get; set; }

    /// <summary>Whether reads fail.</summary>
    public bool ReadsFail { get; set; }

    public long Last { get; private set; }

    /// <summary>Events up to this one may be gone.</summary>
    public long Noted { get; private set; }

    public long Bytes => _rows.Values.Sum(row => (long)row.Length);

    public int Count => _rows.Count;

    /// <summary>The next message to the actor.</summary>
    public bool TryReceive(out object message) => _mailbox.Messages.TryDequeue(out message!);

    public JournalRow Append(ReadOnlyMemory<byte> row)
    {
        _rows.Add(++Last, row);
        return new JournalRow(Last, row);
    }

    /// <summary>A recovery from the journal as it stands.</summary>
    public IndexReplay Replay(AccountedIndex index, ChangeTracker changes, ObjectLog log)
    {
        var replay = new IndexReplay(key, index, changes, log);
        if (Ends() is not { } ends) return replay;
        replay.Begin(ends);
        foreach (var row in After(Math.Max(ends.Newest.Base, ends.Deleted))) replay.Apply(row, null);
        replay.DemandWhole();
        return replay;
    }

    /// <summary>A new actor: what the old one was told or waits for is lost.</summary>
    public void Restart()
    {
        _mailbox.Messages.Clear();
        (_deletion, OldestEventRead) = (null, long.MaxValue);
    }

    /// <summary>Deletes the first rows that are noted, as far as one step goes; the deletion ends where none is left.</summary>
    public int DeleteRows(int most)
    {
        if (_deletion is null) return 0;
        var gone = _rows.Keys.TakeWhile(sequenceNr => sequenceNr <= Noted).Take(most).ToArray();
        foreach (var sequenceNr in gone) _rows.Remove(sequenceNr);
        if (gone.Length > 0) return gone.Length;
        var done = _deletion;
        _deletion = null;
        done.SetResult();
        return 0;
    }

    public JournalEnds? Ends()
    {
        if (Last <= Noted || _rows.Count == 0) return null;
        Assert.True(_rows.ContainsKey(Noted + 1), $"event {Noted + 1} is missing");
        return new JournalEnds(Noted, _rows.Keys.First() <= Noted, EventHeader.Read(key, Noted + 1, _rows[Noted + 1].Span), Last, EventHeader.Read(key, Last, _rows[Last].Span));
    }

    /// <summary>Events behind one, without gaps.</summary>
    public IEnumerable<JournalRow> After(long sequenceNr)
    {
        for (var next = Math.Max(sequenceNr, Noted) + 1; next <= Last; next++)
        {
            Assert.True(_rows.TryGetValue(next, out var row), $"event {next} is missing, {Noted} are deleted");
            yield return new JournalRow(next, row);
        }
    }

    /// <summary>An event that must be there.</summary>
    public ReadOnlyMemory<byte> Event(long sequenceNr)
    {
        Assert.True(sequenceNr > Noted && _rows.ContainsKey(sequenceNr), $"event {sequenceNr} is needed but deleted (up to {Noted})");
        return _rows[sequenceNr];
    }

    public Task<JournalPage> ReadHeadsAsync(long after, long through, int maxRows, int maxBytes)
    {
        if (ReadsFail) return Task.FromException<JournalPage>(new JournalUnavailableException("reads fail"));
        // A few at a time, so that changes come between them.
        var rows = After(after).TakeWhile(row => row.SequenceNr <= through).Take(Math.Min(maxRows, 3)).ToList();
        return Task.FromResult(new JournalPage(rows, rows.Count == 0 || rows[^1].SequenceNr == through));
    }

    public Task<ReadOnlyMemory<byte>> ReadEventAsync(long sequenceNr) =>
        ReadsFail ? Task.FromException<ReadOnlyMemory<byte>>(new JournalUnavailableException("reads fail")) : Task.FromResult(Event(sequenceNr));

    public Task DeleteThroughAsync(long sequenceNr)
    {
        Assert.Null(_deletion);
        // The newest event always stays.
        Noted = Math.Max(Noted, Math.Min(sequenceNr, Last - 1));
        _deletion = new TaskCompletionSource();
        return _deletion.Task;
    }

    public void RemindIn(TimeSpan delay) => Self.Tell(UpkeepTick.Instance, ActorRefs.NoSender);

    private sealed class Mailbox : MinimalActorRef
    {
        public Queue<object> Messages { get; } = new();

        public override ActorPath Path { get; } = new RootActorPath(new Address("akka", "test")) / "object";

        public override IActorRefProvider Provider => throw new NotSupportedException();

        protected override void TellInternal(object message, IActorRef sender) => Messages.Enqueue(message);
    }
}
