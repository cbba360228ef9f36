using Grid.Node.Journal;

namespace Grid.Node.Objects;

/// <summary>
/// Writes an object's index into its journal, piece by piece, so that a recovery need not read what stands before. Other events may come between two pieces: each piece is right about
/// its range at its own point of the journal (<see cref="IndexReplay"/> says why that is enough). One that is broken off leaves pieces that nobody reads.
/// </summary>
internal sealed class Checkpointer(AccountedIndex index, ObjectLog log, UpkeepLimits limits)
{
    /// <summary>Pages of a piece: about 96 KiB of entries.</summary>
    private const int PiecePages = 4096;

    private const int MaxPiecePages = EventFormat.MaxEntries - 1;

    private const int PieceOverheadBytes = EventFormat.HeaderBytes + EventFormat.EntryBytes;

    private readonly List<IndexEntry> _found = [];
    private uint _nextPlace;
    private uint _lastPlace;
    private long _firstPiece;
    private long _beginBytes;

    /// <summary>Whether some pieces are written and others not.</summary>
    public bool IsRunning { get; private set; }

    /// <summary>Set where a checkpoint is needed whatever a recovery would cost: cleaned events wait for it to be deleted.</summary>
    public bool IsWanted { get; set; }

    /// <summary>
    /// Whether a piece should be written: the events to replay are many, and so many bytes that a checkpoint is small beside them; or so many that a recovery would take long.
    /// </summary>
    public bool IsDue => IsRunning || IsWanted
        || (log.EventsBehindBase >= limits.CheckpointEvents && log.BytesBehindBase >= limits.CheckpointCostFactor * CheckpointBytes)
        || log.EventsBehindBase >= UpkeepLimits.MaxEventsToReplay;

    private long CheckpointBytes => (index.Count * (long)EventFormat.EntryBytes) + ((index.Count / PiecePages) + 1) * PieceOverheadBytes;

    /// <summary>Makes the next piece. Everything that is committed must be in the index, and nothing else under way.</summary>
    public LogPosition Compose(EventBuilder piece)
    {
        if (!IsRunning) (IsRunning, _nextPlace, _firstPiece, _beginBytes) = (true, 0, 0, log.EndBytes);
        _lastPlace = index.Collect(_nextPlace, PiecePages, MaxPiecePages, _found);
        piece.Range(_nextPlace, _lastPlace, _firstPiece);
        foreach (var entry in _found) piece.Held(entry.Index, entry.StoredBytes, entry.SequenceNr);
        _found.Clear();
        if (_lastPlace != uint.MaxValue) return log.Next;
        return _firstPiece == 0 ? log.Next with { BaseIsHere = true } : log.Next with { Base = _firstPiece - 1 };
    }

    /// <summary>The piece is committed.</summary>
    public void Committed(long sequenceNr)
    {
        if (_firstPiece == 0) _firstPiece = sequenceNr;
        if (_lastPlace != uint.MaxValue)
        {
            _nextPlace = _lastPlace + 1;
            return;
        }

        log.MoveBase(_firstPiece - 1, _beginBytes);
        (IsRunning, IsWanted) = (false, false);
        _found.TrimExcess();
    }

    /// <summary>What is written of it is of no use any more, or its last piece is in doubt.</summary>
    public void BreakOff() => IsRunning = false;
}
