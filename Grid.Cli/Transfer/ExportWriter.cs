using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Transfer;

/// <summary>Writes an export file, record after record; holds one record in memory.</summary>
/// <param name="output">Where to; need not be seekable.</param>
internal sealed class ExportWriter(Stream output)
{
    private readonly ArrayBufferWriter<byte> _record = new(1 << 16);
    private ulong _last;
    private ulong _poolChecksum;
    private int _pageSizeBytes;
    private ObjectId _object;
    private ulong _objectPages;
    private ulong _objects;
    private ulong _pages;
    private ulong _changed;

    /// <summary>Bytes written.</summary>
    public long Bytes { get; private set; }

    /// <summary>Pages written.</summary>
    public ulong Pages => _pages;

    /// <summary>Begins the file.</summary>
    public async ValueTask BeginAsync(ExportedPool pool, CancellationToken cancellation)
    {
        await output.WriteAsync(ExportFormat.Magic, cancellation);
        Bytes += ExportFormat.Magic.Length;
        _pageSizeBytes = pool.Options.PageSizeBytes;
        Begin(RecordKind.Pool);
        WritePool(pool);
        await EndRecordAsync(cancellation);
        _poolChecksum = _last;
    }

    /// <summary>Begins an object; the ids must ascend.</summary>
    public async ValueTask BeginObjectAsync(ObjectId id, CancellationToken cancellation)
    {
        (_object, _objectPages) = (id, 0);
        _objects++;
        Begin(RecordKind.Object);
        id.Write(_record.GetSpan(ObjectId.SizeBytes));
        _record.Advance(ObjectId.SizeBytes);
        await EndRecordAsync(cancellation);
    }

    /// <summary>Writes those pages of a batch that were there; the indexes must ascend.</summary>
    /// <param name="indexes">The indexes asked for.</param>
    /// <param name="hits">Which were there.</param>
    /// <param name="pages">The pages, one an index.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    public async ValueTask WritePagesAsync(ReadOnlyMemory<uint> indexes, BatchBits hits, ReadOnlyMemory<byte> pages, CancellationToken cancellation)
    {
        if (hits.Count == 0) return;
        Begin(RecordKind.Pages);
        AddPages(indexes.Span, hits, pages.Span);
        await EndRecordAsync(cancellation);
        _objectPages += (ulong)hits.Count;
        _pages += (ulong)hits.Count;
    }

    /// <summary>Ends an object.</summary>
    public async ValueTask EndObjectAsync(bool changed, CancellationToken cancellation)
    {
        if (changed) _changed++;
        Begin(RecordKind.ObjectEnd);
        WriteObjectEnd(changed);
        await EndRecordAsync(cancellation);
    }

    /// <summary>Ends the file.</summary>
    public async ValueTask<ExportTotals> EndAsync(CancellationToken cancellation)
    {
        var totals = new ExportTotals(_objects, _pages, _changed);
        Begin(RecordKind.End);
        WriteTotals(totals);
        await EndRecordAsync(cancellation);
        await output.FlushAsync(cancellation);
        return totals;
    }

    private void WritePool(ExportedPool pool)
    {
        var writer = new BodyWriter(_record);
        PoolCodec.WriteOptions(ref writer, pool.Options);
        writer.UInt32(pool.Frozen ? ExportFormat.FrozenBit : 0);
        writer.UInt64((ulong)new DateTimeOffset(pool.CreatedUtc, TimeSpan.Zero).ToUnixTimeMilliseconds());
        writer.String(pool.Name);
        writer.String(pool.Tenant);
        writer.String(pool.Agent);
    }

    private void WriteObjectEnd(bool changed)
    {
        var writer = new BodyWriter(_record);
        writer.UInt64(_objectPages);
        writer.UInt32(changed ? ExportFormat.ChangedBit : 0);
    }

    private void WriteTotals(ExportTotals totals)
    {
        var writer = new BodyWriter(_record);
        writer.UInt64(totals.Objects);
        writer.UInt64(totals.Pages);
        writer.UInt64(totals.ChangedObjects);
    }

    private void AddPages(ReadOnlySpan<uint> indexes, BatchBits hits, ReadOnlySpan<byte> pages)
    {
        var writer = new BodyWriter(_record);
        writer.UInt32((uint)hits.Count);
        for (var i = 0; i < indexes.Length; i++)
        {
            if (!hits[i]) continue;
            var stored = ExportFormat.Store(pages.Slice(i * _pageSizeBytes, _pageSizeBytes), out var codec);
            writer.UInt32(indexes[i]);
            writer.UInt32((uint)codec);
            writer.UInt32((uint)stored.Length);
            writer.UInt32(0);
            writer.UInt64(ExportFormat.PageChecksum(_poolChecksum, _object, indexes[i], _pageSizeBytes, codec, stored));
        }

        for (var i = 0; i < indexes.Length; i++)
            if (hits[i]) _record.Write(ExportFormat.Store(pages.Slice(i * _pageSizeBytes, _pageSizeBytes), out _));
    }

    private void Begin(RecordKind kind)
    {
        _record.ResetWrittenCount();
        var writer = new BodyWriter(_record);
        writer.UInt32((byte)kind);
        // The length follows once it is known.
        writer.UInt32(0);
    }

    private async ValueTask EndRecordAsync(CancellationToken cancellation)
    {
        var bytes = MemoryMarshal.TryGetArray(_record.WrittenMemory, out var segment) ? segment : throw new InvalidOperationException("the record has no array");
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4), _record.WrittenCount - ExportFormat.RecordHeadBytes);
        _last = ExportFormat.RecordChecksum(_last, _record.WrittenSpan);
        new BodyWriter(_record).UInt64(_last);
        await output.WriteAsync(_record.WrittenMemory, cancellation);
        Bytes += _record.WrittenCount;
    }
}
