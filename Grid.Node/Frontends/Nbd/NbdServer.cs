using System.Collections.Concurrent;
using Grid.Client;
using Grid.Client.Frontends;
using Grid.Node.Frontends.Nbd.Origins;
using Grid.Node.Gateway;
using Grid.Node.Hosting;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Frontends.Nbd;

/// <summary>Makes a short way to those objects of a pool that live on this node.</summary>
/// <param name="pool">The pool.</param>
/// <param name="mostRequests">How many may be under way at a time.</param>
/// <param name="caller">Who asks.</param>
internal delegate NearPages NearWay(Pool pool, int mostRequests, INearCaller caller);

/// <summary>Serves the grid's exports to NBD clients: the connections, the exports that are open, and their end.</summary>
internal sealed class NbdServer : IAsyncDisposable
{
    /// <summary>How soon connections to an export that was removed are closed.</summary>
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromSeconds(2);

    private readonly GridClient _client;
    private readonly NbdExports _exports;
    private readonly OriginOpener _origins;
    private readonly ILogger _log;
    private readonly CancellationTokenSource _stopping = new();
    private readonly ConcurrentDictionary<NbdConnection, Task> _connections = new();
    private readonly ConcurrentDictionary<ulong, ExportRun> _runs = new();
    private readonly KeyedLocks<ulong> _opening = new();
    private readonly Task _watching;
    private int _open;

    /// <summary>A server.</summary>
    /// <param name="settings">Its settings.</param>
    /// <param name="tls">Its certificate; null: it speaks no TLS.</param>
    /// <param name="client">The way to the grid; closed with the server.</param>
    /// <param name="near">Makes the short way to the objects of this node.</param>
    /// <param name="countMemory">Told how many bytes requests hold.</param>
    /// <param name="log">The log.</param>
    public NbdServer(NbdSettings settings, NbdTls? tls, GridClient client, NearWay near, Action<long> countMemory, ILogger log)
    {
        (Settings, Tls, _client, Near, _log) = (settings, tls, client, near, log);
        _exports = new NbdExports(client);
        _origins = new OriginOpener(settings, _exports, log);
        Budget = new ByteBudget(settings.BufferBytes, countMemory);
        _watching = WatchAsync();
    }

    /// <summary>Its settings.</summary>
    public NbdSettings Settings { get; }

    /// <summary>Its certificate.</summary>
    public NbdTls? Tls { get; }

    /// <summary>Makes the short way to the objects of this node.</summary>
    public NearWay Near { get; }

    /// <summary>The bytes that all connections' requests share.</summary>
    public ByteBudget Budget { get; }

    /// <summary>Fires when the node stops.</summary>
    public CancellationToken Stopping => _stopping.Token;

    /// <summary>Serves a connection until it ends.</summary>
    public async Task OnConnectedAsync(ConnectionContext context)
    {
        try
        {
            if (Interlocked.Increment(ref _open) > Settings.MaxConnections)
            {
                _log.LogWarning("NBD connection of {Client} refused: {Count} are open, the most that grid.nbd.max-connections allows", context.RemoteEndPoint, Settings.MaxConnections);
                return;
            }

            if (Stopping.IsCancellationRequested) return;
            var connection = new NbdConnection(this, context, _log);
            var running = connection.RunAsync();
            _connections[connection] = running;
            await running.ConfigureAwait(false);
            _connections.TryRemove(connection, out _);
        }
        finally
        {
            Interlocked.Decrement(ref _open);
        }
    }

    /// <summary>The exports there are.</summary>
    /// <exception cref="GridException">They cannot be read.</exception>
    public ValueTask<IReadOnlyList<NbdExport>> ListAsync(CancellationToken cancellation) => _exports.ListAsync(cancellation);

    /// <summary>Opens an export, once nothing is under way any more for connections to it that this node has lost.</summary>
    /// <exception cref="GridException">Its pool or its origin cannot be opened.</exception>
    public async Task<ExportRun> OpenAsync(NbdExport export, CancellationToken cancellation)
    {
        var run = await RunAsync(export, cancellation).ConfigureAwait(false);
        await run.SettledAsync(cancellation).ConfigureAwait(false);
        return run;
    }

