using System.IO.Hashing;
using Grid.Client;

namespace Grid.Cli.Files;

/// <summary>Reads a file's blocks out of a pool and checks each.</summary>
/// <param name="pool">The pool.</param>
internal sealed class BlockReader(Pool pool)
{
    /// <summary>The pages of a block.</summary>
    /// <param name="block">The block's number.</param>
    /// <param name="lengthBytes">The block's bytes.</param>
    /// <param name="pageSizeBytes">Bytes of a page.</param>
    public static uint[] Indexes(long block, int lengthBytes, int pageSizeBytes)
    {
        var first = FileBlocks.FirstPage(block, pageSizeBytes);
        var indexes = new uint[FileBlocks.PageCount(lengthBytes, pageSizeBytes)];
        for (var i = 0; i < indexes.Length; i++) indexes[i] = first + (uint)i;
        return indexes;
    }

    /// <summary>Reads a block.</summary>
    /// <param name="entry">The file.</param>
    /// <param name="block">The block's number.</param>
    /// <param name="buffer">A block's room.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    /// <returns>The block's bytes and how many pages they came in.</returns>
    /// <exception cref="CliException">A page is missing, or the checksum is wrong.</exception>
    public async Task<(ReadOnlyMemory<byte> Bytes, int Pages)> ReadAsync(FileEntry entry, long block, Memory<byte> buffer, CancellationToken cancellation)
    {
        var offset = block * FileBlocks.BlockBytes;
        var length = (int)Math.Min(FileBlocks.BlockBytes, entry.SizeBytes - offset);
        var indexes = Indexes(block, length, pool.PageSizeBytes);
        var result = await pool.GetBatchAsync(entry.Object, indexes, buffer[..(indexes.Length * pool.PageSizeBytes)], GetMode.Keep, null, null, cancellation);
        for (var i = 0; i < indexes.Length; i++)
            if (!result.Hits[i])
                throw new MissingPageException(entry.Path, offset + ((long)i * pool.PageSizeBytes));
        var bytes = buffer[..length];
        if (XxHash3.HashToUInt64(bytes.Span) != entry.BlockChecksums[(int)block])
            throw CliException.Checksum($"{entry.Path}: wrong checksum in the {length} bytes from offset {offset}");
        return (bytes, indexes.Length);
    }
}

/// <summary>A page of a file is not there.</summary>
/// <param name="path">The file.</param>
/// <param name="offset">Where in the file.</param>
internal sealed class MissingPageException(string path, long offset) : Exception($"{path}: the page at offset {offset} is missing");
