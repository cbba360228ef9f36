using System.IO.Hashing;
using System.Security.Cryptography;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Files;

/// <summary>The manifest of a pool, read and switched.</summary>
/// <param name="pool">The pool.</param>
internal sealed class PoolTree(Pool pool)
{
    // Only this run writes these pages, and always the same bytes: sending them again does no harm.
    private static readonly CallOptions Repeatable = new() { AtLeastOnce = true };
    private static readonly uint[] SlotIndexes = [0, 1];

    private readonly int _pageSize = pool.PageSizeBytes;

    /// <summary>A manifest and what is needed to put another one in its place.</summary>
    /// <param name="Manifest">The tree; empty where the pool has none yet.</param>
    /// <param name="Header">Where it lies; null where the pool has none yet.</param>
    /// <param name="Version">The header object's version at that instant.</param>
    public sealed record Snapshot(Manifest Manifest, ManifestHeader? Header, ObjectVersion Version);

    /// <summary>A number for a run of store; never 0.</summary>
    public static ulong NewRun()
    {
        Span<byte> bytes = stackalloc byte[8];
        RandomNumberGenerator.Fill(bytes);
        return BitConverter.ToUInt64(bytes) | 1;
    }

    /// <summary>The object that a run stores a file in. Its own for every run, so that the manifest in force never sees half-written files.</summary>
    /// <param name="path">The file's path.</param>
    /// <param name="run">The run.</param>
    public static ObjectId FileObject(string path, ulong run)
    {
        var hash = XxHash128.HashToUInt128(System.Text.Encoding.UTF8.GetBytes(path));
        return new ObjectId((ulong)(hash >> 64), (ulong)hash, run);
    }

    /// <summary>Reads the manifest in force.</summary>
    /// <param name="cancellation">Ctrl-C.</param>
    /// <exception cref="ManifestException">It is damaged.</exception>
    public async Task<Snapshot> ReadAsync(CancellationToken cancellation)
    {
        for (var attempt = 0; ; attempt++)
        {
            var (header, version) = await ReadHeaderAsync(cancellation);
            if (header is not { } current) return new Snapshot(Manifest.Empty, null, version);
            if (await ReadBodyAsync(current, cancellation) is { } manifest) return new Snapshot(manifest, current, version);
            // A store that ended meanwhile removed this body; its header names the new one.
            if (attempt == 3 || (await ReadHeaderAsync(cancellation)).Header == current)
                throw CliException.Failed($"pages of the manifest of pool '{pool.Name}' are missing{(pool.Info.Options.Kind == PoolKind.Ephemeral ? " (the pool is ephemeral)" : "")}");
        }
    }

    /// <summary>The run whose manifest is in force; 0 where there is none.</summary>
    /// <param name="cancellation">Ctrl-C.</param>
    public async Task<ulong> CurrentRunAsync(CancellationToken cancellation) => (await ReadHeaderAsync(cancellation)).Header?.Run ?? 0;

    /// <summary>Writes a manifest's body where nobody looks yet.</summary>
    /// <param name="manifest">The manifest.</param>
    /// <param name="generation">The generation it will be.</param>
    /// <param name="run">The run.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    /// <exception cref="CliException">It was refused.</exception>
    public async Task<ManifestHeader> WriteBodyAsync(Manifest manifest, ulong generation, ulong run, CancellationToken cancellation)
    {
        var body = ManifestCodec.Encode(manifest);
        var header = new ManifestHeader(generation, run, body.Length, XxHash128.HashToUInt128(body));
        var padded = new byte[FileBlocks.PageCount(body.Length, _pageSize) * _pageSize];
        body.CopyTo(padded, 0);
        await WriteObjectAsync(header.BodyObject, padded, "the manifest", cancellation);
        return header;
    }

