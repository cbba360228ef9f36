namespace Grid.Protocol;

/// <summary>The body of a hello's answer.</summary>
public sealed record HelloAnswer
{
    /// <summary>The version spoken from now on.</summary>
    public ushort Version { get; init; } = ProtocolLimits.MaxVersion;

    /// <summary>The most unanswered requests on this connection.</summary>
    public uint WindowRequests { get; init; }

    /// <summary>The most body bytes of unanswered requests on this connection.</summary>
    public uint WindowBytes { get; init; }

    /// <summary>The longest body the node reads.</summary>
    public uint MaxBodyBytes { get; init; } = ProtocolLimits.MaxBodyBytes;

    /// <summary>How many shards the grid has: fixed at its birth.</summary>
    public uint ShardCount { get; init; }

    /// <summary>The grid's identity.</summary>
    public Guid GridId { get; init; }

    /// <summary>This node's name.</summary>
    public string NodeName { get; init; } = "";

    /// <summary>Where clients reach this node, <c>host:port</c>.</summary>
    public string NodeAddress { get; init; } = "";

    /// <summary>The node's software, for logs.</summary>
    public string Agent { get; init; } = "";

    /// <summary>Writes the body.</summary>
    /// <param name="writer">Where to.</param>
    public void Write(ref BodyWriter writer)
    {
        writer.UInt16(Version);
        writer.UInt16(0);
        writer.UInt32(WindowRequests);
        writer.UInt32(WindowBytes);
        writer.UInt32(MaxBodyBytes);
        writer.UInt32(ShardCount);
        writer.Guid(GridId);
        writer.String(NodeName);
        writer.String(NodeAddress);
        writer.String(Agent);
    }

    /// <summary>Reads the body.</summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">It makes no sense.</exception>
    public static HelloAnswer Read(ref BodyReader reader)
    {
        var version = reader.UInt16();
        reader.UInt16();
        return new HelloAnswer
        {
            Version = version,
            WindowRequests = reader.UInt32(),
            WindowBytes = reader.UInt32(),
            MaxBodyBytes = reader.UInt32(),
            ShardCount = reader.UInt32(),
            GridId = reader.Guid(),
            NodeName = reader.String(),
            NodeAddress = reader.String(),
            Agent = reader.String(),
        };
    }
}
