using System.Diagnostics;
using Akka.Actor;
using Grid.Node.Journal;

namespace Grid.Node.Objects;

/// <summary>Tells an object to start its writer again.</summary>
internal sealed class RestartWriter
{
    public static readonly RestartWriter Instance = new();

    private RestartWriter()
    {
    }
}

/// <summary>
/// An object's side of its writer: starts the child when the first write comes, starts it again some time after it failed, and knows whether it may be
/// given an event.
/// </summary>
internal sealed class JournalWriter(ObjectServices services, string persistenceId, IActorContext context, IActorRef self)
{
    private IActorRef? _child;
    private bool _isReady;
    private long _token;
    private long _startedAt;
    private int _bytes;

    /// <summary>Why the journal can't be written; null while nothing speaks against it.</summary>
    public string? Failure { get; private set; }

    /// <summary>Whether a message comes from the present writer.</summary>
    public bool IsCurrent(IActorRef sender) => _child is not null && sender.Equals(_child);

    /// <summary>Whether an answer is for the write under way.</summary>
    public bool IsCurrentToken(long token) => token == _token;

    /// <summary>Whether an event may be written now; starts the writer if there is none.</summary>
    public bool TryBegin()
    {
        if (_child is null) Start();
        return _isReady;
    }

    /// <summary>Starts a writer.</summary>
    public void Start()
    {
        if (_child is not null) return;
        _isReady = false;
        _startedAt = Stopwatch.GetTimestamp();
        _child = context.Watch(context.ActorOf(WriterActor.Props(persistenceId)));
    }

    /// <summary>The writer knows its place in the journal.</summary>
    public void OnReady()
    {
        _isReady = true;
        Failure = null;
    }

    /// <summary>Gives the writer an event.</summary>
    public void Write(JournalEvent journalEvent)
    {
        _startedAt = Stopwatch.GetTimestamp();
        _bytes = journalEvent.Bytes.Length;
        _child!.Tell(new Write(journalEvent, ++_token), self);
    }

    /// <summary>The event is committed.</summary>
    public void OnWritten() => services.Health.Wrote(_bytes, Stopwatch.GetElapsedTime(_startedAt));

    /// <summary>The writer failed: it stops by itself, another is started after a rest.</summary>
    public void Fail(Exception cause)
    {
        services.Health.Failed(cause, _startedAt);
        // While the circuit breaker is open, what opened it says more.
        Failure = services.Health.Failure ?? FailureText.Of(cause);
        _isReady = false;
        if (_child is not null)
        {
            context.Unwatch(_child);
            _child.Tell(StopWriter.Instance, self);
            _child = null;
        }

        context.System.Scheduler.ScheduleTellOnce(services.Limits.WriterBackoff, self, RestartWriter.Instance, self);
    }
}
