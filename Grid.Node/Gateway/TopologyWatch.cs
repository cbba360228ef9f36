using System.Buffers;
using Grid.Node.Objects;
using Grid.Protocol;

namespace Grid.Node.Gateway;

/// <summary>Looks ten times a second whether nodes or owners of shards have changed; then tells this node's own routing and the clients that want to know.</summary>
/// <param name="look">Nodes and owners as the nodes told each other last.</param>
/// <param name="whereabouts">This node's own routing.</param>
/// <param name="peers">The clients of other nodes.</param>
/// <param name="connections">The clients.</param>
internal sealed class TopologyWatch(Func<Topology> look, ShardWhereabouts whereabouts, PeerClients peers, ConnectionTable connections) : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);
    private readonly PeriodicTimer _timer = new(Interval);

    /// <summary>Begins to look.</summary>
    public void Start() => _ = RunAsync();

    public void Dispose() => _timer.Dispose();

    private async Task RunAsync()
    {
        while (await _timer.WaitForNextTickAsync().ConfigureAwait(false)) Look(Environment.TickCount64);
    }

    private void Look(long nowMs)
    {
        var topology = look();
        peers.Keep(topology.Nodes.Select(node => node.DataAddress).ToHashSet(StringComparer.Ordinal), nowMs);
        if (topology.Owners.SequenceEqual(whereabouts.Topology.Owners) && topology.Nodes.SequenceEqual(whereabouts.Topology.Nodes)) return;
        whereabouts.Take(topology);
        var body = new ArrayBufferWriter<byte>();
        var writer = new BodyWriter(body);
        topology.Write(ref writer);
        connections.TellTopology(body.WrittenSpan.ToArray());
    }
}
