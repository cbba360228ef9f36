using System.Buffers;
using System.Numerics;
using Grid.Protocol;

namespace Grid.Client.Frontends;

/// <summary>
/// A file that is slow to read (on a far disk, behind HTTP), read through an ephemeral pool: any number of processes on any number of hosts that open it with the same pool share one cache of its pages. What is
/// missing there is read from the origin and put on the way. Nobody reads an old page: of an origin with versions each content has pages of its own, and a writer invalidates before and after it writes through.
/// Safe for use by any number of threads at once.
/// </summary>
/// <remarks>A grid that fails makes reads slower, never wrong: they go to the origin. A write fails then, for what others have cached could not be invalidated.</remarks>
public sealed class CachedFile : IAsyncDisposable
{
    private readonly Pool _pool;
    private readonly IOrigin _origin;
    private readonly SegmentReader _reader;
    private readonly SegmentWriter _writer;
    private readonly CachedFileCounts _counts;
    private volatile View _view;

    private CachedFile(Pool pool, IOrigin origin, OriginState state, CachedFileOptions options)
    {
        _pool = pool;
        _origin = origin;
        _counts = new CachedFileCounts(new Pause(options.PauseAfterFailure, options.Time));
        _reader = new SegmentReader(pool, origin, options, _counts);
        _writer = new SegmentWriter(pool, origin, options);
        _view = ViewOf(state);
    }

    /// <summary>Its length, as far as this process knows: of an origin that others write too it may be longer.</summary>
    public long LengthBytes => _view.State.LengthBytes;

    /// <summary>Whether it can be written.</summary>
    public bool CanWrite => _origin.IsWritable;

    /// <summary>What it has read from where.</summary>
    public CachedFileCounters Counters => _counts.Snapshot;

