using Grid.Protocol;

namespace Grid.Client;

/// <summary>Checks of arguments, before anything is sent.</summary>
internal static class Arguments
{
    public static ArgumentException PageLength(int bytes, int pageSizeBytes, string name) =>
        new($"The page has {bytes} bytes, the pool's pages have {pageSizeBytes}.", name);

    public static ArgumentException DestinationLength(int bytes, int neededBytes, string name) =>
        new($"The destination has {bytes} bytes, {neededBytes} are needed.", name);

    public static void RequireBatch(WriteBatch batch, int pageSizeBytes)
    {
        ArgumentNullException.ThrowIfNull(batch);
        if (batch.Count == 0) throw new ArgumentException("The batch is empty.", nameof(batch));
        foreach (var page in batch.Pages)
            if (page.Length != pageSizeBytes) throw PageLength(page.Length, pageSizeBytes, nameof(batch));
    }

    public static void RequireIndexes(ReadOnlySpan<uint> indexes, int pageSizeBytes)
    {
        var most = Math.Min(ProtocolLimits.MaxBatchPages, ProtocolLimits.MaxBatchBytes / pageSizeBytes);
        if (indexes.Length == 0 || indexes.Length > most)
            throw new ArgumentException($"{indexes.Length} indexes are given, 1 to {most} are possible with pages of {pageSizeBytes} bytes.", nameof(indexes));
        for (var i = 1; i < indexes.Length; i++)
        {
            if (indexes[i] > indexes[i - 1]) continue;
            RequireDistinct(indexes);
            return;
        }
    }

    private static void RequireDistinct(ReadOnlySpan<uint> indexes)
    {
        Span<uint> sorted = stackalloc uint[ProtocolLimits.MaxBatchPages];
        sorted = sorted[..indexes.Length];
        indexes.CopyTo(sorted);
        sorted.Sort();
        for (var i = 1; i < sorted.Length; i++)
            if (sorted[i] == sorted[i - 1]) throw new ArgumentException($"Index {sorted[i]} is given twice.", nameof(indexes));
    }
}
