using Akka.Actor;
using Grid.Node.Journal;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>What the upkeep of an object's journal has around it: the journal itself, and the object's actor, whom answers and reminders are told.</summary>
internal interface IUpkeepHost
{
    /// <summary>The object's actor.</summary>
    IActorRef Self { get; }

    /// <summary>The oldest event that somebody is reading; <see cref="long.MaxValue"/> where nobody reads.</summary>
    long OldestEventRead { get; }

    /// <summary>A clock that only goes on, in milliseconds.</summary>
    long NowMs { get; }

    /// <summary>Reads heads of events, in order.</summary>
    Task<JournalPage> ReadHeadsAsync(long after, long through, int maxRows, int maxBytes);

    /// <summary>Reads an event.</summary>
    Task<ReadOnlyMemory<byte>> ReadEventAsync(long sequenceNr);

    /// <summary>Deletes events up to a number.</summary>
    Task DeleteThroughAsync(long sequenceNr);

    /// <summary>Has the actor told <see cref="UpkeepTick"/> after some time.</summary>
    void RemindIn(TimeSpan delay);
}

/// <summary>The upkeep's surroundings in an object's actor.</summary>
internal sealed class UpkeepHost(ObjectServices services, ObjectKey key, PageLoader loader, IActorRef self, IActorContext context) : IUpkeepHost
{
    private readonly string _persistenceId = JournalIds.ForObject(key);

    /// <inheritdoc/>
    public IActorRef Self => self;

    /// <inheritdoc/>
    public long OldestEventRead => loader.OldestEvent;

    /// <inheritdoc/>
    public long NowMs => Environment.TickCount64;

    /// <inheritdoc/>
    public Task<JournalPage> ReadHeadsAsync(long after, long through, int maxRows, int maxBytes) => services.Journal.ReadHeadsAsync(_persistenceId, after, through, maxRows, maxBytes);

    /// <inheritdoc/>
    public Task<ReadOnlyMemory<byte>> ReadEventAsync(long sequenceNr) => services.Journal.ReadEventAsync(_persistenceId, sequenceNr);

    /// <inheritdoc/>
    public Task DeleteThroughAsync(long sequenceNr) => services.Journal.DeleteThroughAsync(_persistenceId, sequenceNr);

    /// <inheritdoc/>
    public void RemindIn(TimeSpan delay) => context.System.Scheduler.ScheduleTellOnce(delay, self, UpkeepTick.Instance, self);
}
