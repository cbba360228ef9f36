using System.Globalization;
using System.Text.Json;

namespace Grid.Bench.Servers;

/// <summary>A Grid node in its own process, on free ports, with a data directory that goes with it.</summary>
internal sealed class NodeServer : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(60);
    private readonly string _path;
    private readonly IReadOnlyList<string> _more;
    private readonly DirectoryInfo _directory;
    private ChildProcess? _process;
    private int _starts;

    private NodeServer(string path, DirectoryInfo directory, IReadOnlyList<string> more) => (_path, _directory, _more) = (path, directory, more);

    /// <summary>Where clients connect.</summary>
    public int DataPort { get; private set; }

    /// <summary>Its process; 0 while it does not run.</summary>
    public int ProcessId => _process?.ProcessId ?? 0;

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
        var node = new NodeServer(path, TemporaryDirectory.Make(parent, "grid-bench-"), more);
        try
        {
            await node.LaunchAsync(cancellation);
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>SIGKILL: no chance to put anything in order.</summary>
    public async Task KillAsync()
    {
        if (_process is not { } process) return;
        _process = null;
        await process.DisposeAsync();
    }

    /// <summary>SIGTERM: it hands over what it owns and ends.</summary>
    /// <exception cref="BenchException">It did not end well.</exception>
    public async Task TerminateAsync()
    {
        if (_process is not { } process) return;
        if (await process.TerminateAsync(StopLimit) is var code and not 0) throw new BenchException($"a node that was told to end ended with code {code}");
        _process = null;
        await process.DisposeAsync();
    }

    /// <summary>Starts it again on its data; returns when it serves.</summary>
    /// <param name="cancellation">Gives up.</param>
    public Task RestartAsync(CancellationToken cancellation) =>
        _process is null ? LaunchAsync(cancellation) : throw new InvalidOperationException("The node runs.");

    /// <summary>The most memory it has had in its RAM since it was started last.</summary>
    public long PeakRssBytes()
    {
        foreach (var line in File.ReadLines($"/proc/{_process!.ProcessId}/status"))
            if (line.StartsWith("VmHWM:", StringComparison.Ordinal)) return long.Parse(line["VmHWM:".Length..].Trim().Split(' ')[0], CultureInfo.InvariantCulture) * 1024;
        throw new BenchException("the system does not say how much memory a process has");
    }

    /// <summary>Bytes of SQLite's files.</summary>
    public long JournalBytes() => DataDirectory.EnumerateFiles("grid.db*").Sum(file => file.Length);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _directory.Delete(recursive: true);
    }

    private DirectoryInfo DataDirectory => new(Path.Combine(_directory.FullName, "data"));

    private async Task LaunchAsync(CancellationToken cancellation)
    {
        var ports = Path.Combine(_directory.FullName, $"ports-{_starts++}.json");
        string[] settings =
        [
            $"grid.node.data-directory={DataDirectory.FullName}", "grid.gateway.port=0", "grid.admin.port=0", "grid.cluster.port=0",
            "grid.gateway.echo=on", "grid.memory.limit=1GiB", .. _more,
        ];
        // The later of two of one name holds.
        var named = settings.GroupBy(setting => setting[..setting.IndexOf('=', StringComparison.Ordinal)]).Select(same => same.Last());
        _process = ChildProcess.Start("the Grid node", ChildProcess.DotNet, [_path, .. named.SelectMany(setting => new[] { "--set", setting }), "--ports-file", ports]);
        await _process.WaitAsync(_ => Task.FromResult(File.Exists(ports)), StartLimit, cancellation);
        using var json = JsonDocument.Parse(await File.ReadAllBytesAsync(ports, cancellation));
        DataPort = json.RootElement.GetProperty("data").GetInt32();
        AdminPort = json.RootElement.GetProperty("admin").GetInt32();
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
