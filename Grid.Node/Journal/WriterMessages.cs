using Grid.Node.Admin;

namespace Grid.Node.Journal;

/// <summary>To a writer: write this event. One at a time; the next only after the answer.</summary>
/// <param name="Event">The event.</param>
/// <param name="Token">Comes back in the answer.</param>
public sealed record Write(JournalEvent Event, long Token) : IBearsPages
{
    long IBearsPages.PageBytes => Event.Bytes.Length;
}

/// <summary>To a writer: stop once what is being written is answered. A PoisonPill would not wait for it.</summary>
public sealed class StopWriter
{
    /// <summary>The message.</summary>
    public static readonly StopWriter Instance = new();

    private StopWriter()
    {
    }
}

/// <summary>From a writer: it knows the newest event's number and takes writes.</summary>
/// <param name="LastSequenceNr">The newest event of the persistence id; 0 where there is none.</param>
public sealed record WriterReady(long LastSequenceNr);

/// <summary>From a writer: it could not even find the newest event and stops. Nothing that was told to it was written.</summary>
/// <param name="Cause">Why.</param>
public sealed record WriterDown(Exception Cause);

/// <summary>From a writer: the event is durable.</summary>
/// <param name="Token">The token of the <see cref="Write"/>.</param>
/// <param name="SequenceNr">The event's number.</param>
public sealed record Written(long Token, long SequenceNr);

/// <summary>From a writer: it got no word that the event is durable, and stops.</summary>
/// <param name="Token">The token of the <see cref="Write"/>.</param>
/// <param name="Cause">Why.</param>
/// <param name="NotApplied">True: the event is certainly not in the journal. False: nobody knows until a later writer's first event is.</param>
public sealed record WriteFailed(long Token, Exception Cause, bool NotApplied);
