namespace Grid.Cli.Files;

/// <summary>The tree that a pool keeps: entries ordered by path, ordinally.</summary>
internal sealed class Manifest
{
    private Manifest(IReadOnlyList<FileEntry> entries) => Entries = entries;

    /// <summary>A tree without anything.</summary>
    public static Manifest Empty { get; } = new([]);

    /// <summary>The entries, ordered by path; a directory stands before what lies in it.</summary>
    public IReadOnlyList<FileEntry> Entries { get; }

    /// <summary>Files among the entries.</summary>
    public IEnumerable<FileEntry> Files => Entries.Where(entry => entry.Kind == EntryKind.File);

    /// <summary>Bytes of the files.</summary>
    public long FileBytes => Files.Sum(entry => entry.SizeBytes);

    /// <summary>Makes a tree of entries.</summary>
    /// <param name="entries">The entries, in any order.</param>
    /// <exception cref="ManifestException">They make no tree.</exception>
    public static Manifest Of(IEnumerable<FileEntry> entries)
    {
        var ordered = entries.OrderBy(entry => entry.Path, StringComparer.Ordinal).ToArray();
        if (TreePaths.Check(ordered) is { } wrong) throw new ManifestException($"the manifest holds {wrong}");
        return new Manifest(ordered);
    }

    /// <summary>
    /// This tree with another one laid over it: the other's entry wins at the same path, what stood at or under a path of the other that is no
    /// directory goes, everything else stays.
    /// </summary>
    /// <param name="over">The other tree.</param>
    public Manifest Merge(Manifest over)
    {
        var merged = over.Entries.ToDictionary(entry => entry.Path, StringComparer.Ordinal);
        foreach (var entry in Entries)
            if (!merged.ContainsKey(entry.Path) && !LiesUnderNonDirectory(entry.Path, over, merged))
                merged.Add(entry.Path, entry);
        return Of(merged.Values);
    }

    private static bool LiesUnderNonDirectory(string path, Manifest over, Dictionary<string, FileEntry> merged)
    {
        if (over.Entries.Count == 0) return false;
        for (var parent = TreePaths.Parent(path); parent != null; parent = TreePaths.Parent(parent))
            if (merged.TryGetValue(parent, out var entry) && entry.Kind != EntryKind.Directory)
                return true;
        return false;
    }
}

/// <summary>A manifest that makes no sense; the text says what.</summary>
/// <param name="message">What is wrong.</param>
internal sealed class ManifestException(string message) : Exception(message);
