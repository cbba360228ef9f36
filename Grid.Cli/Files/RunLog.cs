using System.Buffers.Binary;
using System.Diagnostics;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Files;

/// <summary>The stores under way in a pool, and the removal of what interrupted ones left.</summary>
/// <param name="pool">The pool.</param>
internal sealed class RunLog(Pool pool)
{
    private const int Attempts = 20;
    private static readonly CallOptions Repeatable = new() { AtLeastOnce = true };
    private static readonly uint[] Slots = [.. Enumerable.Range((int)RunRecord.FirstSlot, (int)(RunRecord.LastSlot - RunRecord.FirstSlot + 1)).Select(slot => (uint)slot)];
    private readonly int _pageSize = pool.PageSizeBytes;

    /// <summary>A store that is entered in the log.</summary>
    /// <param name="Record">What it said.</param>
    /// <param name="Slot">The page that holds it.</param>
    public sealed record Entered(RunRecord Record, uint Slot);

    /// <summary>Enters a store.</summary>
    /// <param name="run">The store's random number.</param>
    /// <param name="objects">What it writes; all of them have <paramref name="run"/> as their last word.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    /// <exception cref="CliException">Refused, or too many stores at a time.</exception>
    public async Task<Entered> EnterAsync(ulong run, IReadOnlyList<ObjectId> objects, CancellationToken cancellation)
    {
        var record = RunRecord.OfThisProcess(run, objects.Count);
        await WritePlanAsync(record, objects, cancellation);
        var page = new byte[_pageSize];
        record.Write(page);
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var (runs, taken, version) = await ReadAsync(cancellation);
            var free = Slots.Where(slot => !taken.Contains(slot)).ToArray();
            if (free.Length == 0) throw CliException.Failed($"{runs.Count} stores into pool '{pool.Name}' are under way (or were cut off within a day, on other machines)");
            // Any free one: two that begin at the same time seldom meet.
            var slot = free[Random.Shared.Next(free.Length)];
            var result = await pool.WriteBatchAsync(ManifestHeader.HeaderObject, new WriteBatch().Put(slot, page), version, null, cancellation);
            if (result.Outcome == BatchOutcome.Refused) throw CliException.Refused($"the store was {CliErrors.Refusal(result.Reason, pool.Name)}");
            if (result.Outcome == BatchOutcome.Applied) return new Entered(record, slot);
        }

        throw CliException.Failed($"other stores into pool '{pool.Name}' were faster {Attempts} times; try again");
    }

    /// <summary>Whether a store is still in the log: not there, somebody took it for interrupted and removed its objects.</summary>
    /// <param name="entered">The store.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    public async Task<bool> IsThereAsync(Entered entered, CancellationToken cancellation)
    {
        var (runs, _, _) = await ReadAsync(cancellation);
        return runs.Any(run => run.Slot == entered.Slot && run.Record.Run == entered.Record.Run);
    }

    /// <summary>Stores that will never end.</summary>
    /// <param name="cancellation">Ctrl-C.</param>
    public async Task<IReadOnlyList<Entered>> InterruptedAsync(CancellationToken cancellation)
    {
        var (runs, _, _) = await ReadAsync(cancellation);
        return runs.Where(run => run.Record.IsInterrupted(DateTime.UtcNow, ProcessRuns)).ToArray();
    }

    /// <summary>The objects that a store writes.</summary>
    /// <param name="record">The store.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    public async Task<IReadOnlyList<ObjectId>> PlannedAsync(RunRecord record, CancellationToken cancellation)
    {
        var objects = new List<ObjectId>();
        var buffer = new byte[FileBlocks.BlockBytes];
        long planBytes = (long)record.Objects * RunRecord.PlanEntryBytes;
        for (long block = 0; block < FileBlocks.BlockCount(planBytes); block++)
        {
            var length = (int)Math.Min(FileBlocks.BlockBytes, planBytes - (block * FileBlocks.BlockBytes));
            var indexes = BlockReader.Indexes(block, length, _pageSize);
            var result = await pool.GetBatchAsync(record.PlanObject, indexes, buffer, GetMode.Keep, null, null, cancellation);
            for (var at = 0; at < length; at += RunRecord.PlanEntryBytes)
                if (result.Hits[at / _pageSize])
                    objects.Add(new ObjectId(BinaryPrimitives.ReadUInt64LittleEndian(buffer.AsSpan(at)), BinaryPrimitives.ReadUInt64LittleEndian(buffer.AsSpan(at + 8)), record.Run));
        }

        return objects;
    }

    /// <summary>Changes a store's entry: the condition of its switch does not hold any more, should it still be on its way.</summary>
    /// <param name="entered">The store.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    public async Task CloseAsync(Entered entered, CancellationToken cancellation)
    {
        var page = new byte[_pageSize];
        entered.Record.Write(page);
        // A refusal empties the page, which is a change as well.
        await pool.PutAsync(ManifestHeader.HeaderObject, entered.Slot, page, Repeatable, cancellation);
    }

    /// <summary>Takes a store out of the log. Its objects must be gone or in force.</summary>
    /// <param name="entered">The store.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    public async Task LeaveAsync(Entered entered, CancellationToken cancellation)
    {
        await pool.FlushObjectAsync(entered.Record.PlanObject, Repeatable, cancellation);
        await pool.FlushPageAsync(ManifestHeader.HeaderObject, entered.Slot, null, cancellation);
    }

    private async Task WritePlanAsync(RunRecord record, IReadOnlyList<ObjectId> objects, CancellationToken cancellation)
    {
        var planBytes = (long)objects.Count * RunRecord.PlanEntryBytes;
        var plan = new byte[FileBlocks.PageCount(planBytes, _pageSize) * _pageSize];
        for (var i = 0; i < objects.Count; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(plan.AsSpan(i * RunRecord.PlanEntryBytes), objects[i].Word0);
            BinaryPrimitives.WriteUInt64LittleEndian(plan.AsSpan((i * RunRecord.PlanEntryBytes) + 8), objects[i].Word1);
        }

        await new PoolTree(pool).WriteObjectAsync(record.PlanObject, plan, "the store", cancellation);
    }

    private async Task<(IReadOnlyList<Entered> Runs, IReadOnlySet<uint> Taken, ObjectVersion Version)> ReadAsync(CancellationToken cancellation)
    {
        var pages = new byte[Slots.Length * _pageSize];
        var result = await pool.GetBatchAsync(ManifestHeader.HeaderObject, Slots, pages, GetMode.Keep, null, null, cancellation);
        var runs = new List<Entered>();
        var taken = new HashSet<uint>();
        for (var i = 0; i < Slots.Length; i++)
        {
            if (!result.Hits[i]) continue;
            taken.Add(Slots[i]);
            if (RunRecord.TryRead(pages.AsSpan(i * _pageSize, _pageSize)) is { } record) runs.Add(new Entered(record, Slots[i]));
        }

        return (runs, taken, result.Version);
    }

    private static bool ProcessRuns(int id)
    {
        try
        {
            using var process = Process.GetProcessById(id);
            return !process.HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
