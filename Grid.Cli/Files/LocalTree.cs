namespace Grid.Cli.Files;

/// <summary>A file tree on this machine, walked before it is stored.</summary>
/// <param name="Entries">What is there, without objects and checksums, and the full path of each.</param>
/// <param name="Skipped">What is neither file, directory nor link: sockets, pipes, devices.</param>
internal sealed record LocalTree(IReadOnlyList<(FileEntry Entry, string FullPath)> Entries, IReadOnlyList<string> Skipped)
{
    private const UnixFileMode KeptModes = (UnixFileMode)0x1FF | UnixFileMode.StickyBit;

    /// <summary>Walks a directory, or takes a single file under its name.</summary>
    /// <param name="path">The directory or file; a link at this place is followed.</param>
    /// <exception cref="CliException">There is nothing, or nothing that can be stored.</exception>
    public static LocalTree Walk(string path)
    {
        var entries = new List<(FileEntry, string)>();
        var skipped = new List<string>();
        if (Directory.Exists(path))
        {
            Add(new DirectoryInfo(Path.GetFullPath(path)), "", entries, skipped);
        }
        else if (File.Exists(path))
        {
            var file = new FileInfo(Path.GetFullPath(path));
            if (UnixFiles.IsSpecial(file.FullName)) throw CliException.Failed($"{path} is neither a file nor a directory");
            entries.Add((EntryOf(file, EntryKind.File, file.Name), file.FullName));
        }
        else
        {
            throw CliException.Failed($"{path}: no such file or directory");
        }

        return new LocalTree(entries, skipped);
    }

    private static void Add(DirectoryInfo directory, string prefix, List<(FileEntry, string)> entries, List<string> skipped)
    {
        foreach (var info in directory.EnumerateFileSystemInfos().OrderBy(info => info.Name, StringComparer.Ordinal))
        {
            // .NET shows a name that is not UTF-8 with replacement characters; it could not be opened, and not be restored as it was.
            if (info.Name.Contains('\uFFFD')) throw CliException.Failed($"{info.FullName}: the name is not UTF-8 and cannot be stored");
            var path = prefix + info.Name;
            if (info.LinkTarget is { } target)
            {
                entries.Add((new FileEntry(EntryKind.Link, path) { ModifiedUtc = info.LastWriteTimeUtc, Mode = KeptModes, Target = target }, info.FullName));
            }
            else if (info is DirectoryInfo child)
            {
                entries.Add((EntryOf(child, EntryKind.Directory, path), child.FullName));
                Add(child, $"{path}/", entries, skipped);
            }
            else if (UnixFiles.IsSpecial(info.FullName))
            {
                skipped.Add(info.FullName);
            }
            else
            {
                entries.Add((EntryOf(info, EntryKind.File, path) with { SizeBytes = ((FileInfo)info).Length }, info.FullName));
            }
        }
    }

    private static FileEntry EntryOf(FileSystemInfo info, EntryKind kind, string path) => new(kind, path)
    {
        Mode = info.UnixFileMode & KeptModes,
        ModifiedUtc = info.LastWriteTimeUtc,
        SizeBytes = kind == EntryKind.File ? ((FileInfo)info).Length : 0,
    };
}
