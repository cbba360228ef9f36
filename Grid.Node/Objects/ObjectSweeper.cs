using Akka.Actor;
using Grid.Node.Pools;

namespace Grid.Node.Objects;

/// <summary>
/// Looks over a node's objects from time to time: those with evicted pages drop the stale index entries, those that hold nothing and were not
/// used for a while leave. Where indexes take too much of the memory, which eviction of pages can't give back, the coldest objects of persistent pools leave: the journal has their indexes and pages.
/// </summary>
internal sealed class ObjectSweeper(ObjectServices services, SweepSettings settings) : ActorBase, IWithTimers
{
    private long _evictionsSeen;

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart()
    {
        Timers.StartPeriodicTimer("sweep", Tick.Instance, settings.Interval);
        Context.System.EventStream.Subscribe(Self, typeof(PoolDestroyed));
    }

    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case Tick:
                Look();
                return true;
            case PoolDestroyed destroyed:
                // Its pages are out of reach already: gateways refuse the pool. This gives their memory back.
                foreach (var (key, entry) in services.Registry.Entries)
                    if (key.Pool == destroyed.Pool) entry.Actor.Tell(PoolGone.Instance, ActorRefs.NoSender);
                return true;
            default:
                return false;
        }
    }

    private void Look()
    {
        services.Store.Trim();
        var now = Environment.TickCount64;
        var evictions = services.Store.Stats.Evictions;
        // Stale entries matter once they are many: they hold index memory, and quota.
        var sweepStale = evictions - _evictionsSeen >= settings.StaleEntries;
        if (sweepStale) _evictionsSeen = evictions;
        foreach (var (_, entry) in services.Registry.Entries)
        {
            var idleMs = now - entry.LastUsedMs;
            if ((entry.Pages == 0 && idleMs >= settings.EmptyIdle.TotalMilliseconds) || (entry.IsPersistent && idleMs >= settings.PassivateAfter.TotalMilliseconds))
                entry.Actor.Tell(Sweep.Idle, ActorRefs.NoSender);
            else if (sweepStale && !entry.IsPersistent)
                entry.Actor.Tell(Sweep.Stale, ActorRefs.NoSender);
        }

        if (services.IsCrowded) Relieve(now);
    }

    /// <summary>
    /// Has the coldest persistent objects leave, as many as it takes to bring what can't be evicted down to two fifths of the limit. A tenth of the limit is left to indexes whatever
    /// else takes memory: objects would come and go without end.
    /// </summary>
    private void Relieve(long now)
    {
        var limit = services.Store.LimitBytes;
        var indexes = services.Registry.Entries.Sum(pair => pair.Value.IndexBytes);
        var excess = Math.Min(services.Store.ReservedBytes - (limit / 5 * 2), indexes - (limit / 10));
        var cold = services.Registry.Entries
            .Select(pair => (Entry: pair.Value, IdleMs: now - pair.Value.LastUsedMs))
            .Where(one => one.Entry.IsPersistent && one.IdleMs >= settings.CrowdedIdle.TotalMilliseconds)
            .OrderByDescending(one => one.IdleMs);
        foreach (var (entry, _) in cold)
        {
            if (excess <= 0) return;
            excess -= entry.IndexBytes;
            entry.Actor.Tell(Sweep.Idle, ActorRefs.NoSender);
        }
    }

    private sealed class Tick
    {
        public static readonly Tick Instance = new();
    }
}

/// <summary>When objects are swept.</summary>
/// <param name="Interval">How often the sweeper looks.</param>
/// <param name="EmptyIdle">How long an object without pages stays unused before it leaves.</param>
/// <param name="CrowdedIdle">How long a persistent object stays unused before it may leave because memory is short.</param>
/// <param name="PassivateAfter">How long a persistent object with pages stays unused before it leaves.</param>
/// <param name="StaleEntries">After how many evictions the stale index entries are dropped.</param>
internal sealed record SweepSettings(TimeSpan Interval, TimeSpan EmptyIdle, TimeSpan CrowdedIdle, TimeSpan PassivateAfter, long StaleEntries)
{
    /// <summary>Often enough that a stale entry or an empty object is no burden.</summary>
    public static SweepSettings For(TimeSpan passivateAfter)
    {
        var emptyIdle = TimeSpan.FromSeconds(10);
        return new SweepSettings(TimeSpan.FromSeconds(2), emptyIdle < passivateAfter ? emptyIdle : passivateAfter, TimeSpan.FromSeconds(1), passivateAfter, 10_000);
    }
}
