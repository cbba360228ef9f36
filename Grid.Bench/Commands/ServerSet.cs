using Grid.Bench.Servers;
using Grid.Bench.Targets;

namespace Grid.Bench.Commands;

/// <summary>The servers of a comparison and the connections to them; ends all of them, the newest first.</summary>
internal sealed class ServerSet : IAsyncDisposable
{
    private readonly Opened _open = new();

    /// <summary>Starts the servers, the Grid first.</summary>
    /// <param name="options">What was asked for.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The targets in the order of a round.</returns>
    public async Task<IReadOnlyList<PageTarget>> StartAsync(CompareOptions options, CancellationToken cancellation)
    {
        var targets = new List<PageTarget>();
        var node = _open.Keep(await NodeServer.StartAsync(options.NodePath, cancellation));
        targets.Add(_open.Keep(await GridTarget.ConnectAsync(node.DataPort, options.OneObject, cancellation)));
        if (options.Peers.Contains("redis"))
        {
            var redis = _open.Keep(await RedisServer.StartAsync(cancellation));
            targets.Add(_open.Keep(await RedisTarget.ConnectAsync("redis", redis.Port)));
        }

        if (options.Peers.Contains("garnet"))
        {
            var garnet = _open.Keep(await GarnetProcess.StartAsync(cancellation));
            targets.Add(_open.Keep(await RedisTarget.ConnectAsync("garnet", garnet.Port)));
        }

        return targets;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _open.DisposeAsync();
}
