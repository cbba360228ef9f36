namespace Grid.Protocol;

/// <summary>A node in a topology.</summary>
/// <param name="Name">Its name.</param>
/// <param name="DataAddress">Where clients reach it, <c>host:port</c>.</param>
/// <param name="Status">Its status as the cluster sees it, e.g. <c>up</c>, <c>leaving</c>, <c>unreachable</c>.</param>
public sealed record TopologyNode(string Name, string DataAddress, string Status);

/// <summary>The body of a topology's answer: the nodes, and for each shard the number of its node in that list (or −1).</summary>
/// <param name="Nodes">The nodes.</param>
/// <param name="Owners">One entry a shard.</param>
public sealed record Topology(IReadOnlyList<TopologyNode> Nodes, IReadOnlyList<int> Owners)
{
    /// <summary>Writes the body: u32 nodes, each three strings; u32 shards, each i32.</summary>
    /// <param name="writer">Where to.</param>
    public void Write(ref BodyWriter writer)
    {
        writer.UInt32((uint)Nodes.Count);
        foreach (var node in Nodes)
        {
            writer.String(node.Name);
            writer.String(node.DataAddress);
            writer.String(node.Status);
        }

        writer.UInt32((uint)Owners.Count);
        foreach (var owner in Owners) writer.UInt32(unchecked((uint)owner));
    }

    /// <summary>Reads the body.</summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">It makes no sense.</exception>
    public static Topology Read(ref BodyReader reader)
    {
        var nodes = new TopologyNode[reader.Count(minEntryBytes: 6)];
        for (var i = 0; i < nodes.Length; i++) nodes[i] = new TopologyNode(reader.String(), reader.String(), reader.String());
        var owners = new int[reader.Count(minEntryBytes: 4)];
        for (var i = 0; i < owners.Length; i++)
        {
            owners[i] = unchecked((int)reader.UInt32());
            if (owners[i] < -1 || owners[i] >= nodes.Length) throw new ProtocolException($"shard {i} names node {owners[i]} of {nodes.Length}");
        }

        return new Topology(nodes, owners);
    }
}
