using Grid.Client;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Model;

/// <summary>The judges of the model tests see each broken promise: without that, their silence would mean nothing.</summary>
public sealed class JudgeTests
{
    private static readonly ObjectVersion Version = new(7, 1);
    private static readonly PoolOptions Ephemeral = new();
    private static readonly PoolOptions Persistent = new() { Kind = PoolKind.Persistent, QuotaPages = 2 };

    private ulong _counter = 1;

    [Fact]
    public void The_reference_sees_stale_resurrected_lost_and_crossed_pages()
    {
        foreach (var options in (PoolOptions[])[Ephemeral, Persistent])
        {
            var pool = new ReferencePool(options);
            Put(pool, 0, 1);
            Put(pool, 0, 2);
            AssertSeen(() => pool.Get(0, 0, false, 1, Next()));
            AssertSeen(() => pool.Get(0, 1, false, 2, Next()));
            AssertSeen(() => pool.Get(1, 0, false, 2, Next()));
            AssertSeen(() => pool.Get(0, 0, false, null, Next()));
            pool.Get(0, 0, true, 2, Next());
            AssertSeen(() => pool.Get(0, 0, false, 2, Next()));
        }
    }

    [Fact]
    public void The_reference_lets_ephemeral_pages_vanish_once_and_for_all_and_persistent_ones_never()
    {
        var ephemeral = new ReferencePool(Ephemeral) { UnderPressure = true };
        Put(ephemeral, 0, 1);
        ephemeral.Get(0, 0, false, null, Next());
        AssertSeen(() => ephemeral.Get(0, 0, false, 1, Next()));

        var persistent = new ReferencePool(Persistent) { UnderPressure = true };
        Put(persistent, 0, 1);
        persistent.Restarted();
        AssertSeen(() => persistent.Get(0, 0, false, null, Next()));
    }

    [Fact]
    public void The_reference_sees_wrong_refusals_and_refused_pages_that_stay()
    {
        var pool = new ReferencePool(Persistent);
        Put(pool, 0, 1);
        AssertSeen(() => pool.Put(0, 1, 2, new PutResult(PutOutcome.Refused, RefusalReason.Quota, Next())));
        AssertSeen(() => pool.Put(0, 1, 2, new PutResult(PutOutcome.Refused, RefusalReason.Frozen, Next())));
        AssertSeen(() => pool.Put(0, 1, 2, new PutResult(PutOutcome.Refused, RefusalReason.Capacity, Next())));
        Put(pool, 1, 2);
        AssertSeen(() => Put(pool, 2, 3));

        pool = new ReferencePool(Persistent) { Frozen = true };
        AssertSeen(() => Put(pool, 0, 1));
        pool.Frozen = false;
        Put(pool, 0, 1);
        pool.Frozen = true;
        pool.Put(0, 0, 2, new PutResult(PutOutcome.Refused, RefusalReason.Frozen, Next()));
        AssertSeen(() => pool.Get(0, 0, false, 1, Next()));
    }

    [Fact]
    public void The_reference_sees_conditions_judged_wrongly()
    {
        var pool = new ReferencePool(Persistent);
        var before = Next();
        pool.Get(0, 0, false, null, before);
        var flush = new[] { (0u, (ulong?)null) };
        AssertSeen(() => pool.WriteBatch(0, flush, before, new WriteBatchResult(BatchOutcome.ConditionFailed, RefusalReason.None, before, default)));
        Put(pool, 0, 1);
        AssertSeen(() => pool.WriteBatch(0, flush, before, new WriteBatchResult(BatchOutcome.Applied, RefusalReason.None, Next(), default)));
        AssertSeen(() => pool.Get(0, 0, false, 1, before));
        AssertSeen(() => pool.WriteBatch(0, flush, new ObjectVersion(99, 1), new WriteBatchResult(BatchOutcome.Applied, RefusalReason.None, Next(), default)));
    }

    [Fact]
    public void The_race_history_accepts_an_order_and_sees_its_violations()
    {
        Check(false, (history, _) => history.Put(RaceHistory.Now, 1), (history, _) => history.Got(RaceHistory.Now, 1, true), (history, _) => history.Got(RaceHistory.Now, null, false));
        // A put that began before everything may have taken effect last.
        Check(false, (history, _) => history.Put(RaceHistory.Now, 1), (history, began) => history.Put(began, 2), (history, _) => history.Got(RaceHistory.Now, 1, false), (history, _) => history.Got(RaceHistory.Now, 1, false));

        AssertSeen(() => Check(false, (history, _) => history.Got(RaceHistory.Now, 5, false)));
        AssertSeen(() => Check(false, (history, _) => history.Put(RaceHistory.Now, 1), (history, _) => history.Put(RaceHistory.Now, 2), (history, _) => history.Got(RaceHistory.Now, 1, false)));
        AssertSeen(() => Check(false, (history, _) => history.Put(RaceHistory.Now, 1), (history, _) => history.Flushed(RaceHistory.Now, true), (history, _) => history.Got(RaceHistory.Now, 1, false)));
        AssertSeen(() => Check(false, (history, _) => history.Put(RaceHistory.Now, 1), (history, began) => history.Got(began, 1, true), (history, began) => history.Got(began, 1, true)));
        AssertSeen(() => Check(false, (history, _) => history.Put(RaceHistory.Now, 1), (history, _) => history.Got(RaceHistory.Now, null, false)));
        Check(true, (history, _) => history.Put(RaceHistory.Now, 1), (history, _) => history.Got(RaceHistory.Now, null, false));
    }

    private static void Check(bool pagesMayVanish, params Action<RaceHistory, long>[] calls)
    {
        var history = new RaceHistory();
        var began = RaceHistory.Now;
        foreach (var call in calls) call(history, began);
        history.Check(pagesMayVanish);
    }

    private static void AssertSeen(Action answer) => Assert.Throws<ContractViolationException>(answer);

    private void Put(ReferencePool pool, uint index, ulong number) => pool.Put(0, index, number, new PutResult(PutOutcome.Stored, RefusalReason.None, Next()));

    private ObjectVersion Next() => Version with { Counter = ++_counter };
}