    /// <summary>Opens a file.</summary>
    /// <param name="pool">An ephemeral pool, shared unless this process alone reads the file. Any number of files may use it.</param>
    /// <param name="origin">Where its bytes come from; the file disposes it. All that share its pages must use the same kind of origin with the same name.</param>
    /// <param name="options">How to use the grid.</param>
    /// <param name="cancellationToken">Gives the attempt up.</param>
    /// <exception cref="ArgumentException">The pool is persistent, an option is out of range, or the file is longer than half of the index range: 8 TiB with pages of 4 KiB.</exception>
    /// <exception cref="IOException">The origin failed.</exception>
    public static async ValueTask<CachedFile> OpenAsync(Pool pool, IOrigin origin, CachedFileOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pool);
        ArgumentNullException.ThrowIfNull(origin);
        options ??= new CachedFileOptions();
        if (pool.Info.Options.Kind != PoolKind.Ephemeral)
            throw new ArgumentException($"Pool {pool.Name} is persistent: cached pages would fill it and never make room. Create it ephemeral and shared.", nameof(pool));
        if (options.FetchPages is < 1 or > 64 || !BitOperations.IsPow2(options.FetchPages))
            throw new ArgumentOutOfRangeException(nameof(options), options.FetchPages, "FetchPages must be a power of two from 1 to 64.");
        return new CachedFile(pool, origin, await origin.StatAsync(cancellationToken).ConfigureAwait(false), options);
    }

    /// <summary>Reads.</summary>
    /// <param name="offset">The first byte, 0 or more.</param>
    /// <param name="destination">Where to. It is filled, unless the file ends.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>How many bytes were read; 0 at and past the end.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The offset is negative.</exception>
    /// <exception cref="OriginChangedException">The origin has other content now.</exception>
    /// <exception cref="IOException">The origin failed.</exception>
    public async ValueTask<int> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        var view = _view;
        if (_origin.IsWritable && offset + destination.Length > view.State.LengthBytes)
        {
            await RefreshAsync(cancellationToken).ConfigureAwait(false);
            view = _view;
        }

        var bytes = (int)Math.Min(destination.Length, Math.Max(0, view.State.LengthBytes - offset));
        for (var done = 0; done < bytes;)
        {
            var at = offset + done;
            var piece = (int)Math.Min(bytes - done, SegmentMap.SegmentBytes - (at % SegmentMap.SegmentBytes));
            await ReadPieceAsync(view, at, destination.Slice(done, piece), cancellationToken).ConfigureAwait(false);
            done += piece;
        }

        return bytes;
    }

    /// <summary>Writes through: to the origin, with the pages invalidated before and after. When it has returned, everybody reads the new bytes.</summary>
    /// <param name="offset">The first byte, 0 or more; past the end the file grows.</param>
    /// <param name="data">The bytes.</param>
    /// <param name="cancellationToken">Gives the call up; part of the bytes may have been written.</param>
    /// <exception cref="NotSupportedException">The origin cannot be written.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The offset is negative, or the file would be too long.</exception>
    /// <exception cref="GridException">An invalidation was not acknowledged. The message says how far it came; repeat the write.</exception>
    /// <exception cref="IOException">The origin failed; part of the bytes may have been written.</exception>
    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> data, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        if (!_origin.IsWritable) throw new NotSupportedException($"{_origin.Name} was opened for reading.");
        var map = _view.Map;
        if (offset + data.Length > map.LengthMaxBytes) throw new ArgumentOutOfRangeException(nameof(offset), offset, $"A file has at most {map.LengthMaxBytes} bytes.");
        for (var done = 0; done < data.Length;)
        {
            var at = offset + done;
            var piece = (int)Math.Min(data.Length - done, SegmentMap.SegmentBytes - (at % SegmentMap.SegmentBytes));
            await _writer.WriteAsync(map, at, data.Slice(done, piece), cancellationToken).ConfigureAwait(false);
            done += piece;
            Grow(at + piece);
        }
    }

    /// <summary>Asks the origin how it is now, and goes on with that.</summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>Whether it has other content (or, of a writable one, another length) than before.</returns>
    /// <exception cref="IOException">The origin failed.</exception>
    public async ValueTask<bool> RefreshAsync(CancellationToken cancellationToken = default)
    {
        var before = _view.State;
        var now = await _origin.StatAsync(cancellationToken).ConfigureAwait(false);
        if (now == before) return false;
        if (_origin.IsWritable) Grow(now.LengthBytes);
        else _view = ViewOf(now);
        return now.Version != before.Version || now.LengthBytes != before.LengthBytes;
    }

    /// <summary>A stream over the file, at its beginning: seekable, writable if the file is. It is read and written asynchronously only. Disposing it leaves the file open.</summary>
    public Stream OpenStream() => new CachedFileStream(this);

    /// <summary>Disposes the origin. Pages stay in the grid for others.</summary>
    public ValueTask DisposeAsync() => _origin.DisposeAsync();

    private async ValueTask ReadPieceAsync(View view, long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        var pageSize = _pool.PageSizeBytes;
        var segment = SegmentMap.SegmentOf(offset);
        var inSegment = (int)(offset % SegmentMap.SegmentBytes);
        var first = inSegment / pageSize;
        var pages = ((inSegment + destination.Length - 1) / pageSize) - first + 1;
        var rented = ArrayPool<byte>.Shared.Rent(pages * pageSize);
        try
        {
            await _reader.ReadAsync(view.State, view.Map, segment, first, rented.AsMemory(0, pages * pageSize), cancellationToken).ConfigureAwait(false);
            rented.AsMemory(inSegment - (first * pageSize), destination.Length).CopyTo(destination);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(rented);
        }
    }

    private View ViewOf(OriginState state)
    {
        var map = new SegmentMap(_origin.Name, state.Version, _pool.PageSizeBytes);
        if (state.LengthBytes > map.LengthMaxBytes)
            throw new ArgumentException($"{_origin.Name} has {state.LengthBytes} bytes; with pages of {_pool.PageSizeBytes} bytes {map.LengthMaxBytes} is the most.");
        return new View(state, map);
    }

    /// <summary>A file that is written through here never shrinks.</summary>
    private void Grow(long lengthBytes)
    {
        lock (_counts)
        {
            if (lengthBytes > _view.State.LengthBytes) _view = _view with { State = _view.State with { LengthBytes = lengthBytes } };
        }
    }

    private sealed record View(OriginState State, SegmentMap Map);
}
