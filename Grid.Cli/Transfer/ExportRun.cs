using System.Buffers;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Transfer;

/// <summary>Reads a pool and writes it to a file. Reads ahead, but never more than a bounded number of batches.</summary>
/// <param name="pool">The pool.</param>
/// <param name="writer">The file.</param>
internal sealed class ExportRun(Pool pool, ExportWriter writer)
{
    private const int ObjectsAhead = 24;
    private const int BatchesAhead = 8;

    private readonly int _pagesPerBatch = Math.Min(ProtocolLimits.MaxBatchPages, ProtocolLimits.MaxBatchBytes / pool.PageSizeBytes);

    /// <summary>Objects written.</summary>
    public long Objects { get; private set; }

    /// <summary>Writes the whole pool.</summary>
    /// <param name="header">What the file says of the pool.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    public async Task<ExportTotals> RunAsync(ExportedPool header, CancellationToken cancellation)
    {
        await writer.BeginAsync(header, cancellation);
        var ahead = new Queue<Task<Beginning>>();
        try
        {
            await foreach (var item in pool.ListObjectsAsync(cancellationToken: cancellation))
            {
                ahead.Enqueue(BeginAsync(item.Id, cancellation));
                if (ahead.Count == ObjectsAhead) await WriteAsync(ahead.Dequeue(), cancellation);
            }

            while (ahead.Count > 0) await WriteAsync(ahead.Dequeue(), cancellation);
        }
        finally
        {
            // Where something failed, what was read ahead is of no use, but must have ended.
            foreach (var task in ahead) await ((Task)task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        return await writer.EndAsync(cancellation);
    }

    /// <summary>Reads an object's first pages.</summary>
    private async Task<Beginning> BeginAsync(ObjectId id, CancellationToken cancellation)
    {
        var pieces = pool.ListPagesAsync(id, 0, cancellation).GetAsyncEnumerator(cancellation);
        await pieces.MoveNextAsync();
        var indexes = pieces.Current.Indexes;
        var first = indexes.Count == 0 ? null : await ReadAsync(id, [.. indexes.Take(_pagesPerBatch)], cancellation);
        return new Beginning(id, pieces, first);
    }

    private async Task WriteAsync(Task<Beginning> task, CancellationToken cancellation)
    {
        var beginning = await task;
        var version = beginning.Pieces.Current.Version;
        var (isBegun, changed) = (false, false);
        async ValueTask Add(Batch batch)
        {
            changed |= batch.Version != version;
            if (batch.Hits.Count > 0 && !isBegun)
            {
                isBegun = true;
                await writer.BeginObjectAsync(beginning.Id, cancellation);
            }

            await writer.WritePagesAsync(batch.Indexes, batch.Hits, batch.Pages, cancellation);
            ArrayPool<byte>.Shared.Return(batch.Buffer);
        }

        await using (beginning.Pieces)
        {
            if (beginning.First != null) await Add(beginning.First);
            await AddRestAsync(beginning, Add, cancellation);
        }

        if (!isBegun) return;
        await writer.EndObjectAsync(changed, cancellation);
        Objects++;
    }

    /// <summary>Reads what follows an object's first pages, some batches ahead of what is written.</summary>
    private async Task AddRestAsync(Beginning beginning, Func<Batch, ValueTask> add, CancellationToken cancellation)
    {
        var ahead = new Queue<Task<Batch>>();
        try
        {
            var skip = beginning.First?.Indexes.Length ?? 0;
            do
            {
                foreach (var indexes in beginning.Pieces.Current.Indexes.Skip(skip).Chunk(_pagesPerBatch))
                {
                    ahead.Enqueue(ReadAsync(beginning.Id, indexes, cancellation));
                    if (ahead.Count == BatchesAhead) await add(await ahead.Dequeue());
                }

                skip = 0;
            }
            while (!beginning.Pieces.Current.IsLast && await beginning.Pieces.MoveNextAsync());
            while (ahead.Count > 0) await add(await ahead.Dequeue());
        }
        finally
        {
            foreach (var task in ahead) await ((Task)task).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task<Batch> ReadAsync(ObjectId id, uint[] indexes, CancellationToken cancellation)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(indexes.Length * pool.PageSizeBytes);
        var result = await pool.GetBatchAsync(id, indexes, buffer, GetMode.Keep, null, null, cancellation);
        return new Batch(indexes, result.Hits, result.Version, buffer);
    }

    private sealed record Beginning(ObjectId Id, IAsyncEnumerator<PageList> Pieces, Batch? First);

    private sealed record Batch(uint[] Indexes, BatchBits Hits, ObjectVersion Version, byte[] Buffer)
    {
        public ReadOnlyMemory<byte> Pages => Buffer;
    }
}
