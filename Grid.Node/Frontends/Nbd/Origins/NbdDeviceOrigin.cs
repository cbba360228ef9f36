using Grid.Client;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>
/// Another NBD server's export as an origin. A connection that is lost is made anew, and what was under way is asked again, until a request's time is over: it may be done twice, which does a block
/// device no harm (<see cref="RequestClock"/>).
/// </summary>
internal sealed class NbdDeviceOrigin : IDeviceOrigin
{
    private static readonly TimeSpan OpenTimeout = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(200);
    private readonly string _location;
    private readonly (string Host, int Port, string Export) _server;
    private readonly bool _writes;
    private readonly TimeSpan _keepAlive;
    private readonly ILogger _log;
    private readonly Lock _gate = new();
    private readonly OriginTerms _terms;
    private OriginLink _link;
    private Task<OriginLink>? _opening;
    private bool _isDisposed;

    private NbdDeviceOrigin(NbdOrigin origin, (string Host, int Port, string Export) server, bool writes, TimeSpan keepAlive, OriginLink link, ILogger log) =>
        (_location, _server, _writes, _keepAlive, _link, _terms, _log) = (origin.Location, server, writes, keepAlive, link, link.Terms, log);

    public long SizeBytes => _terms.SizeBytes;

    public string Seal => FormattableString.Invariant($"export of {SizeBytes} bytes");

    public int MinBlockBytes => _terms.MinBlockBytes;

    /// <summary>Connects.</summary>
    /// <param name="origin">The server and its export.</param>
    /// <param name="writes">Whether the device is written.</param>
    /// <param name="keepAlive">Silence after which TCP probes the server.</param>
    /// <param name="log">The log.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="IOException">The server cannot be had, or cannot be the origin of such a device; the message says why.</exception>
    public static async Task<NbdDeviceOrigin> OpenAsync(NbdOrigin origin, bool writes, TimeSpan keepAlive, ILogger log, CancellationToken cancellation)
    {
        if (!origin.TryServer(out var host, out var port, out var export)) throw new IOException($"'{origin.Location}' is not nbd://HOST[:PORT]/EXPORT");
        var link = await ConnectAsync((host, port, export), writes, keepAlive, cancellation).ConfigureAwait(false);
        return new NbdDeviceOrigin(origin, (host, port, export), writes, keepAlive, link, log);
    }

