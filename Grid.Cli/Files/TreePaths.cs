namespace Grid.Cli.Files;

/// <summary>Which paths a tree may have: what a manifest says is not trusted to stay inside the directory it is fetched to.</summary>
internal static class TreePaths
{
    /// <summary>What is wrong with a path, or null when nothing is: relative, of parts that are neither empty nor <c>.</c> nor <c>..</c>, without NUL.</summary>
    /// <param name="path">The path.</param>
    public static string? Check(string path)
    {
        if (path.Length == 0) return "an empty path";
        if (path.Contains('\0')) return "a path with a NUL";
        if (path[0] == '/') return $"the absolute path '{path}'";
        foreach (var part in path.AsSpan().Split('/'))
        {
            if (path.AsSpan(part) is "" or ".") return $"the path '{path}' with an empty part";
            if (path.AsSpan(part) is "..") return $"the path '{path}', which leaves the tree";
        }

        return null;
    }

    /// <summary>
    /// What is wrong with a tree, or null when nothing is: paths are well-formed and unique, and everything that another entry lies under
    /// is a directory of the tree, so that no link in it leads a later entry elsewhere.
    /// </summary>
    /// <param name="entries">The tree.</param>
    public static string? Check(IReadOnlyList<FileEntry> entries)
    {
        var kinds = new Dictionary<string, EntryKind>(entries.Count, StringComparer.Ordinal);
        foreach (var entry in entries)
        {
            if (Check(entry.Path) is { } wrong) return wrong;
            if (!kinds.TryAdd(entry.Path, entry.Kind)) return $"the path '{entry.Path}' twice";
        }

        foreach (var entry in entries)
        {
            if (Parent(entry.Path) is not { } parent) continue;
            if (!kinds.TryGetValue(parent, out var kind)) return $"'{entry.Path}' without its directory";
            if (kind != EntryKind.Directory) return $"'{entry.Path}' under '{parent}', which is no directory";
        }

        return null;
    }

    /// <summary>The path of the directory that holds it; null at the top.</summary>
    /// <param name="path">The path.</param>
    public static string? Parent(string path)
    {
        var slash = path.LastIndexOf('/');
        return slash < 0 ? null : path[..slash];
    }
}
