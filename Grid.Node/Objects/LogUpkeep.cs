using Akka.Actor;
using Grid.Node.Journal;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>Reminds an object of its journal's upkeep.</summary>
internal sealed class UpkeepTick
{
    public static readonly UpkeepTick Instance = new();

    private UpkeepTick()
    {
    }
}

/// <summary>A deletion has ended.</summary>
/// <param name="Through">The last event that was to be deleted.</param>
/// <param name="Bytes">Where it ended in the journal.</param>
/// <param name="Failure">Why it is not complete.</param>
internal sealed record BeginningDeleted(long Through, long Bytes, Exception? Failure);

/// <summary>
/// Keeps an object's journal short: checkpoints bound what a recovery reads, cleaning frees the beginning, deletion gives its space back. All it writes are ordinary events, one at a time, between
/// those of the clients: while clients write, one after several of theirs.
/// </summary>
internal sealed class LogUpkeep(IUpkeepHost host, UpkeepLimits limits, CleaningTurns turns, ObjectKey key, int pageSizeBytes, AccountedIndex index, ObjectLog log)
{
    /// <summary>How long after a deletion the next small one may follow, or any after one that failed.</summary>
    private static readonly TimeSpan DeletionRest = TimeSpan.FromSeconds(2);

    private readonly Checkpointer _checkpointer = new(index, log, limits);
    private readonly LogCleaner _cleaner = new(host, limits, turns, key, index, log);
    private readonly EventBuilder _event = new(pageSizeBytes);
    private bool _writesPiece;
    private bool _isDeleting;
    private bool _isTickSet;
    private int _clientEvents;
    private long _clientEventMs;
    private bool _hasDeletionFailed;
    private long _restUntilMs;

    /// <summary>Whether something is under way that would have to be begun anew by the object's next incarnation.</summary>
    public bool IsBusy => _checkpointer.IsRunning || _cleaner.IsActive || _isDeleting;

    /// <summary>Why cleaning gave up, once.</summary>
    public Exception? TakeFailure() => _cleaner.TakeFailure();

    /// <summary>An event of clients is committed and applied.</summary>
    public void OnClientEvent(bool flushesAll)
    {
        _clientEvents++;
        _clientEventMs = host.NowMs;
        if (flushesAll) BreakOff();
    }

    /// <summary>
    /// Begins what is due, and tells whether an event of upkeep's own should be written now. To be asked when nothing is under way and everything committed is in the index.
    /// </summary>
    /// <param name="clientsWait">Whether clients' writes wait to be committed.</param>
    public bool WantsToWrite(bool clientsWait)
    {
        DeleteWhatIsDue();
        // What is cleaned can be deleted once a recovery begins behind it; the next part is begun when that one is gone.
        _checkpointer.IsWanted = !_cleaner.IsActive && log.CleanedThrough > log.Base;
        if (!_checkpointer.IsDue && !_isDeleting && log.DeletableBytes < SmallDeletionBytes && _cleaner.IsDue) _cleaner.Begin();
        return (_checkpointer.IsDue || _cleaner.IsReady) && MayWrite(clientsWait);
    }

    /// <summary>Makes the event; null where nothing is left to write.</summary>
    /// <param name="position">Where it will stand.</param>
    public EventBuilder? Compose(out LogPosition position)
    {
        position = log.Next;
        _writesPiece = _checkpointer.IsDue;
        if (_writesPiece) position = _checkpointer.Compose(_event);
        else if (!_cleaner.IsReady) return null;
        else if (!_cleaner.TryCompose(_event))
        {
            _cleaner.Committed(0);
            return null;
        }

        _clientEvents = 0;
        return _event;
    }

    /// <summary>The event is committed, and the log knows it.</summary>
    public void Committed(long sequenceNr)
    {
        if (_writesPiece) _checkpointer.Committed(sequenceNr);
        else _cleaner.Committed(sequenceNr);
        _event.Clear();
    }

    /// <summary>A write failed, or somebody else's events were read: what is under way is begun anew.</summary>
    public void BreakOff()
    {
        _event.Clear();
        _checkpointer.BreakOff();
        _cleaner.BreakOff();
    }

    /// <summary>Handles a message that upkeep asked for; false where it is none.</summary>
    public bool TryReceive(object message)
    {
        switch (message)
        {
            case CleaningTurn:
                _cleaner.OnTurn();
                return true;
            case CleanerRead read:
                _cleaner.OnRead(read);
                return true;
            case BeginningDeleted deleted:
                OnDeleted(deleted);
                return true;
            case UpkeepTick:
                _isTickSet = false;
                return true;
            default:
                return false;
        }
    }

    private void OnDeleted(BeginningDeleted deleted)
    {
        _isDeleting = false;
        _hasDeletionFailed = deleted.Failure is not null;
        _restUntilMs = host.NowMs + (long)DeletionRest.TotalMilliseconds;
        if (!_hasDeletionFailed) log.Delete(deleted.Through, deleted.Bytes);
    }

    /// <summary>The object's actor stops.</summary>
    public void Stop()
    {
        _cleaner.Stop();
        _event.Clear();
    }

    private long SmallDeletionBytes => limits.CleanMinDeadBytes / 4;

    private bool MayWrite(bool clientsWait)
    {
        if (_clientEvents >= limits.ForegroundEvents / _cleaner.Urgency) return true;
        if (clientsWait) return false;
        // Clients that write one page after the other leave a gap behind each: upkeep does not fill every one of them.
        if (host.NowMs - _clientEventMs >= limits.ForegroundPause.TotalMilliseconds) return true;
        LookAgainIn(limits.ForegroundPause);
        return false;
    }

    private void DeleteWhatIsDue()
    {
        if (_isDeleting) return;
        var isSmall = log.DeletableBytes < SmallDeletionBytes;
        // An object that holds nothing keeps nothing; otherwise it must be worth it.
        if (!log.HasLeftovers && isSmall && (log.DeletableBytes == 0 || index.Count > 0)) return;
        var waitMs = isSmall || _hasDeletionFailed ? _restUntilMs - host.NowMs : 0;
        // A get that found its page before it was copied still reads it where it was.
        if (waitMs > 0 || host.OldestEventRead <= log.CleanedThrough)
        {
            LookAgainIn(TimeSpan.FromMilliseconds(Math.Max(waitMs, 20)));
            return;
        }

        _isDeleting = true;
        _ = (log.DeletableBytes > 0 ? DeleteAsync(log.CleanedThrough, log.CleanedBytes) : DeleteAsync(log.DeletedThrough, log.DeletedBytes)).PipeTo(host.Self);
    }

    private async Task<BeginningDeleted> DeleteAsync(long through, long bytes)
    {
        try
        {
            await host.DeleteThroughAsync(through).ConfigureAwait(false);
            return new BeginningDeleted(through, bytes, null);
        }
        catch (Exception failure)
        {
            return new BeginningDeleted(through, bytes, failure);
        }
    }

    private void LookAgainIn(TimeSpan delay)
    {
        if (_isTickSet) return;
        _isTickSet = true;
        host.RemindIn(delay);
    }
}
