using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using Grid.Tests.Harness;
using Grid.Tests.Hosting;

namespace Grid.Tests.Chaos.Bed;

/// <summary>
/// Wall clocks of nodes that can be set while they run, by a small library that is compiled here and preloaded. The monotonic clock, by which nodes measure how much time has passed, stays right: that is
/// what a clock that somebody sets looks like to a process.
/// </summary>
internal sealed class NodeClocks
{
    private readonly string _folder;

    private NodeClocks(string folder) => _folder = folder;

    private string Library => Path.Combine(_folder, "wall-clock.so");

    /// <summary>Compiles the library; the clocks of so many nodes are right.</summary>
    public static async Task<NodeClocks> CreateAsync(string folder, int nodes)
    {
        var clocks = new NodeClocks(folder);
        var source = Path.Combine(Repository.Root, "Grid.Tests", "Chaos", "Bed", "wall-clock.c");
        await PostgresTools.RunAsync(new ProcessStartInfo("gcc", ["-shared", "-fPIC", "-O2", "-Wall", "-o", clocks.Library, source]));
        for (var node = 0; node < nodes; node++) clocks.Set(node, TimeSpan.Zero);
        return clocks;
    }

    /// <summary>What a node's process needs.</summary>
    public IReadOnlyDictionary<string, string> EnvironmentOf(int node) => new Dictionary<string, string> { ["LD_PRELOAD"] = Library, ["GRID_WALL_CLOCK"] = PathOf(node) };

    /// <summary>From now on the node's wall clock is so far from the machine's.</summary>
    public void Set(int node, TimeSpan offset)
    {
        // In place: the process has the file mapped.
        Span<byte> seconds = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(seconds, (long)offset.TotalSeconds);
        using var file = File.OpenHandle(PathOf(node), FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite);
        RandomAccess.Write(file, seconds, 0);
    }

    private string PathOf(int node) => Path.Combine(_folder, string.Create(CultureInfo.InvariantCulture, $"clock-{node + 1}"));
}
