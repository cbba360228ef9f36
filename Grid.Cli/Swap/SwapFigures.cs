using Grid.Protocol;

namespace Grid.Cli.Swap;

/// <summary>A pool's counters under the names that Linux gives them: zram's mm_stat and frontswap's debugfs.</summary>
internal static class SwapFigures
{
    /// <summary>The fields of /sys/block/zramN/mm_stat that nodes count; null: they do not count it.</summary>
    public static IReadOnlyDictionary<string, long?> MmStat(PoolStat stat) => new Dictionary<string, long?>
    {
        ["orig_data_size"] = (long)stat.LogicalBytes,
        ["compr_data_size"] = (long)stat.StoredBytes,
        // The frames that hold the compressed pages are counted, in the sizes that they are cut in: so both are one.
        ["mem_used_total"] = (long)stat.StoredBytes,
        ["mem_limit"] = (long)stat.Pool.Options.QuotaPages * stat.Pool.Options.PageSizeBytes,
        ["mem_used_max"] = null,
        ["same_pages"] = (long)stat.SameFilledPages,
        ["huge_pages"] = null,
    };

    /// <summary>What /sys/kernel/debug/frontswap had.</summary>
    public static IReadOnlyDictionary<string, long> Frontswap(PoolStat stat) => new Dictionary<string, long>
    {
        ["loads"] = (long)stat.Hits,
        ["succ_stores"] = (long)stat.Puts,
        ["failed_stores"] = (long)stat.Refusals,
        ["invalidates"] = (long)stat.Flushes,
    };
}
