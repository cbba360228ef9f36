using System.Globalization;

namespace Grid.Cli.Local;

/// <summary>Where the nodes of a cluster on this machine listen and keep their data.</summary>
internal sealed record LocalLayout
{
    /// <summary>How many nodes.</summary>
    public required int Nodes { get; init; }

    /// <summary>The loopback network, three numbers; the node's own is the fourth.</summary>
    public required string Network { get; init; }

    /// <summary>Where node-1, node-2 … and their logs lie.</summary>
    public required string Folder { get; init; }

    /// <summary>The journal's database.</summary>
    public required string ConnectionString { get; init; }

    /// <summary>More of the node's options, for each of them.</summary>
    public IReadOnlyList<string> NodeArguments { get; init; } = [];

    /// <summary>The address of a node.</summary>
    public string AddressOf(int number) => string.Create(CultureInfo.InvariantCulture, $"{Network}.{number}");
}

/// <summary>Several nodes on this machine, each on a loopback address of its own with the product's ports.</summary>
internal sealed class LocalCluster : IAsyncDisposable
{
    /// <summary>The port clients connect to, on each address.</summary>
    public const int DataPort = 7070;

    /// <summary>HTTP for operators.</summary>
    public const int AdminPort = 7071;

    /// <summary>The control plane.</summary>
    public const int ClusterPort = 7072;

    // All of them together keep to what one node takes by default.
    private const double MemoryPercent = 50;

    /// <summary>Nodes that do not run yet.</summary>
    public LocalCluster(LocalLayout layout)
    {
        Directory.CreateDirectory(layout.Folder);
        var numbers = Enumerable.Range(1, layout.Nodes).ToArray();
        var seeds = string.Join(',', numbers.Select(number => $"{layout.AddressOf(number)}:{ClusterPort}"));
        Nodes = [.. numbers.Select(number => new LocalNode(
            number, layout.AddressOf(number), Path.Combine(layout.Folder, $"{LocalNode.NameOf(number)}.log"), [.. Arguments(layout, number, seeds)], layout.ConnectionString))];
        ConnectionString = $"grid://{string.Join(',', Nodes.Select(node => node.DataAddress))}";
    }

    /// <summary>The nodes.</summary>
    public IReadOnlyList<LocalNode> Nodes { get; }

    /// <summary>How clients connect.</summary>
    public string ConnectionString { get; }

    /// <summary>Starts all at once; returns when all serve.</summary>
    /// <param name="onServing">Told of each node that serves.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="CliException">A node does not start.</exception>
    public async Task StartAsync(Action<LocalNode> onServing, CancellationToken cancellation)
    {
        // The first that fails ends the waiting for the others.
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var starts = Nodes.Select(async node =>
        {
            await node.StartAsync(failed.Token);
            onServing(node);
        }).ToList();
        while (starts.Count > 0)
        {
            var next = await Task.WhenAny(starts);
            starts.Remove(next);
            if (next.IsFaulted) await failed.CancelAsync();
            try
            {
                await next;
            }
            finally
            {
                if (!next.IsCompletedSuccessfully) await Task.WhenAll(starts).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    /// <summary>
    /// Stops all of them gracefully, and at once when that is hurried. One after the other: nodes that leave at the same time look for somebody to hand over to until their time for that is up.
    /// </summary>
    /// <returns>Whether all ended as asked.</returns>
    public async Task<bool> StopAsync(CancellationToken hurry)
    {
        var running = Nodes.Where(node => !node.HasExited).Reverse().ToArray();
        try
        {
            foreach (var node in running)
            {
                node.Terminate();
                await node.EndAsync(hurry);
            }
        }
        catch (OperationCanceledException)
        {
            foreach (var node in running) node.Kill();
            foreach (var node in running) await node.EndAsync(CancellationToken.None);
        }

        return running.All(node => node.ExitCode == 0);
    }

    /// <summary>Ends what still runs, at once; returns when it has, so that its files may be removed.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var node in Nodes.Where(node => !node.HasExited))
        {
            node.Kill();
            await node.EndAsync(CancellationToken.None);
        }

        foreach (var node in Nodes) node.Dispose();
    }

    private static IEnumerable<string> Arguments(LocalLayout layout, int number, string seeds)
    {
        var address = layout.AddressOf(number);
        var share = (MemoryPercent / layout.Nodes).ToString("0.##", CultureInfo.InvariantCulture);
        (string Name, string Value)[] settings =
        [
            ("grid.node.name", LocalNode.NameOf(number)),
            ("grid.node.data-directory", Path.Combine(layout.Folder, LocalNode.NameOf(number))),
            ("grid.gateway.host", address),
            ("grid.gateway.port", $"{DataPort}"),
            ("grid.admin.host", address),
            ("grid.admin.port", $"{AdminPort}"),
            ("grid.cluster.host", address),
            ("grid.cluster.port", $"{ClusterPort}"),
            ("grid.cluster.seed-nodes", seeds),
            ("grid.journal.provider", "postgresql"),
            ("grid.memory.limit", $"{share}%"),
        ];
        return settings.SelectMany(setting => (string[])["--set", $"{setting.Name}={setting.Value}"]).Concat(layout.NodeArguments);
    }
}
