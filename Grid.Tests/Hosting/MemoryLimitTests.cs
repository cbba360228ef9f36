using Grid.Node.Hosting;
using Xunit;

namespace Grid.Tests.Hosting;

public sealed class MemoryLimitTests
{
    private const long Gibibyte = 1L << 30;

    [Theory]
    [InlineData("50%", 4 * Gibibyte)]
    [InlineData("12.5%", Gibibyte)]
    [InlineData("100%", 8 * Gibibyte)]
    [InlineData("1GiB", Gibibyte)]
    [InlineData("1.5 GiB", 3 * Gibibyte / 2)]
    [InlineData("512mib", Gibibyte / 2)]
    [InlineData("1073741824", Gibibyte)]
    [InlineData("1073741824B", Gibibyte)]
    public void A_limit_is_a_share_of_what_there_is_or_a_size(string text, long bytes)
    {
        Assert.Equal(bytes, MemoryLimit.Parse(text, 8 * Gibibyte));
    }

    [Theory]
    [InlineData("")]
    [InlineData("%")]
    [InlineData("-5%")]
    [InlineData("GiB")]
    [InlineData("1GB")]
    [InlineData("1 2GiB")]
    [InlineData("1e3")]
    public void Anything_else_is_no_limit(string text)
    {
        Assert.Null(MemoryLimit.Parse(text, 8 * Gibibyte));
    }

    [Fact]
    public void Without_a_cgroup_limit_it_is_the_machines_memory()
    {
        using var root = Machine("0::/user.slice\n");
        root.Write("sys/fs/cgroup/user.slice/memory.max", "max\n");
        Assert.Equal(16 * Gibibyte, MemoryLimit.AvailableBytes(root.FullPath));
    }

    [Fact]
    public void The_least_limit_of_a_cgroup_and_its_ancestors_holds()
    {
        using var root = Machine("0::/a/b/c\n");
        root.Write("sys/fs/cgroup/a/b/c/memory.max", "max\n");
        root.Write("sys/fs/cgroup/a/b/memory.max", $"{2 * Gibibyte}\n");
        root.Write("sys/fs/cgroup/a/memory.max", $"{4 * Gibibyte}\n");
        Assert.Equal(2 * Gibibyte, MemoryLimit.AvailableBytes(root.FullPath));
    }

    [Fact]
    public void In_a_container_that_sees_only_its_own_cgroup_the_mounts_root_holds()
    {
        using var root = Machine("0::/kubepods/pod7/x\n");
        root.Write("sys/fs/cgroup/memory.max", $"{Gibibyte}\n");
        Assert.Equal(Gibibyte, MemoryLimit.AvailableBytes(root.FullPath));
    }

    [Fact]
    public void Version_one_cgroups_count_too()
    {
        using var root = Machine("12:cpu,cpuacct:/docker/x\n9:memory:/docker/x\n0::/docker/x\n");
        root.Write("sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", $"{3 * Gibibyte}\n");
        root.Write("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        Assert.Equal(3 * Gibibyte, MemoryLimit.AvailableBytes(root.FullPath));
    }

    private static TempDirectory Machine(string cgroup)
    {
        var root = new TempDirectory();
        root.Write("proc/meminfo", $"MemTotal:       {16 * Gibibyte / 1024} kB\nMemFree: 1 kB\n");
        root.Write("proc/self/cgroup", cgroup);
        return root;
    }
}
