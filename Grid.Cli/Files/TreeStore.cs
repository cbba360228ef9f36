using System.Collections.Concurrent;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Files;

/// <summary>
/// Stores a tree: every file into an object of its own, then the manifest, then the header that puts it in force. Until that last page is written
/// readers see the previous tree; afterwards what the new one replaced is flushed.
/// </summary>
/// <param name="pool">The pool.</param>
/// <param name="parallel">Files at a time.</param>
/// <param name="counters">Where progress goes.</param>
internal sealed class TreeStore(Pool pool, int parallel, TransferCounters counters)
{
    private const int SwitchAttempts = 10;
    private readonly PoolTree _tree = new(pool);
    private readonly RunLog _log = new(pool);

    /// <summary>Whether objects that no manifest names could not be removed; the next store tries again.</summary>
    public bool Leftovers { get; private set; }

    /// <summary>Stores a tree.</summary>
    /// <param name="local">The tree.</param>
    /// <param name="replace">Whether paths that the pool holds and the tree does not are dropped rather than kept.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    /// <returns>The tree that is in force now.</returns>
    public async Task<Manifest> StoreAsync(LocalTree local, bool replace, CancellationToken cancellation)
    {
        foreach (var interrupted in await _log.InterruptedAsync(cancellation)) await RemoveAsync(interrupted, await _log.PlannedAsync(interrupted.Record, cancellation));
        var run = PoolTree.NewRun();
        ObjectId[] objects = [ManifestHeader.BodyObjectOf(run), .. local.Entries.Where(item => item.Entry.Kind == EntryKind.File).Select(item => PoolTree.FileObject(item.Entry.Path, run))];
        var entered = await _log.EnterAsync(run, objects, cancellation);
        try
        {
            // Read first: a damaged manifest is found before an hour's upload, not after it.
            var basis = await _tree.ReadAsync(cancellation);
            var stored = Manifest.Of(await StoreFilesAsync(local, run, cancellation));
            return await SwitchAsync(stored, basis, entered, replace, cancellation);
        }
        catch (Exception e)
        {
            if (!CliErrors.IsLost(e)) await RemoveAsync(entered, objects);
            throw;
        }
    }

    private async Task<IReadOnlyList<FileEntry>> StoreFilesAsync(LocalTree local, ulong run, CancellationToken cancellation)
    {
        var entries = new FileEntry[local.Entries.Count];
        var files = new List<int>();
        for (var i = 0; i < entries.Length; i++)
        {
            entries[i] = local.Entries[i].Entry;
            if (entries[i].Kind == EntryKind.File) files.Add(i);
        }

        var copiers = new ConcurrentBag<FileStore>();
        await Parallelism.ForEachAsync(files, parallel, async (i, token) =>
        {
            if (!copiers.TryTake(out var copier)) copier = new FileStore(pool, _tree, counters);
            entries[i] = await copier.StoreAsync(entries[i], local.Entries[i].FullPath, run, token);
            copiers.Add(copier);
        }, cancellation);
        return entries;
    }

    private async Task<Manifest> SwitchAsync(Manifest stored, PoolTree.Snapshot basis, RunLog.Entered entered, bool replace, CancellationToken cancellation)
    {
        for (var attempt = 0; attempt < SwitchAttempts; attempt++)
        {
            if (attempt > 0)
            {
                basis = await _tree.ReadAsync(cancellation);
                if (!await _log.IsThereAsync(entered, cancellation)) throw CliException.Failed("another store took this one for interrupted and removed its files; store again");
            }

            var next = replace ? stored : basis.Manifest.Merge(stored);
            // An earlier attempt's body may have been longer; what stands past the end is never read.
            var header = await _tree.WriteBodyAsync(next, (basis.Header?.Generation ?? 0) + 1, entered.Record.Run, cancellation);
            if (!await _tree.SwitchAsync(header, basis, entered, cancellation)) continue;
            await DropAsync(Replaced(basis, next).Append(entered.Record.PlanObject));
            return next;
        }

        throw CliException.Failed($"other stores into pool '{pool.Name}' were faster {SwitchAttempts} times; try again");
    }

    private static IEnumerable<ObjectId> Replaced(PoolTree.Snapshot basis, Manifest next)
    {
        var kept = next.Files.Select(entry => entry.Object).ToHashSet();
        var gone = basis.Manifest.Files.Where(entry => entry.SizeBytes > 0 && !kept.Contains(entry.Object)).Select(entry => entry.Object);
        return basis.Header is { } header ? gone.Append(header.BodyObject) : gone;
    }

    /// <summary>Removes what a store wrote, unless it is in force after all, then its entry in the log.</summary>
    private async Task RemoveAsync(RunLog.Entered entered, IEnumerable<ObjectId> objects)
    {
        await TryAsync(async token =>
        {
            // From here on its switch cannot take effect any more; whether it did is seen in the manifest.
            await _log.CloseAsync(entered, token);
            var current = await _tree.ReadAsync(token);
            var inForce = current.Manifest.Files.Select(entry => entry.Object).Append(current.Header?.BodyObject ?? default).ToHashSet();
            if (await DropAsync(objects.Where(obj => !inForce.Contains(obj)))) await _log.LeaveAsync(entered, token);
        });
    }

    /// <summary>Frees objects that no manifest names.</summary>
    private Task<bool> DropAsync(IEnumerable<ObjectId> objects) =>
        TryAsync(token => Parallelism.ForEachAsync(objects, parallel, async (obj, inner) => await pool.FlushObjectAsync(obj, new CallOptions { AtLeastOnce = true }, inner), token));

    /// <summary>Where cleaning fails, objects take room until the next store; that is no reason to fail this one.</summary>
    private async Task<bool> TryAsync(Func<CancellationToken, Task> clean)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        try
        {
            await clean(limit.Token);
            return true;
        }
        catch (Exception e) when (e is GridException or CliException or ManifestException or OperationCanceledException)
        {
            Leftovers = true;
            return false;
        }
    }
}
