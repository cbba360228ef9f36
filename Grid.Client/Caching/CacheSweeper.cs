using System.Buffers.Binary;
using Grid.Protocol;
using Microsoft.Extensions.Logging;

namespace Grid.Client;

/// <summary>What a sweep flushed.</summary>
/// <param name="Entries">Expired values, and announcements of interrupted writers.</param>
/// <param name="Pages">Pages that no entry named.</param>
internal readonly record struct SweepResult(int Entries, int Pages);

/// <summary>
/// Finds what nobody will ever ask for: expired values, what interrupted writers left, and pages that no entry names. One object at a time, one request at a time. Of all programs that share a
/// pool one sweeps at a time: the first that finds it due says so in the control object.
/// </summary>
internal sealed class CacheSweeper(CacheConnection connection, CacheLayout layout, TimeSpan interval, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    /// <summary>How often a program looks whether it is due.</summary>
    private static readonly TimeSpan LooksEvery = TimeSpan.FromMinutes(1);

    private readonly CancellationTokenSource _stopping = new();
    private readonly Lock _gate = new();
    private Task? _running;
    private bool _isDisposed;

    /// <summary>Sweeps from now on, when it is due.</summary>
    public void Begin()
    {
        if (Volatile.Read(ref _running) is not null || interval == Timeout.InfiniteTimeSpan) return;
        lock (_gate)
        {
            if (!_isDisposed) _running ??= Task.Run(RunAsync);
        }
    }

    /// <summary>Sweeps if nobody has within the interval.</summary>
    /// <exception cref="GridException">It failed.</exception>
    public async ValueTask<bool> SweepIfDueAsync(CancellationToken cancellationToken)
    {
        var pages = await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
        if (!await ClaimAsync(pages, cancellationToken).ConfigureAwait(false)) return false;
        var start = time.GetTimestamp();
        var result = await SweepAsync(cancellationToken).ConfigureAwait(false);
        logger.Swept(pages.PoolName, result.Entries, result.Pages, time.GetElapsedTime(start).TotalSeconds);
        return true;
    }

    /// <summary>Sweeps all objects.</summary>
    /// <exception cref="GridException">It failed.</exception>
    public async ValueTask<SweepResult> SweepAsync(CancellationToken cancellationToken)
    {
        var pages = await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
        var (entries, flushed) = (0, 0);
        for (var i = 0; i < layout.Objects; i++)
        {
            var (entriesHere, flushedHere) = await SweepAsync(pages, layout.Object(i), cancellationToken).ConfigureAwait(false);
            entries += entriesHere;
            flushed += flushedHere;
        }

        return new SweepResult(entries, flushed);
    }

    public async ValueTask DisposeAsync()
    {
        Task? running;
        lock (_gate)
        {
            if (_isDisposed) return;
            _isDisposed = true;
            running = _running;
        }

        await _stopping.CancelAsync().ConfigureAwait(false);
        if (running is not null) await running.ConfigureAwait(false);
        _stopping.Dispose();
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(LooksEvery, time);
        try
        {
            while (await timer.WaitForNextTickAsync(_stopping.Token).ConfigureAwait(false)) await TurnAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // The cache is being disposed.
        }
    }

    private async Task TurnAsync()
    {
        try
        {
            await SweepIfDueAsync(_stopping.Token).ConfigureAwait(false);
        }
        catch (Exception e) when (!_stopping.IsCancellationRequested)
        {
            // Whatever it is: the next turn comes.
            logger.NotSwept(e);
        }
    }

    /// <summary>Whether it is due, and nobody else has said that he does it.</summary>
    private async ValueTask<bool> ClaimAsync(CachePages pages, CancellationToken cancellationToken)
    {
        var page = new byte[pages.PageBytes];
        var (isHit, version) = await pages.GetAsync(layout.Control, 0, page, cancellationToken).ConfigureAwait(false);
        var now = time.GetUtcNow().UtcTicks;
        // A time in the future is that of a clock that was wrong.
        if (isHit && BinaryPrimitives.ReadInt64LittleEndian(page) is var last && last <= now && now - last < interval.Ticks) return false;
        BinaryPrimitives.WriteInt64LittleEndian(page, now);
        return await pages.PutAsync(layout.Control, 0, page, version, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>
    /// The pages are listed before the slots are, and the slots before they are read. A page that was listed is named by an entry that came before it or with it. If no slot names it afterwards, its entry
    /// is gone, and none will ever name it again unless it is put anew: then the flush does nothing, for it demands that the page was not changed since it was listed.
    /// </summary>
    private async ValueTask<SweepResult> SweepAsync(CachePages pages, ObjectId obj, CancellationToken cancellationToken)
    {
        var listed = new List<PageList>();
        await foreach (var piece in pages.ListAsync(obj, CacheLayout.FirstValueIndex, cancellationToken).ConfigureAwait(false)) listed.Add(piece);
        var named = new List<PageRun>();
        var entries = 0;
        foreach (var slot in await SlotsAsync(pages, obj, cancellationToken).ConfigureAwait(false))
            entries += await SweepSlotAsync(pages, new SlotAddress(obj, slot), named, cancellationToken).ConfigureAwait(false);
        named.Sort((left, right) => left.First.CompareTo(right.First));
        var flushed = 0;
        foreach (var piece in listed)
        {
            var lost = piece.Indexes.Where(index => !IsNamed(named, index)).ToArray();
            flushed += await pages.FlushAsync(obj, lost, piece.Version, cancellationToken).ConfigureAwait(false);
        }

        return new SweepResult(entries, flushed);
    }

    private static async ValueTask<List<uint>> SlotsAsync(CachePages pages, ObjectId obj, CancellationToken cancellationToken)
    {
        var slots = new List<uint>();
        await foreach (var piece in pages.ListAsync(obj, 0, cancellationToken).ConfigureAwait(false))
        {
            slots.AddRange(piece.Indexes.TakeWhile(index => index < CacheLayout.FirstValueIndex));
            if (piece.Indexes.Count > 0 && piece.Indexes[^1] >= CacheLayout.FirstValueIndex) break;
        }

        return slots;
    }

    /// <summary>Notes the runs that a slot names, and takes dead entries out of it, with their pages; how many.</summary>
    private async ValueTask<int> SweepSlotAsync(CachePages pages, SlotAddress at, List<PageRun> named, CancellationToken cancellationToken)
    {
        using var view = await pages.ReadSlotAsync(at, default, cancellationToken).ConfigureAwait(false);
        var next = view.Slot.WithoutDead(time.GetUtcNow().UtcTicks);
        var isSwept = !ReferenceEquals(next, view.Slot)
            && await pages.ReplaceAsync(at, view, next, default, null, 0, cancellationToken).ConfigureAwait(false) == BatchOutcome.Applied;
        // What an interrupted writer announced names nothing any more: its pages are those that no other entry names. Expired values' pages went with them.
        named.AddRange(view.Slot.Entries.Where(entry => !isSwept || !entry.IsPending || next.Find(entry.Id) is not null).Select(entry => entry.Run(pages.PageBytes)));
        return isSwept ? view.Slot.Entries.Count - next.Entries.Count : 0;
    }

    private static bool IsNamed(List<PageRun> runs, uint index)
    {
        // The last run that begins at or before the index; runs of different values have no page in common.
        var (low, high) = (0, runs.Count - 1);
        while (low <= high)
        {
            var middle = (low + high) / 2;
            if (runs[middle].Contains(index)) return true;
            if (runs[middle].First > index) high = middle - 1;
            else low = middle + 1;
        }

        return false;
    }
}
