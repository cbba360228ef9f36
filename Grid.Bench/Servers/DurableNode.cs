using Grid.Bench.Commands;

namespace Grid.Bench.Servers;

/// <summary>A database under the Grid.</summary>
internal enum DurableStore
{
    /// <summary>A file of the node.</summary>
    Sqlite,

    /// <summary>A PostgreSQL server that the benchmark starts.</summary>
    Postgres,
}

/// <summary>A node and the database under it.</summary>
internal sealed class DurableNode : IAsyncDisposable
{
    private readonly Opened _opened = new();

    /// <summary>Where clients connect.</summary>
    public int DataPort { get; private set; }

    /// <summary>Starts them.</summary>
    /// <param name="store">The database.</param>
    /// <param name="options">Where, and which node.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<DurableNode> StartAsync(DurableStore store, DurableOptions options, CancellationToken cancellation)
    {
        var node = new DurableNode();
        try
        {
            var settings = options.Settings.ToList();
            if (store == DurableStore.Postgres)
            {
                var server = node._opened.Keep(await PostgresServer.StartAsync(options.Parent, cancellation));
                settings.Add("grid.journal.provider=postgresql");
                settings.Add($"grid.journal.connection-string={server.ConnectionString}");
            }

            node.DataPort = node._opened.Keep(await NodeServer.StartAsync(options.NodePath, options.Parent, settings, cancellation)).DataPort;
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _opened.DisposeAsync();
}
