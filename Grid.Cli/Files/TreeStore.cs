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
    private readonly ConcurrentBag<ObjectId> _written = [];

    /// <summary>Stores a tree.</summary>
    /// <param name="local">The tree.</param>
    /// <param name="replace">Whether paths that the pool holds and the tree does not are dropped rather than kept.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    /// <returns>The tree that is in force now.</returns>
    public async Task<Manifest> StoreAsync(LocalTree local, bool replace, CancellationToken cancellation)
    {
        var run = PoolTree.NewRun();
        try
        {
            // Read first: a damaged manifest is found before an hour's upload, not after it.
            var basis = await _tree.ReadAsync(cancellation);
            var stored = Manifest.Of(await StoreFilesAsync(local, run, cancellation));
            return await SwitchAsync(stored, basis, run, replace, cancellation);
        }
        catch (Exception e) when (e is not GridException { Outcome: CallOutcome.Unknown })
        {
            // Where the outcome of the last page is unknown these objects may be in force.
            await DropAsync(_written.Append(ManifestHeader.BodyObjectOf(run)));
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
            _written.Add(PoolTree.FileObject(entries[i].Path, run));
            entries[i] = await copier.StoreAsync(entries[i], local.Entries[i].FullPath, run, token);
            copiers.Add(copier);
        }, cancellation);
        return entries;
    }

    private async Task<Manifest> SwitchAsync(Manifest stored, PoolTree.Snapshot basis, ulong run, bool replace, CancellationToken cancellation)
    {
        for (var attempt = 0; attempt < SwitchAttempts; attempt++)
        {
            if (attempt > 0) basis = await _tree.ReadAsync(cancellation);
            var next = replace ? stored : basis.Manifest.Merge(stored);
            // An earlier attempt's body may have been longer; what stands past the end is never read.
            var header = await _tree.WriteBodyAsync(next, (basis.Header?.Generation ?? 0) + 1, run, cancellation);
            if (!await _tree.SwitchAsync(header, basis, cancellation)) continue;
            await DropAsync(Replaced(basis, next));
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

    /// <summary>Frees objects that no manifest names. Where that fails they take room until the pool is destroyed, which is no reason to fail a store.</summary>
    private async Task DropAsync(IEnumerable<ObjectId> objects)
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        try
        {
            await Parallelism.ForEachAsync(objects, parallel, async (obj, token) => await pool.FlushObjectAsync(obj, new CallOptions { AtLeastOnce = true }, token), limit.Token);
        }
        catch (Exception e) when (e is GridException or OperationCanceledException)
        {
            Leftovers = true;
        }
    }

    /// <summary>Whether objects that no manifest names could not be removed.</summary>
    public bool Leftovers { get; private set; }
}