    /// <summary>What clients are told of an export.</summary>
    /// <param name="export">Its definition.</param>
    /// <param name="isAsked">Whether it is this one that is asked for: then its origin is looked at.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="GridException">Its pool or its origin cannot be opened.</exception>
    public async ValueTask<ExportFacts> FactsAsync(NbdExport export, bool isAsked, CancellationToken cancellation)
    {
        var text = $"pages of {export.PageSizeBytes} bytes in pool '{export.Pool}' of a grid";
        if (export.Origin is null) return new ExportFacts(export.Name, (ulong)export.SizeBytes, export.ReadOnly, export.PageSizeBytes, text);
        var run = isAsked ? await RunAsync(export, cancellation).ConfigureAwait(false) : null;
        return new ExportFacts(export.Name, (ulong)(run?.Export.SizeBytes ?? export.SizeBytes), export.ReadOnly, export.PageSizeBytes, $"{text}, before {export.Origin.Location}")
        {
            MinBlockBytes = Math.Max(NbdLimits.MinBlockBytes, run?.Device is OriginDevice device ? device.MinBlockBytes : 0),
            HasFastZero = false,
        };
    }

    /// <summary>Has the connections take no more requests, answer those they have, and end.</summary>
    /// <param name="cancellation">Cuts what is left.</param>
    public async Task StopAsync(CancellationToken cancellation)
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        try
        {
            await Task.WhenAll(_connections.Values).WaitAsync(cancellation).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            foreach (var connection in _connections.Keys) connection.Cut();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync().ConfigureAwait(false);
        foreach (var connection in _connections.Keys) connection.Cut();
        await _watching.ConfigureAwait(false);
        await _client.DisposeAsync().ConfigureAwait(false);
        await Task.WhenAll(_connections.Values).ConfigureAwait(false);
        foreach (var run in _runs.Values) run.Device.Dispose();
        _stopping.Dispose();
    }

    private async Task<ExportRun> RunAsync(NbdExport export, CancellationToken cancellation)
    {
        // Answered from the node's own view of the pools.
        var pool = await _client.OpenPoolAsync(export.Pool, cancellation).ConfigureAwait(false);
        using var held = await _opening.EnterAsync(export.Id, cancellation).ConfigureAwait(false);
        if (_runs.TryGetValue(export.Id, out var known) && known.Serves(export, pool)) return known;
        ExportRun run;
        if (export.Origin is null)
        {
            run = new ExportRun(export, pool, new ExportDevice(pool, Settings.RequestTimeout));
        }
        else
        {
            var (current, device) = await _origins.OpenAsync(export, pool, cancellation).ConfigureAwait(false);
            run = new ExportRun(current, pool, device);
        }

        _runs[export.Id] = run;
        if (known is not null) _ = known.RetireAsync();
        return run;
    }

    /// <summary>Closes the connections to exports that are gone: what they write would go to pages that nobody looks for there any more.</summary>
    private async Task WatchAsync()
    {
        using var timer = new PeriodicTimer(LookAgainAfter);
        try
        {
            while (await timer.WaitForNextTickAsync(Stopping).ConfigureAwait(false))
            {
                if (_connections.IsEmpty && _runs.IsEmpty) continue;
                try
                {
                    var ids = (await ListAsync(Stopping).ConfigureAwait(false)).Select(export => export.Id).ToHashSet();
                    foreach (var connection in _connections.Keys) connection.KeepIfServed(ids);
                    foreach (var id in _runs.Keys.Where(id => !ids.Contains(id)))
                        if (_runs.TryRemove(id, out var run)) _ = run.RetireAsync();
                }
                catch (GridException failure)
                {
                    _log.LogDebug(failure, "The exports could not be looked at; connections stay");
                }
            }
        }
        catch (OperationCanceledException) when (Stopping.IsCancellationRequested)
        {
            // The node stops.
        }
    }
}