    /// <summary>Writes pages that only this run writes.</summary>
    /// <param name="obj">The object.</param>
    /// <param name="pages">Whole pages, from 0.</param>
    /// <param name="what">What it is, for the error.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    /// <exception cref="CliException">It was refused.</exception>
    public async Task WriteObjectAsync(ObjectId obj, ReadOnlyMemory<byte> pages, string what, CancellationToken cancellation)
    {
        var batch = new WriteBatch();
        for (var at = 0; at < pages.Length; at += FileBlocks.BlockBytes)
        {
            Fill(batch, (uint)(at / _pageSize), pages.Slice(at, Math.Min(FileBlocks.BlockBytes, pages.Length - at)));
            var result = await pool.WriteBatchAsync(obj, batch, null, Repeatable, cancellation);
            if (result.Outcome != BatchOutcome.Applied) throw CliException.Refused($"{what} was {CliErrors.Refusal(result.Reason, pool.Name)}");
        }
    }

    /// <summary>Puts a manifest in force, if the one it was made from still is.</summary>
    /// <param name="header">The new manifest.</param>
    /// <param name="basis">What it was made from; read after the store was entered in the log.</param>
    /// <param name="entered">The store, which leaves the log in the same instant.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    /// <returns>False where another store was faster or removed this one's objects.</returns>
    /// <exception cref="CliException">It was refused; the previous manifest is in force.</exception>
    public async Task<bool> SwitchAsync(ManifestHeader header, Snapshot basis, RunLog.Entered entered, CancellationToken cancellation)
    {
        var page = new byte[_pageSize];
        header.Write(page);
        try
        {
            // The condition covers the log as well: had somebody taken this store for interrupted, its objects might be gone.
            var batch = new WriteBatch().Put(header.Slot, page).Flush(entered.Slot);
            var result = await pool.WriteBatchAsync(ManifestHeader.HeaderObject, batch, basis.Version, null, cancellation);
            if (result.Outcome == BatchOutcome.Refused) throw CliException.Refused($"the manifest was {CliErrors.Refusal(result.Reason, pool.Name)}");
            return result.Outcome == BatchOutcome.Applied;
        }
        catch (GridException e) when (e.Outcome == CallOutcome.Unknown)
        {
            if ((await ReadHeaderAsync(cancellation)).Header == header) return true;
            throw;
        }
    }

    /// <summary>Fills a batch with consecutive pages.</summary>
    /// <param name="batch">The batch, emptied first.</param>
    /// <param name="firstPage">The first page's number.</param>
    /// <param name="pages">Whole pages.</param>
    public void Fill(WriteBatch batch, uint firstPage, ReadOnlyMemory<byte> pages)
    {
        batch.Clear();
        for (var at = 0; at < pages.Length; at += _pageSize) batch.Put(firstPage + (uint)(at / _pageSize), pages.Slice(at, _pageSize));
    }

    private async Task<(ManifestHeader? Header, ObjectVersion Version)> ReadHeaderAsync(CancellationToken cancellation)
    {
        var pages = new byte[ManifestHeader.Slots * _pageSize];
        var result = await pool.GetBatchAsync(ManifestHeader.HeaderObject, SlotIndexes, pages, GetMode.Keep, null, null, cancellation);
        ManifestHeader? newest = null;
        for (var slot = 0; slot < ManifestHeader.Slots; slot++)
        {
            if (!result.Hits[slot]) continue;
            var header = ManifestHeader.Read(pages.AsSpan(slot * _pageSize, _pageSize));
            if (newest == null || header.Generation > newest.Value.Generation) newest = header;
        }

        return (newest, result.Version);
    }

    private async Task<Manifest?> ReadBodyAsync(ManifestHeader header, CancellationToken cancellation)
    {
        var body = new byte[FileBlocks.PageCount(header.BodyBytes, _pageSize) * _pageSize];
        for (long block = 0; block < FileBlocks.BlockCount(body.Length); block++)
        {
            var at = (int)(block * FileBlocks.BlockBytes);
            var indexes = BlockReader.Indexes(block, (int)Math.Min(FileBlocks.BlockBytes, body.Length - at), _pageSize);
            var result = await pool.GetBatchAsync(header.BodyObject, indexes, body.AsMemory(at), GetMode.Keep, null, null, cancellation);
            if (result.Hits.Count != indexes.Length) return null;
        }

        var content = body.AsSpan(0, (int)header.BodyBytes);
        if (XxHash128.HashToUInt128(content) != header.BodyChecksum) throw new ManifestException($"the manifest of pool '{pool.Name}' has a wrong checksum");
        return ManifestCodec.Decode(content);
    }
}