    public async ValueTask ReadAsync(long offset, Memory<byte> destination, RequestClock clock, CancellationToken cancellation)
    {
        for (var at = 0; at < destination.Length;)
        {
            var bytes = Math.Min(destination.Length - at, _terms.MaxBlockBytes);
            var (begin, part) = (offset + at, destination.Slice(at, bytes));
            await AskAsync(() => new OriginRequest(NbdCommand.Read, CommandFlags.None, begin, (uint)bytes) { Destination = part }, clock, cancellation).ConfigureAwait(false);
            at += bytes;
        }
    }

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> data, RequestClock clock)
    {
        for (var at = 0; at < data.Length;)
        {
            var bytes = Math.Min(data.Length - at, _terms.MaxBlockBytes);
            var (begin, part) = (offset + at, data.Slice(at, bytes));
            await AskAsync(() => new OriginRequest(NbdCommand.Write, CommandFlags.None, begin, (uint)bytes) { Data = part }, clock, CancellationToken.None).ConfigureAwait(false);
            at += bytes;
        }
    }

    public async ValueTask ZeroAsync(long offset, int bytes, bool keepsPages, RequestClock clock)
    {
        if (!_terms.Can(TransmissionFlags.SendWriteZeroes))
        {
            await WriteAsync(offset, new byte[bytes], clock).ConfigureAwait(false);
            return;
        }

        var flags = keepsPages ? CommandFlags.NoHole : CommandFlags.None;
        await AskAsync(() => new OriginRequest(NbdCommand.WriteZeroes, flags, offset, (uint)bytes), clock, CancellationToken.None).ConfigureAwait(false);
    }

    public async ValueTask FlushAsync(RequestClock clock, CancellationToken cancellation)
    {
        // A server that has no flush has nothing that it would keep back.
        if (_terms.Can(TransmissionFlags.SendFlush)) await AskAsync(() => new OriginRequest(NbdCommand.Flush, CommandFlags.None, 0, 0), clock, cancellation).ConfigureAwait(false);
    }

    public async ValueTask<IReadOnlyList<Extent>> StatusAsync(long offset, uint length, RequestClock clock, CancellationToken cancellation)
    {
        const uint Most = 1 << 30;
        var bytes = Math.Min(length, Most);
        if (_terms.Allocation is null || offset % MinBlockBytes != 0 || bytes % MinBlockBytes != 0) return [new Extent(bytes, ExtentState.Allocated)];
        var answered = await AskAsync(() => new OriginRequest(NbdCommand.BlockStatus, CommandFlags.None, offset, bytes), clock, cancellation).ConfigureAwait(false);
        return answered.Extents;
    }

    public void Dispose()
    {
        Volatile.Write(ref _isDisposed, true);
        lock (_gate) _link.Dispose();
    }

    private static async Task<OriginLink> ConnectAsync((string Host, int Port, string Export) server, bool writes, TimeSpan keepAlive, CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(OpenTimeout);
        OriginLink link;
        try
        {
            link = await OriginLink.OpenAsync(server.Host, server.Port, server.Export, keepAlive, patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw new IOException($"no handshake within {OpenTimeout.TotalSeconds:0} s");
        }

        if (Unfit(link.Terms, writes) is not { } why) return link;
        link.Dispose();
        throw new NbdPeerException(why, isFinal: true);
    }

    private static string? Unfit(OriginTerms terms, bool writes)
    {
        if (!writes) return null;
        if (terms.Can(TransmissionFlags.ReadOnly)) return "it is read-only: make the export with --read-only";
        // Without it a server need not show one connection what another has written, nor flush it: nodes have a connection each.
        return terms.Can(TransmissionFlags.CanMultiConn) ? null : "it does not promise that its connections see each other's writes (can_multi_conn), as several nodes need: have it do so, or make the export with --read-only";
    }

    private async ValueTask<OriginRequest> AskAsync(Func<OriginRequest> make, RequestClock clock, CancellationToken cancellation)
    {
        while (true)
        {
            // One given up may be written to no more; so each attempt is a request of its own.
            var request = make();
            string why;
            try
            {
                var link = await LinkAsync().WaitAsync(clock.Left, cancellation).ConfigureAwait(false);
                await link.AskAsync(request, clock.Left, cancellation).ConfigureAwait(false);
                return request;
            }
            catch (NbdException e)
            {
                throw new NbdException(e.Error, $"origin {_location}: {request.Command} of {request.LengthBytes} bytes at {request.Offset}: {e.Message}");
            }
            catch (TimeoutException e)
            {
                // Of the server or of the attempt to connect to it.
                throw new NbdException(NbdError.Io, $"origin {_location}: {request.Command} of {request.LengthBytes} bytes at {request.Offset}: {e.Message}");
            }
            catch (NbdPeerException e) when (e.IsFinal)
            {
                throw new NbdException(NbdError.Io, $"origin {_location}: {e.Message}");
            }
            catch (IOException e)
            {
                why = e.Message;
            }

            if (clock.IsOver || Volatile.Read(ref _isDisposed)) throw new NbdException(NbdError.Io, $"origin {_location} cannot be reached: {why}");
            await Task.Delay(clock.Left < Pause ? clock.Left : Pause, cancellation).ConfigureAwait(false);
        }
    }

    /// <summary>The connection, made anew where it is lost; by one for all.</summary>
    private Task<OriginLink> LinkAsync()
    {
        lock (_gate)
        {
            if (!_link.IsLost) return Task.FromResult(_link);
            if (_opening is null || _opening.IsCompleted) _opening = OpenAgainAsync();
            return _opening;
        }
    }

    private async Task<OriginLink> OpenAgainAsync()
    {
        await Task.Yield();
        if (Volatile.Read(ref _isDisposed)) throw new IOException("the export was closed");
        var link = await ConnectAsync(_server, _writes, _keepAlive, CancellationToken.None).ConfigureAwait(false);
        if (link.Terms.SizeBytes != SizeBytes || link.Terms.MinBlockBytes > MinBlockBytes)
        {
            link.Dispose();
            throw new NbdPeerException($"it has {link.Terms.SizeBytes} bytes in blocks of {link.Terms.MinBlockBytes} now, it had {SizeBytes} in blocks of {MinBlockBytes}", isFinal: true);
        }

        _log.LogInformation("Connected again to origin {Origin}", _location);
        lock (_gate) _link = link;
        if (Volatile.Read(ref _isDisposed)) link.Dispose();
        return link;
    }
}
