using System.Text.Json;

namespace Grid.Bench.Servers;

/// <summary>A Grid node in its own process, on free ports, with a data directory that goes with it.</summary>
internal sealed class NodeServer : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);
    private readonly ChildProcess _process;
    private readonly DirectoryInfo _directory;

    private NodeServer(ChildProcess process, DirectoryInfo directory) => (_process, _directory) = (process, directory);

    /// <summary>Where clients connect.</summary>
    public int DataPort { get; private set; }

    /// <summary>Where operators look.</summary>
    public int AdminPort { get; private set; }

    /// <summary>Starts a node.</summary>
    /// <param name="path">Grid.Node.dll; null is the one built beside this program.</param>
    /// <param name="cancellation">Gives up.</param>
    public static Task<NodeServer> StartAsync(string? path, CancellationToken cancellation) => StartAsync(path, TemporaryDirectory.Default, [], cancellation);

    /// <summary>Starts a node.</summary>
    /// <param name="path">Grid.Node.dll; null is the one built beside this program.</param>
    /// <param name="parent">Where its folder is made.</param>
    /// <param name="more">Further settings, each <c>name=value</c>.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<NodeServer> StartAsync(string? path, DirectoryInfo parent, IReadOnlyList<string> more, CancellationToken cancellation)
    {
        path ??= FindNode();
        if (!File.Exists(path)) throw new BenchException($"there is no node at {path}: build it first (dotnet build Grid.Node -c Release)");
        var directory = TemporaryDirectory.Make(parent, "grid-bench-");
        var ports = Path.Combine(directory.FullName, "ports.json");
        string[] settings =
        [
            $"grid.node.data-directory={Path.Combine(directory.FullName, "data")}", "grid.gateway.port=0", "grid.admin.port=0", "grid.cluster.port=0",
            "grid.gateway.echo=on", "grid.memory.limit=1GiB", .. more,
        ];
        var process = ChildProcess.Start("the Grid node", ChildProcess.DotNet, [path, .. settings.SelectMany(setting => new[] { "--set", setting }), "--ports-file", ports]);
        var node = new NodeServer(process, directory);
        try
        {
            await process.WaitAsync(_ => Task.FromResult(File.Exists(ports)), StartLimit, cancellation);
            using var json = JsonDocument.Parse(await File.ReadAllBytesAsync(ports, cancellation));
            node.DataPort = json.RootElement.GetProperty("data").GetInt32();
            node.AdminPort = json.RootElement.GetProperty("admin").GetInt32();
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        _directory.Delete(recursive: true);
    }

    /// <summary>Beside this program, in the same configuration: …/Grid.Bench/bin/Release/net10.0/ has …/Grid.Node/bin/Release/net10.0/.</summary>
    private static string FindNode()
    {
        var here = new DirectoryInfo(AppContext.BaseDirectory);
        var root = here;
        while (root != null && !File.Exists(Path.Combine(root.FullName, "Grid.sln"))) root = root.Parent;
        if (root == null) throw new BenchException("this program does not lie in the Grid's source tree: name the node with --node FILE");
        return Path.Combine(root.FullName, "Grid.Node", "bin", here.Parent!.Name, here.Name, "Grid.Node.dll");
    }
}
