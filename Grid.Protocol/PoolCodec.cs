namespace Grid.Protocol;

/// <summary>Reads and writes pools in frames.</summary>
public static class PoolCodec
{
    private const uint FrozenBit = 1;

    /// <summary>Id, flags, members, options, and the lengths of two strings.</summary>
    private const int MinInfoBytes = 8 + 4 + 4 + 16 + 2 + 2;

    /// <summary>Writes options: u8 kind, u8 sharing, u8 compression, u8 zero, u32 page bytes, u64 quota in pages.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="options">The options.</param>
    public static void WriteOptions(ref BodyWriter writer, PoolOptions options)
    {
        writer.Byte((byte)options.Kind);
        writer.Byte((byte)options.Sharing);
        writer.Byte((byte)options.Compression);
        writer.Byte(0);
        writer.UInt32((uint)options.PageSizeBytes);
        writer.UInt64(options.QuotaPages);
    }

    /// <summary>Reads options; what they hold is not validated (see <see cref="PoolOptions.Validate"/>).</summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">They end too soon, or their zero byte is not zero.</exception>
    public static PoolOptions ReadOptions(ref BodyReader reader)
    {
        var kind = (PoolKind)reader.Byte();
        var sharing = (PoolSharing)reader.Byte();
        var compression = (PageCompression)reader.Byte();
        // Silently dropping an attribute that a later version puts here would give its user another pool than was asked for.
        if (reader.Byte() != 0) throw new ProtocolException("the pool options have an attribute that this version does not know");
        return new PoolOptions
        {
            Kind = kind,
            Sharing = sharing,
            Compression = compression,
            PageSizeBytes = unchecked((int)reader.UInt32()),
            QuotaPages = reader.UInt64(),
        };
    }

    /// <summary>Writes a pool: u64 id, u32 flags (1 frozen), u32 members, options, name, tenant.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="pool">The pool.</param>
    public static void WriteInfo(ref BodyWriter writer, PoolInfo pool)
    {
        writer.UInt64(pool.Id.Value);
        writer.UInt32(pool.Frozen ? FrozenBit : 0);
        writer.UInt32((uint)pool.Members);
        WriteOptions(ref writer, pool.Options);
        writer.String(pool.Name);
        writer.String(pool.Tenant);
    }

    /// <summary>Reads a pool; flags it does not know are ignored.</summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">It makes no sense.</exception>
    public static PoolInfo ReadInfo(ref BodyReader reader)
    {
        var id = new PoolId(reader.UInt64());
        var flags = reader.UInt32();
        var members = reader.UInt32();
        if (members > int.MaxValue) throw new ProtocolException($"a pool has {members} members");
        var options = ReadOptions(ref reader);
        if (options.Validate() is { } wrong) throw new ProtocolException(wrong);
        return new PoolInfo(id, reader.String(), reader.String(), options, (flags & FrozenBit) != 0, (int)members);
    }

    /// <summary>Writes a list of pools: u32 count, the pools.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="pools">The pools.</param>
    public static void WriteList(ref BodyWriter writer, IReadOnlyList<PoolInfo> pools)
    {
        writer.UInt32((uint)pools.Count);
        foreach (var pool in pools) WriteInfo(ref writer, pool);
    }

    /// <summary>Reads a list of pools.</summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">It makes no sense.</exception>
    public static PoolInfo[] ReadList(ref BodyReader reader)
    {
        var pools = new PoolInfo[reader.Count(MinInfoBytes)];
        for (var i = 0; i < pools.Length; i++) pools[i] = ReadInfo(ref reader);
        return pools;
    }

    /// <summary>Writes a stat: the pool, u16 count, that many u64 counters in the order of <see cref="PoolStat"/>'s members. A later version may append counters.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="stat">The stat.</param>
    public static void WriteStat(ref BodyWriter writer, PoolStat stat)
    {
        WriteInfo(ref writer, stat.Pool);
        ReadOnlySpan<ulong> counters =
        [
            stat.Objects, stat.Pages, stat.LogicalBytes, stat.StoredBytes, stat.SameFilledPages,
            stat.Puts, stat.Refusals, stat.Gets, stat.Hits, stat.Flushes, stat.Evictions,
        ];
        writer.UInt16((ushort)counters.Length);
        foreach (var counter in counters) writer.UInt64(counter);
    }

    /// <summary>Reads a stat; counters it does not know are skipped, counters that are missing are 0.</summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">It makes no sense.</exception>
    public static PoolStat ReadStat(ref BodyReader reader)
    {
        var pool = ReadInfo(ref reader);
        Span<ulong> counters = stackalloc ulong[11];
        counters.Clear();
        var count = reader.UInt16();
        for (var i = 0; i < count; i++)
        {
            var value = reader.UInt64();
            if (i < counters.Length) counters[i] = value;
        }

        return new PoolStat
        {
            Pool = pool,
            Objects = counters[0],
            Pages = counters[1],
            LogicalBytes = counters[2],
            StoredBytes = counters[3],
            SameFilledPages = counters[4],
            Puts = counters[5],
            Refusals = counters[6],
            Gets = counters[7],
            Hits = counters[8],
            Flushes = counters[9],
            Evictions = counters[10],
        };
    }
}
