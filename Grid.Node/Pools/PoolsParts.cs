using Akka.Actor;
using Grid.Protocol;

namespace Grid.Node.Pools;

/// <summary>Cuts the whole directory into messages that fit a remote frame (128 000 bytes unless configured).</summary>
internal static class PoolsParts
{
    /// <summary>Pools in a part: of the longest names, some 80 KiB.</summary>
    public const int PoolsPerPart = 256;

    /// <summary>Sends all pools to a view.</summary>
    public static void Send(IActorRef view, IActorRef self, ulong incarnation, PoolDirectory directory)
    {
        var chunks = directory.Pools.Values.Select(pool => pool.Info).Chunk(PoolsPerPart).ToList();
        if (chunks.Count == 0) chunks.Add([]);
        for (var part = 0; part < chunks.Count; part++)
            view.Tell(new PoolsUpdate(incarnation, 0, directory.Version, part, chunks.Count, chunks[part], Array.Empty<PoolId>()), self);
    }
}
