using System.Buffers;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Transfer;

/// <summary>Writes what an export file holds into a pool. A record is verified before its pages are written; some records are on their way at once.</summary>
/// <param name="reader">The file, begun.</param>
/// <param name="pool">The pool.</param>
/// <param name="alone">Whether nobody else writes to the pool, so that a batch whose outcome is unknown may be sent again.</param>
internal sealed class ImportRun(ExportReader reader, Pool pool, bool alone)
{
    private const int BatchesAtOnce = 8;

    private readonly CallOptions _options = new() { AtLeastOnce = alone };
    private long _pages;

    /// <summary>Pages the Grid has acknowledged.</summary>
    public long Pages => Volatile.Read(ref _pages);

    /// <summary>Writes everything; throws on the first thing that is wrong with the file or refused by the Grid.</summary>
    /// <param name="cancellation">Ctrl-C.</param>
    public async Task<ExportTotals> RunAsync(CancellationToken cancellation)
    {
        var running = new Queue<Task>();
        try
        {
            while (await reader.NextPagesAsync(cancellation))
            {
                if (running.Count == BatchesAtOnce) await running.Dequeue();
                running.Enqueue(WriteAsync(Take(), cancellation));
            }

            while (running.Count > 0) await running.Dequeue();
        }
        finally
        {
            foreach (var task in running) await task.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return reader.Totals!;
    }

    /// <summary>Takes the pages out of the reader, whose buffer is used again for the next record.</summary>
    private Batch Take()
    {
        var size = pool.PageSizeBytes;
        var buffer = ArrayPool<byte>.Shared.Rent(reader.Pages.Count * size);
        var writes = new WriteBatch();
        for (var i = 0; i < reader.Pages.Count; i++)
        {
            reader.Restore(reader.Pages[i], buffer.AsSpan(i * size, size));
            writes.Put(reader.Pages[i].Index, buffer.AsMemory(i * size, size));
        }

        return new Batch(reader.Object, writes, buffer);
    }

    private async Task WriteAsync(Batch batch, CancellationToken cancellation)
    {
        var result = await pool.WriteBatchAsync(batch.Object, batch.Writes, null, _options, cancellation);
        if (result.Outcome != BatchOutcome.Applied) throw CliException.Refused($"object {batch.Object}: {CliErrors.Refusal(result.Reason, pool.Name)}");
        Interlocked.Add(ref _pages, batch.Writes.Count);
        ArrayPool<byte>.Shared.Return(batch.Buffer);
    }

    private sealed record Batch(ObjectId Object, WriteBatch Writes, byte[] Buffer);
}
