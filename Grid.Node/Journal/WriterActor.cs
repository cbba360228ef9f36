using Akka.Actor;
using Akka.Persistence;

namespace Grid.Node.Journal;

/// <summary>
/// Writes the events of one persistence id, and nothing else: it replays nothing, holds no state and dies with the first failure, as Akka wants it of a
/// persistent actor; its parent, who holds the state, starts another. It begins with <see cref="WriterReady"/> or <see cref="WriterDown"/>, answers every
/// <see cref="Write"/> it took with <see cref="Written"/> or <see cref="WriteFailed"/>, whatever it dies of, and stops at <see cref="StopWriter"/>.
/// </summary>
public sealed class WriterActor : UntypedPersistentActor
{
    private readonly IActorRef _parent = Context.Parent;
    private readonly TimeSpan _answerTimeout;
    private readonly Action<JournalEvent> _onWritten;
    private long _token;
    private bool _isWriting;
    private bool _isReady;
    private bool _isOver;
    private bool _stops;

    /// <summary>A writer.</summary>
    /// <param name="persistenceId">Whose events it writes.</param>
    public WriterActor(string persistenceId)
    {
        PersistenceId = persistenceId;
        _onWritten = OnWritten;
        // The journal answers within its own timeout; only one that is gone answers never.
        _answerTimeout = 2 * Context.System.Settings.Config.GetTimeSpan(JournalConfig.CallTimeout, TimeSpan.FromSeconds(10), allowInfinite: false);
    }

    /// <inheritdoc/>
    public override string PersistenceId { get; }

    /// <summary>No snapshot, no replay: only the newest number is asked for.</summary>
    public override Recovery Recovery => Recovery.None;

    /// <summary>A writer of a persistence id; its parent is who is told.</summary>
    /// <param name="persistenceId">Whose events it writes.</param>
    public static Props Props(string persistenceId) => Akka.Actor.Props.Create(() => new WriterActor(persistenceId));

    /// <inheritdoc/>
    protected override void OnRecover(object message)
    {
        if (message is not RecoveryCompleted) throw new InvalidOperationException($"A writer replays nothing, but was given {message.GetType()}.");
        _isReady = true;
        _parent.Tell(new WriterReady(LastSequenceNr), Self);
    }

    /// <inheritdoc/>
    protected override void OnCommand(object message)
    {
        switch (message)
        {
            case Write write when !_isWriting && !_isOver:
                _isWriting = true;
                _token = write.Token;
                Context.SetReceiveTimeout(_answerTimeout);
                PersistAsync(write.Event, _onWritten);
                break;
            case Write write:
                throw new InvalidOperationException($"Write {write.Token} came before the answer to {_token}.");
            case StopWriter when _isWriting:
                _stops = true;
                break;
            case StopWriter:
                Stop();
                break;
            case ReceiveTimeout when _isWriting:
                Fail(new TimeoutException($"the journal has not answered within {_answerTimeout.TotalSeconds:0} s"), notApplied: false);
                Stop();
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    /// <inheritdoc/>
    protected override void OnPersistFailure(Exception cause, object @event, long sequenceNr) => Fail(cause, WriteFailures.IsCertainlyNotApplied(cause));

    /// <inheritdoc/>
    protected override void OnPersistRejected(Exception cause, object @event, long sequenceNr)
    {
        // The actor would go on, but with a number left out: what follows must follow without a gap.
        Fail(cause, notApplied: true);
        Stop();
    }

    /// <inheritdoc/>
    protected override void OnRecoveryFailure(Exception reason, object? message = null) => Down(reason);

    /// <inheritdoc/>
    protected override void PostStop()
    {
        if (_isWriting) Fail(new JournalUnavailableException("the journal's writer was stopped before the journal's answer came"), notApplied: false);
        else if (!_isReady) Down(new JournalUnavailableException("the journal's writer was stopped before it was ready"));
        base.PostStop();
    }

    private void OnWritten(JournalEvent written)
    {
        _isWriting = false;
        Context.SetReceiveTimeout(null);
        _parent.Tell(new Written(_token, LastSequenceNr), Self);
        if (_stops) Stop();
    }

    private void Fail(Exception cause, bool notApplied)
    {
        _isWriting = false;
        _isOver = true;
        _parent.Tell(new WriteFailed(_token, cause, notApplied), Self);
    }

    private void Down(Exception cause)
    {
        if (_isOver) return;
        _isOver = true;
        _parent.Tell(new WriterDown(cause), Self);
    }

    private void Stop()
    {
        _isOver = true;
        Context.Stop(Self);
    }
}
