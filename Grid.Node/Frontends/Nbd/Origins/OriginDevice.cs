using Grid.Client;
using Grid.Protocol;

namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>
/// A device whose bytes are in an origin, and pages of which are in an ephemeral pool: reads find them there or put them on the way, writes go through. Any number of nodes may serve it: <see cref="UnitReader"/> and
/// <see cref="UnitWriter"/> say why nobody reads an old page. A grid that fails makes reads slower, never wrong; writes wait for it, for what others have could not be invalidated.
/// </summary>
internal sealed class OriginDevice : IExportDevice
{
    /// <summary>Units that are fetched at a time, each with a buffer.</summary>
    private const int FetchesAtOnce = 64;

    private readonly Pool _pool;
    private readonly IDeviceOrigin _origin;
    private readonly TimeSpan _timeout;
    private readonly ExportLayout _layout;
    private readonly UnitMap _map;
    private readonly UnitReader _reader;
    private readonly UnitWriter _writer;
    private readonly SemaphoreSlim _fetches = new(FetchesAtOnce, FetchesAtOnce);

    /// <summary>A device.</summary>
    /// <param name="pool">The pool.</param>
    /// <param name="export">The export.</param>
    /// <param name="origin">Its origin; disposed of with the device.</param>
    /// <param name="timeout">How long a request may take.</param>
    /// <param name="limits">How long is waited for what within it.</param>
    public OriginDevice(Pool pool, NbdExport export, IDeviceOrigin origin, TimeSpan timeout, OriginLimits limits)
    {
        (_pool, _origin, _timeout) = (pool, origin, timeout);
        _layout = new ExportLayout(pool.PageSizeBytes, export.Id);
        _map = new UnitMap(pool.PageSizeBytes, export.SizeBytes, export.Id);
        _reader = new UnitReader(pool, _map, origin, limits);
        _writer = new UnitWriter(pool, _map, timeout);
    }

    /// <summary>What offsets and lengths must be multiples of.</summary>
    public int MinBlockBytes => _origin.MinBlockBytes;

    public async ValueTask<bool> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        var clock = new RequestClock(_timeout);
        await PieceWork.EachAsync(_layout.Split(offset, destination.Length, _layout.BatchPages), piece => ReadPieceAsync(piece, destination.Slice((int)piece.At, piece.Bytes), clock, cancellation), cancellation).ConfigureAwait(false);
        return true;
    }

    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> data, CancellationToken cancellation)
    {
        RequireBlocks(offset, data.Length);
        var clock = new RequestClock(_timeout);
        return PieceWork.EachAsync(_map.Split(offset, data.Length), piece =>
        {
            var part = data.Slice((int)piece.At, piece.Bytes);
            return _writer.WriteAsync(piece, part, () => _origin.WriteAsync(piece.Offset, part, clock), clock, cancellation);
        }, cancellation);
    }

    public ValueTask ZeroAsync(long offset, long length, bool keepsPages, CancellationToken cancellation)
    {
        RequireBlocks(offset, length);
        var clock = new RequestClock(_timeout);
        return PieceWork.EachAsync(
            _map.Split(offset, length), piece => _writer.WriteAsync(piece, null, () => _origin.ZeroAsync(piece.Offset, piece.Bytes, keepsPages, clock), clock, cancellation), cancellation);
    }

    public ValueTask<IReadOnlyList<Extent>> StatusAsync(long offset, uint length, CancellationToken cancellation) => _origin.StatusAsync(offset, length, new RequestClock(_timeout), cancellation);

    public ValueTask FlushAsync(CancellationToken cancellation) => _origin.FlushAsync(new RequestClock(_timeout), cancellation);

    public void Dispose()
    {
        _origin.Dispose();
        _fetches.Dispose();
    }

    private async ValueTask ReadPieceAsync(Piece piece, Memory<byte> destination, RequestClock clock, CancellationToken cancellation) =>
        await PieceWork.ReadAsync(
            piece,
            _map.PageBytes,
            destination,
            async pages =>
            {
                await ReadPagesAsync(piece, pages, clock, cancellation).ConfigureAwait(false);
                return true;
            }).ConfigureAwait(false);

    private async ValueTask ReadPagesAsync(Piece piece, Memory<byte> pages, RequestClock clock, CancellationToken cancellation)
    {
        var hits = await GetAsync(piece, pages, cancellation).ConfigureAwait(false);
        if (hits.Count == piece.Pages) return;
        var missing = Enumerable.Range(0, piece.Pages).Where(page => !hits[page]).GroupBy(page => _map.UnitOf((int)piece.First + page));
        await PieceWork.EachAsync(missing, async unit =>
        {
            var (first, last) = (unit.First(), unit.Last());
            await _fetches.WaitAsync(cancellation).ConfigureAwait(false);
            try
            {
                var inUnit = (int)piece.First + first - (unit.Key * _map.UnitPages);
                await _reader.ReadAsync((long)piece.Object.Word1, new UnitId(piece.Object, unit.Key), inUnit, pages.Slice(first * _map.PageBytes, (last - first + 1) * _map.PageBytes), clock, cancellation).ConfigureAwait(false);
            }
            finally
            {
                _fetches.Release();
            }
        }, cancellation).ConfigureAwait(false);
    }

    /// <summary>Gets what the pool has of a piece; of an object for which the grid has just failed, nothing.</summary>
    private async ValueTask<BatchBits> GetAsync(Piece piece, Memory<byte> pages, CancellationToken cancellation)
    {
        if (_reader.IsPaused(piece.Object)) return default;
        try
        {
            var indexes = new uint[piece.Pages];
            for (var i = 0; i < indexes.Length; i++) indexes[i] = piece.First + (uint)i;
            var got = await _pool.GetBatchAsync(piece.Object, indexes, pages, GetMode.Keep, onlyIf: null, _reader.Call(piece.Object), cancellation).ConfigureAwait(false);
            _reader.Trust(piece.Object);
            return got.Hits;
        }
        catch (GridException)
        {
            _reader.Suspect(piece.Object);
            return default;
        }
    }

    private void RequireBlocks(long offset, long length)
    {
        if (offset % MinBlockBytes != 0 || length % MinBlockBytes != 0) throw new NbdException(NbdError.Invalid, $"the origin is written in blocks of {MinBlockBytes} bytes");
    }
}
