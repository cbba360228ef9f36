using System.Globalization;

namespace Grid.Node.Hosting;

/// <summary>How much memory there is for this process, and what a limit means in bytes.</summary>
internal static class MemoryLimit
{
    /// <summary>The least a node can work with.</summary>
    public const long MinBytes = 64L << 20;

    /// <summary>Reads a limit: "50%" of what there is, or a size. Null: the text is neither.</summary>
    /// <param name="text">The setting.</param>
    /// <param name="availableBytes">What there is.</param>
    public static long? Parse(string text, long availableBytes)
    {
        if (!text.EndsWith('%')) return SettingReader.TryBytes(text, out var bytes) ? bytes : null;
        if (!decimal.TryParse(text.AsSpan(0, text.Length - 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var percent)) return null;
        return percent is > 0 and <= 100 ? (long)(availableBytes * percent / 100) : null;
    }

    /// <summary>The machine's memory or the process's cgroup limit (v2, or v1), whichever is least.</summary>
    /// <param name="root">The root of the file system; another one in tests.</param>
    public static long AvailableBytes(string root = "/")
    {
        return CgroupLimits(root).Append(MachineBytes(root)).Min();
    }

    private static long MachineBytes(string root)
    {
        var line = Lines(Path.Combine(root, "proc/meminfo")).FirstOrDefault(text => text.StartsWith("MemTotal:", StringComparison.Ordinal));
        if (line?.Split(' ', StringSplitOptions.RemoveEmptyEntries) is [_, var kilobytes, ..] && long.TryParse(kilobytes, out var number)) return number << 10;
        return GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
    }

    private static IEnumerable<long> CgroupLimits(string root)
    {
        foreach (var line in Lines(Path.Combine(root, "proc/self/cgroup")))
        {
            // "hierarchy:controllers:path"; version 2 is hierarchy 0 without controllers.
            if (line.Split(':', 3) is not [var hierarchy, var controllers, var path]) continue;
            var (mount, file) = (hierarchy, controllers) switch
            {
                ("0", "") => ("sys/fs/cgroup", "memory.max"),
                _ when controllers.Split(',').Contains("memory") => ("sys/fs/cgroup/memory", "memory.limit_in_bytes"),
                _ => ("", ""),
            };
            if (file.Length == 0) continue;
            // A limit on any ancestor holds too. Inside a container the path may be the host's: then only the mount's root exists.
            for (var group = path.Trim('/'); ; group = Path.GetDirectoryName(group) ?? "")
            {
                var text = Lines(Path.Combine(root, mount, group, file)).FirstOrDefault();
                if (long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var limit) && limit > 0) yield return limit;
                if (group.Length == 0) break;
            }
        }
    }

    private static string[] Lines(string path)
    {
        try
        {
            return File.Exists(path) ? File.ReadAllLines(path) : [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // A limit that this process may not read does not tell it anything; the machine's memory remains.
            return [];
        }
    }
}
