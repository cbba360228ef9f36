namespace Grid.Protocol;

/// <summary>The body of a hello: what a client says first.</summary>
public sealed record HelloRequest
{
    private const uint SingleAddressBit = 1;

    /// <summary>From <see cref="ProtocolLimits.TopologyPushVersion"/> on.</summary>
    private const uint WantsTopologyBit = 2;

    /// <summary>The oldest version the client speaks.</summary>
    public ushort MinVersion { get; init; } = ProtocolLimits.MinVersion;

    /// <summary>The newest version the client speaks.</summary>
    public ushort MaxVersion { get; init; } = ProtocolLimits.MaxVersion;

    /// <summary>Whether the client can reach this address only: the node forwards what it does not own.</summary>
    public bool SingleAddress { get; init; }

    /// <summary>Whether the node shall tell whenever shards have moved (<see cref="Opcode.TopologyPush"/>); means something from version 2 on.</summary>
    public bool WantsTopology { get; init; }

    /// <summary>The client's session: the same over all its connections and reconnects.</summary>
    public Guid Session { get; init; }

    /// <summary>Grows with every reconnect of the session; requests of older epochs are dropped.</summary>
    public ulong Epoch { get; init; }

    /// <summary>Who owns the pools; <c>default</c> until tenants are configured.</summary>
    public string Tenant { get; init; } = "default";

    /// <summary>What proves the tenant; empty for <c>default</c>.</summary>
    public string Credential { get; init; } = "";

    /// <summary>The member name under which shared pools are joined and left.</summary>
    public string Member { get; init; } = "default";

    /// <summary>The client's software, for logs.</summary>
    public string Agent { get; init; } = "";

    /// <summary>Writes the body.</summary>
    /// <param name="writer">Where to.</param>
    public void Write(ref BodyWriter writer)
    {
        writer.UInt32(ProtocolLimits.Magic);
        writer.UInt16(MinVersion);
        writer.UInt16(MaxVersion);
        writer.UInt32((SingleAddress ? SingleAddressBit : 0u) | (WantsTopology ? WantsTopologyBit : 0u));
        writer.Guid(Session);
        writer.UInt64(Epoch);
        writer.String(Tenant);
        writer.String(Credential);
        writer.String(Member);
        writer.String(Agent);
    }

    /// <summary>
    /// Reads the body. Of one without a version in common only the range is read; of one that also offers a newer version, flags that are unknown
    /// and bytes at the end are passed over: the version in the answer tells the client that they had no effect.
    /// </summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">It makes no sense.</exception>
    public static HelloRequest Read(ref BodyReader reader)
    {
        if (reader.UInt32() != ProtocolLimits.Magic) throw new ProtocolException("the hello does not begin with 'GRID': this is not a Grid client");
        var min = reader.UInt16();
        var max = reader.UInt16();
        if (min > max) throw new ProtocolException($"the hello's version range {min}..{max} is empty");
        if (max < ProtocolLimits.MinVersion || min > ProtocolLimits.MaxVersion)
        {
            // Nothing in common: what stands behind the range may have another layout. The range is all that the refusal needs.
            reader.SkipRest();
            return new HelloRequest { MinVersion = min, MaxVersion = max };
        }

        var isNewer = max > ProtocolLimits.MaxVersion;
        var flags = reader.UInt32();
        var known = max >= ProtocolLimits.TopologyPushVersion ? SingleAddressBit | WantsTopologyBit : SingleAddressBit;
        if ((flags & ~known) != 0 && !isNewer) throw new ProtocolException($"the hello's flags {flags:x} are unknown");
        var hello = new HelloRequest
        {
            MinVersion = min,
            MaxVersion = max,
            SingleAddress = (flags & SingleAddressBit) != 0,
            WantsTopology = (flags & known & WantsTopologyBit) != 0,
            Session = reader.Guid(),
            Epoch = reader.UInt64(),
            Tenant = reader.String(),
            Credential = reader.String(),
            Member = reader.String(),
            Agent = reader.String(),
        };
        if (isNewer) reader.SkipRest();
        return hello;
    }

    /// <summary>What a log may show: everything but the credential.</summary>
    public override string ToString() =>
        $"hello of '{Agent}', versions {MinVersion} to {MaxVersion}, tenant '{Tenant}', member '{Member}', session {Session} epoch {Epoch}{(SingleAddress ? ", single address" : "")}{(WantsTopology ? ", wants topology" : "")}";
}
