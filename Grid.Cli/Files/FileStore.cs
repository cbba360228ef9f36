using System.IO.Hashing;
using Grid.Client;
using Microsoft.Win32.SafeHandles;

namespace Grid.Cli.Files;

/// <summary>
/// Copies one file at a time into its object: a block is read while the one before is on its way. Two blocks of memory,
/// used again for the next file.
/// </summary>
/// <param name="pool">The pool.</param>
/// <param name="tree">The pool's tree.</param>
/// <param name="counters">Where progress goes.</param>
internal sealed class FileStore(Pool pool, PoolTree tree, TransferCounters counters)
{
    private static readonly CallOptions Repeatable = new() { AtLeastOnce = true };
    private readonly byte[][] _buffers = [new byte[FileBlocks.BlockBytes], new byte[FileBlocks.BlockBytes]];
    private readonly WriteBatch[] _batches = [new(), new()];

    /// <summary>Stores a file.</summary>
    /// <param name="entry">What is known of it.</param>
    /// <param name="fullPath">Where it is.</param>
    /// <param name="run">The run that stores it.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    /// <returns>The entry with object, checksums and the size that was really read.</returns>
    /// <exception cref="CliException">It cannot be read, or the Grid refused it.</exception>
    public async Task<FileEntry> StoreAsync(FileEntry entry, string fullPath, ulong run, CancellationToken cancellation)
    {
        using var file = File.OpenHandle(fullPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, FileOptions.SequentialScan);
        var stored = entry with { Object = PoolTree.FileObject(entry.Path, run) };
        var whole = new XxHash128();
        var blocks = new List<ulong>();
        long size = 0;
        var writing = Task.CompletedTask;
        try
        {
            for (var length = FileBlocks.BlockBytes; length == FileBlocks.BlockBytes; size += length)
            {
                var turn = blocks.Count & 1;
                length = await ReadBlockAsync(file, _buffers[turn], size, cancellation);
                if (length == 0) break;
                if (size + length > FileBlocks.MaxFileBytes(pool.PageSizeBytes)) throw CliException.Failed($"{entry.Path}: longer than the {SizeText.Format(FileBlocks.MaxFileBytes(pool.PageSizeBytes))} of an object in pool '{pool.Name}'");
                whole.Append(_buffers[turn].AsSpan(0, length));
                blocks.Add(XxHash3.HashToUInt64(_buffers[turn].AsSpan(0, length)));
                await writing;
                writing = WriteBlockAsync(stored, blocks.Count - 1, length, turn, cancellation);
            }
        }
        finally
        {
            // The buffers are used again: whatever happened above, the last write must have let go of them.
            await writing;
        }

        counters.File();
        return stored with { SizeBytes = size, Checksum = whole.GetCurrentHashAsUInt128(), BlockChecksums = blocks };
    }

    private static async Task<int> ReadBlockAsync(SafeFileHandle file, Memory<byte> buffer, long offset, CancellationToken cancellation)
    {
        var filled = 0;
        while (filled < buffer.Length)
        {
            var read = await RandomAccess.ReadAsync(file, buffer[filled..], offset + filled, cancellation);
            if (read == 0) break;
            filled += read;
        }

        return filled;
    }

    private async Task WriteBlockAsync(FileEntry entry, long block, int length, int turn, CancellationToken cancellation)
    {
        var pages = (int)FileBlocks.PageCount(length, pool.PageSizeBytes);
        var padded = _buffers[turn].AsMemory(0, pages * pool.PageSizeBytes);
        padded.Span[length..].Clear();
        tree.Fill(_batches[turn], FileBlocks.FirstPage(block, pool.PageSizeBytes), padded);
        var result = await SendAsync(entry, _batches[turn], cancellation);
        if (result.Outcome != BatchOutcome.Applied)
            throw CliException.Refused($"{entry.Path} at offset {block * FileBlocks.BlockBytes} was {CliErrors.Refusal(result.Reason, pool.Name)}; what the pool held before is unchanged");
        counters.Block(length, pages);
    }

    private async Task<WriteBatchResult> SendAsync(FileEntry entry, WriteBatch batch, CancellationToken cancellation)
    {
        try
        {
            return await pool.WriteBatchAsync(entry.Object, batch, null, Repeatable, cancellation);
        }
        catch (GridException e) when (CliErrors.IsLost(e))
        {
            throw new CliException(ExitCodes.CannotConnect, $"lost the Grid while storing {entry.Path}: {e.Message.TrimEnd('.')}; what the pool held before is unchanged, the next store removes what this one wrote");
        }
    }
}
