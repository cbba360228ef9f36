using Grid.Protocol;

namespace Grid.Cli.Files;

/// <summary>What stands at a path.</summary>
internal enum EntryKind : byte
{
    /// <summary>A regular file, whose bytes are an object's pages.</summary>
    File = 0,

    /// <summary>A directory, empty or not.</summary>
    Directory = 1,

    /// <summary>A symbolic link, kept as a link.</summary>
    Link = 2,
}

/// <summary>One path of a stored tree.</summary>
/// <param name="Kind">What stands there.</param>
/// <param name="Path">Relative, parts separated by <c>/</c>.</param>
internal sealed record FileEntry(EntryKind Kind, string Path)
{
    /// <summary>Permissions, without set-user and set-group.</summary>
    public UnixFileMode Mode { get; init; }

    /// <summary>When it was last modified, UTC.</summary>
    public DateTime ModifiedUtc { get; init; }

    /// <summary>A file's bytes.</summary>
    public long SizeBytes { get; init; }

    /// <summary>The object that holds a file's pages: page i is its bytes from i × page size, the last one padded with zeros.</summary>
    public ObjectId Object { get; init; }

    /// <summary>XxHash3-128 of a file's bytes.</summary>
    public UInt128 Checksum { get; init; }

    /// <summary>XxHash3-64 of each <see cref="FileBlocks.BlockBytes"/> of a file, so that a wrong one can be named.</summary>
    public IReadOnlyList<ulong> BlockChecksums { get; init; } = [];

    /// <summary>Where a link points, as it is written.</summary>
    public string Target { get; init; } = "";
}
