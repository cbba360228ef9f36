using System.Globalization;

namespace Grid.Tests.Chaos.Bed;

/// <summary>A control group of one process, whose memory can be limited; version 1 or 2, whichever the machine has. When it is disposed the process is where it was, without a limit.</summary>
internal sealed class MemoryGroup : IDisposable
{
    private const string Version1 = "/sys/fs/cgroup/memory";
    private const string Version2 = "/sys/fs/cgroup";
    private readonly string _parent = Directory.Exists(Version1) ? Version1 : Version2;
    private readonly string _group;

    /// <summary>Puts the process into a group of its own.</summary>
    public MemoryGroup(int pid)
    {
        _group = Directory.CreateDirectory(Path.Combine(_parent, string.Create(CultureInfo.InvariantCulture, $"grid-chaos-{pid}"))).FullName;
        Move(pid, _group);
    }

    /// <summary>From now on the process may take so much beside what it has: that stays with the group it was taken in.</summary>
    public void Limit(long bytes) =>
        File.WriteAllText(Path.Combine(_group, _parent == Version1 ? "memory.limit_in_bytes" : "memory.max"), bytes.ToString(CultureInfo.InvariantCulture));

    public void Dispose()
    {
        foreach (var pid in File.ReadAllLines(Path.Combine(_group, "cgroup.procs"))) Move(int.Parse(pid, CultureInfo.InvariantCulture), _parent);
        Directory.Delete(_group);
    }

    private static void Move(int pid, string group)
    {
        try
        {
            File.WriteAllText(Path.Combine(group, "cgroup.procs"), pid.ToString(CultureInfo.InvariantCulture));
        }
        catch (IOException) when (!Directory.Exists($"/proc/{pid}"))
        {
            // It has ended.
        }
    }
}
