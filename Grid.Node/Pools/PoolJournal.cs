using Grid.Node.Journal;

namespace Grid.Node.Pools;

/// <summary>Reads the registry's journal where no node runs.</summary>
internal static class PoolJournal
{
    private const int RowsAtOnce = 512;

    /// <summary>The registry's state, as its events add up.</summary>
    /// <exception cref="InvalidDataException">An event makes no sense, or one is missing.</exception>
    public static async Task<PoolDirectory> ReadAsync(JournalReader journal, CancellationToken cancellation)
    {
        var directory = PoolDirectory.Empty;
        var last = 0L;
        while (true)
        {
            var rows = await journal.ReadForeignAsync(JournalIds.Pools, last, RowsAtOnce, cancellation).ConfigureAwait(false);
            foreach (var row in rows)
            {
                if (row.SequenceNr != last + 1) throw new InvalidDataException($"event {last + 1} of the pool registry is missing");
                directory = directory.Apply(PoolEventSerializer.Parse(row.Payload, row.Manifest));
                last = row.SequenceNr;
            }

            if (rows.Count < RowsAtOnce) return directory;
        }
    }
}
