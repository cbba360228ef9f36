using CsCheck;
using Grid.Node.Memory;
using Grid.Tests.Journal;
using Xunit;

namespace Grid.Tests.Objects;

/// <summary>
/// Random changes to an object with checkpoints, cleaning and deletion at the smallest thresholds. After every event, and every row that is deleted, the object is recovered from the journal as it stands:
/// it must hold exactly the pages of a model that is a dictionary, byte by byte.
/// </summary>
public sealed class UpkeepModelTests
{
    private static readonly Gen<UpkeepStep> Steps = Gen.Frequency(
        (96, Gen.Select(Gen.UInt[0, 40], Gen.Int[0, 3], (index, size) => new UpkeepStep(UpkeepStepKind.Put, index, size))),
        (16, Gen.Select(Gen.UInt[0, 40], Gen.Int[1, 30], (index, count) => new UpkeepStep(UpkeepStepKind.Batch, index, count))),
        (32, Gen.UInt[0, 40].Select(index => new UpkeepStep(UpkeepStepKind.Flush, index, 0))),
        (1, Gen.Int[0, 3].Select(puts => new UpkeepStep(UpkeepStepKind.FlushObject, 7, puts))),
        (4, Gen.Const(new UpkeepStep(UpkeepStepKind.Fence, 0, 0))),
        (96, Gen.Const(new UpkeepStep(UpkeepStepKind.Upkeep, 0, 0))),
        (140, Gen.Int[1, 4].Select(messages => new UpkeepStep(UpkeepStepKind.Deliver, 0, messages))),
        (50, Gen.Int[1, 5].Select(rows => new UpkeepStep(UpkeepStepKind.DeleteRows, 0, rows))),
        (12, Gen.UInt[0, 40].Select(index => new UpkeepStep(UpkeepStepKind.BeginGet, index, 0))),
        (24, Gen.Const(new UpkeepStep(UpkeepStepKind.EndGet, 0, 0))),
        (3, Gen.Const(new UpkeepStep(UpkeepStepKind.Restart, 0, 0))),
        (3, Gen.Bool.Select(applied => new UpkeepStep(UpkeepStepKind.FailUpkeep, 0, applied ? 1 : 0))),
        (2, Gen.Const(new UpkeepStep(UpkeepStepKind.FailReads, 0, 0))));

    [Fact]
    public void Every_recovery_at_every_point_of_cleaning_gives_exactly_what_was_written() =>
        Steps.Array[1, 250].Sample(steps => Run(steps), iter: 400);

    [Fact]
    public void Long_runs_clean_and_delete_again_and_again_and_stay_small()
    {
        var (cleaned, deleted, checkpoints) = (0, 0L, 0);
        Steps.Array[2_000].Sample(
            steps =>
            {
                var journal = Run(steps);
                Interlocked.Add(ref cleaned, journal.Copies);
                Interlocked.Add(ref deleted, journal.DeletedRows);
                Interlocked.Add(ref checkpoints, journal.Pieces);
            },
            iter: 16);
        Assert.True(cleaned > 60 && deleted > 1000 && checkpoints > 300, $"{cleaned} copies, {deleted} rows deleted, {checkpoints} pieces of checkpoints: the test tries nothing");
    }

    private static UpkeepModel Run(UpkeepStep[] steps)
    {
        // What is awaited goes on at once, on this thread: the same steps give the same run.
        var context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            using var store = new PageStore(new PageStoreOptions(64 << 20));
            var model = new UpkeepModel(store);
            foreach (var step in steps) model.Do(step);
            model.Settle();
            return model;
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }
}
