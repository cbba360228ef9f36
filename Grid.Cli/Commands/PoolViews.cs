using System.Globalization;
using Grid.Protocol;

namespace Grid.Cli.Commands;

/// <summary>A pool as JSON.</summary>
internal sealed record PoolJson(
    ulong Id, string Name, string Tenant, PoolKind Kind, PoolSharing Sharing, int PageSizeBytes, PageCompression Compression, ulong QuotaPages, bool Frozen, int Members)
{
    /// <summary>Of what the Grid says.</summary>
    /// <param name="pool">The pool.</param>
    public static PoolJson Of(PoolInfo pool) => new(
        pool.Id.Value, pool.Name, pool.Tenant, pool.Options.Kind, pool.Options.Sharing, pool.Options.PageSizeBytes, pool.Options.Compression, pool.Options.QuotaPages, pool.Frozen, pool.Members);
}

/// <summary>Pools as tables.</summary>
internal static class PoolViews
{
    private static readonly string[] Columns = ["NAME", "KIND", "SHARING", ">PAGE", "COMPRESSION", ">QUOTA", "STATE", ">ID"];

    /// <summary>Prints pools, one a line.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="pools">The pools.</param>
    public static void WritePools(Output output, IEnumerable<PoolJson> pools) => output.WriteTable(Columns, pools.Select(pool => (IReadOnlyList<string>)
    [
        pool.Name,
        Word(pool.Kind),
        pool.Sharing == PoolSharing.Shared ? $"shared by {pool.Members}" : "private",
        SizeText.Format(pool.PageSizeBytes),
        Word(pool.Compression),
        pool.QuotaPages == 0 ? "-" : SizeText.Format((double)pool.QuotaPages * pool.PageSizeBytes),
        pool.Frozen ? "frozen" : "open",
        pool.Id.ToString(CultureInfo.InvariantCulture),
    ]));

    /// <summary>Prints a pool's counters.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="stat">The counters.</param>
    public static void WriteStat(Output output, PoolStat stat)
    {
        var pool = stat.Pool;
        var options = pool.Options;
        var quota = options.QuotaPages == 0 ? "none" : $"{Number(options.QuotaPages)} pages ({SizeText.Format((double)options.QuotaPages * options.PageSizeBytes)})";
        output.WritePairs(
        [
            ("pool", $"{pool.Name} (id {pool.Id}, tenant {pool.Tenant})"),
            ("kind", $"{Word(options.Kind)}, {(options.Sharing == PoolSharing.Shared ? $"shared by {pool.Members}" : "private")}{(pool.Frozen ? ", frozen" : "")}"),
            ("page size", $"{SizeText.Format(options.PageSizeBytes)}, compression {Word(options.Compression)}"),
            ("quota", quota),
            ("in memory", $"{Number(stat.Pages)} pages in {Number(stat.Objects)} objects: {SizeText.Format(stat.LogicalBytes)}, stored as {SizeText.Format(stat.StoredBytes)} ({Number(stat.SameFilledPages)} same-filled)"),
            ("puts", $"{Number(stat.Puts)} stored, {Number(stat.Refusals)} refused"),
            ("gets", $"{Number(stat.Gets)}, {Number(stat.Hits)} hits{HitRate(stat)}"),
            ("flushes", Number(stat.Flushes)),
            ("evictions", Number(stat.Evictions)),
        ]);
    }

    private static string HitRate(PoolStat stat) =>
        stat.Gets == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" ({100.0 * stat.Hits / stat.Gets:0.0} %)");

    private static string Number(ulong value) => value.ToString("#,0", CultureInfo.InvariantCulture);

    private static string Word<T>(T value)
        where T : struct, Enum => value.ToString().ToLowerInvariant();
}
