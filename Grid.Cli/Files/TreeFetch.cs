using System.Collections.Concurrent;
using System.IO.Hashing;
using Grid.Client;
using Microsoft.Win32.SafeHandles;

namespace Grid.Cli.Files;

/// <summary>
/// Writes a pool's tree into a directory. A file appears under its name only when all of its bytes are there and have the checksum they were stored with.
/// </summary>
/// <param name="pool">The pool.</param>
/// <param name="target">The directory.</param>
/// <param name="parallel">Files at a time.</param>
/// <param name="counters">Where progress goes.</param>
internal sealed class TreeFetch(Pool pool, string target, int parallel, TransferCounters counters)
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private readonly string _target = Path.GetFullPath(target);
    private readonly BlockReader _reader = new(pool);
    private readonly ConcurrentBag<byte[][]> _buffers = [];

    /// <summary>Fetches a tree.</summary>
    /// <param name="manifest">The tree.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    /// <exception cref="CliException">A page is missing or wrong, or a path cannot be written.</exception>
    public async Task FetchAsync(Manifest manifest, CancellationToken cancellation)
    {
        Directory.CreateDirectory(_target);
        // The manifest orders a directory before what lies in it. Final modes and times come last: a read-only directory takes no files, and each file changes its time.
        var directories = manifest.Entries.Where(entry => entry.Kind == EntryKind.Directory).ToArray();
        foreach (var entry in directories) MakeDirectory(entry);
        await Parallelism.ForEachAsync(manifest.Files, parallel, (entry, token) => new ValueTask(FetchFileAsync(entry, token)), cancellation);
        foreach (var entry in manifest.Entries.Where(entry => entry.Kind == EntryKind.Link)) MakeLink(entry);
        foreach (var entry in directories.Reverse())
        {
            var directory = new DirectoryInfo(FullPath(entry)) { LastWriteTimeUtc = entry.ModifiedUtc };
            directory.UnixFileMode = entry.Mode;
        }
    }

    private string FullPath(FileEntry entry) => Path.Combine(_target, entry.Path);

    private void MakeDirectory(FileEntry entry)
    {
        var directory = new DirectoryInfo(FullPath(entry));
        // Following a link that stands here would write outside of the target.
        if (directory.LinkTarget != null) throw CliException.Failed($"{directory.FullName} is a link where a directory is to be; it is not followed");
        if (directory.Exists) directory.UnixFileMode |= Private;
        else Directory.CreateDirectory(directory.FullName, Private);
    }

    private void MakeLink(FileEntry entry)
    {
        var path = FullPath(entry);
        var temporary = TemporaryOf(path);
        File.CreateSymbolicLink(temporary, entry.Target);
        Replace(temporary, path);
    }

    private async Task FetchFileAsync(FileEntry entry, CancellationToken cancellation)
    {
        var path = FullPath(entry);
        var temporary = TemporaryOf(path);
        if (!_buffers.TryTake(out var buffers)) buffers = [new byte[FileBlocks.BlockBytes], new byte[FileBlocks.BlockBytes]];
        try
        {
            using (var file = File.OpenHandle(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None))
            {
                await CopyAsync(entry, file, buffers, cancellation);
                File.SetLastWriteTimeUtc(file, entry.ModifiedUtc);
                File.SetUnixFileMode(file, entry.Mode);
            }

            Replace(temporary, path);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }

        _buffers.Add(buffers);
        counters.File();
    }

    private async Task CopyAsync(FileEntry entry, SafeFileHandle file, byte[][] buffers, CancellationToken cancellation)
    {
        var whole = new XxHash128();
        var count = FileBlocks.BlockCount(entry.SizeBytes);
        var next = count > 0 ? _reader.ReadAsync(entry, 0, buffers[0], cancellation) : null;
        for (long block = 0; next != null; block++)
        {
            var (bytes, pages) = await next;
            next = block + 1 < count ? _reader.ReadAsync(entry, block + 1, buffers[(block + 1) & 1], cancellation) : null;
            try
            {
                whole.Append(bytes.Span);
                await RandomAccess.WriteAsync(file, bytes, block * FileBlocks.BlockBytes, cancellation);
            }
            catch when (next != null)
            {
                // The buffer it reads into must not be used again before it is done; what went wrong first is what counts.
                await next.ContinueWith(static _ => { }, CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
                throw;
            }

            counters.Block(bytes.Length, pages);
        }

        if (whole.GetCurrentHashAsUInt128() != entry.Checksum) throw CliException.Checksum($"{entry.Path}: wrong checksum over its {entry.SizeBytes} bytes from offset 0");
    }

    private static string TemporaryOf(string path) => Path.Combine(Path.GetDirectoryName(path)!, $".grid-{Guid.NewGuid():n}.part");

    private static void Replace(string temporary, string path)
    {
        try
        {
            // Never takes a directory's place: that is an error.
            UnixFiles.Rename(temporary, path);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }
}
