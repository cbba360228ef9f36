using Grid.Tests.Harness;

namespace Grid.Tests.Cli;

/// <summary>A file tree with everything that a store must keep.</summary>
internal static class SampleTree
{
    private static readonly DateTime Time = new(2021, 3, 4, 5, 6, 7, DateTimeKind.Utc);

    /// <summary>Makes it.</summary>
    public static void Make(string directory)
    {
        Directory.CreateDirectory(Path.Combine(directory, "sub", "deeper"));
        Directory.CreateDirectory(Path.Combine(directory, "empty"));
        foreach (var (name, length) in new[] { ("zero", 0), ("one", 1), ("page", 4096), ("page+1", 4097), ("block", 1 << 20), ("sub/block+1", (1 << 20) + 1), ("sub/deeper/blocks", (5 << 20) - 77), ("ü ñ", 10) })
        {
            var path = Path.Combine(directory, name);
            File.WriteAllBytes(path, Bytes(length));
            File.SetLastWriteTimeUtc(path, Time.AddSeconds(length));
        }

        File.SetUnixFileMode(Path.Combine(directory, "one"), UnixFileMode.UserRead);
        File.SetUnixFileMode(Path.Combine(directory, "page"), (UnixFileMode)0x1FD);
        File.CreateSymbolicLink(Path.Combine(directory, "link"), "sub/block+1");
        File.CreateSymbolicLink(Path.Combine(directory, "sub", "dangling"), "../no/such");
        File.CreateSymbolicLink(Path.Combine(directory, "directory-link"), "sub");
        File.SetUnixFileMode(Path.Combine(directory, "sub", "deeper"), UnixFileMode.UserRead | UnixFileMode.UserExecute);
        foreach (var name in new[] { "sub/deeper", "sub", "empty" }) Directory.SetLastWriteTimeUtc(Path.Combine(directory, name), Time);
    }

    /// <summary>A line for everything in a tree: path, kind, mode, time, size and content.</summary>
    public static IReadOnlyList<string> Describe(string directory)
    {
        var lines = new List<string>();
        Describe(new DirectoryInfo(directory), "", lines);
        return lines;
    }

    private static void Describe(DirectoryInfo directory, string prefix, List<string> lines)
    {
        foreach (var info in directory.EnumerateFileSystemInfos().OrderBy(info => info.Name, StringComparer.Ordinal))
        {
            var path = prefix + info.Name;
            if (info.LinkTarget is { } target)
            {
                lines.Add($"link {path} -> {target}");
                continue;
            }

            var content = info is FileInfo file ? Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(file.FullName))) : "";
            lines.Add($"{info.GetType().Name} {path} {info.UnixFileMode} {info.LastWriteTimeUtc:O} {content}");
            if (info is DirectoryInfo child) Describe(child, $"{path}/", lines);
        }
    }

    private static byte[] Bytes(int length)
    {
        var bytes = new byte[length];
        new Random(length).NextBytes(bytes);
        return bytes;
    }
}
