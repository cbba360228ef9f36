using Grid.Protocol;

namespace Grid.Cli.Files;

/// <summary>How a file is cut: into blocks of as many pages as one batch holds, at every page size 1 MiB.</summary>
internal static class FileBlocks
{
    /// <summary>Bytes of a block; the last of a file may be shorter.</summary>
    public const int BlockBytes = ProtocolLimits.MaxBatchBytes;

    /// <summary>Blocks of a file.</summary>
    /// <param name="sizeBytes">The file's size.</param>
    public static long BlockCount(long sizeBytes) => (sizeBytes + BlockBytes - 1) / BlockBytes;

    /// <summary>Pages of a file, or of a part that begins at a page.</summary>
    /// <param name="sizeBytes">Bytes.</param>
    /// <param name="pageSizeBytes">Bytes of a page.</param>
    public static long PageCount(long sizeBytes, int pageSizeBytes) => (sizeBytes + pageSizeBytes - 1) / pageSizeBytes;

    /// <summary>The largest file that one object holds.</summary>
    /// <param name="pageSizeBytes">Bytes of a page.</param>
    public static long MaxFileBytes(int pageSizeBytes) => ((long)uint.MaxValue + 1) * pageSizeBytes;

    /// <summary>The page a block begins with.</summary>
    /// <param name="block">The block's number.</param>
    /// <param name="pageSizeBytes">Bytes of a page.</param>
    public static uint FirstPage(long block, int pageSizeBytes) => checked((uint)(block * (BlockBytes / pageSizeBytes)));
}
