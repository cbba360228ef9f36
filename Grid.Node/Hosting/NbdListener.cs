using Grid.Client;
using Grid.Node.Frontends.Nbd;
using Grid.Node.Gateway;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Hosting;

/// <summary>
/// Kestrel listening for NBD clients, in a server of its own: it ends before the node leaves its cluster, so that what its clients have asked for is answered by a node that still serves.
/// </summary>
internal sealed class NbdListener : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly NbdSettings _settings;
    private readonly NbdTls? _tls;
    private readonly ILogger _log;
    private volatile NbdServer? _server;

    private NbdListener(NbdSettings settings, System.Net.IPEndPoint endPoint, Action<long> countMemory, ILoggerFactory loggers)
    {
        (_settings, _log) = (settings, loggers.CreateLogger("Grid.Nbd"));
        _tls = NbdTls.Load(settings.Tls);
        var builder = Servers.CreateBuilder(loggers);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(endPoint, listen => listen.Use(_ => ConnectAsync)));
        DataListener.ServeInline(builder.Services, settings.KeepAlive, countMemory);
        _app = builder.Build();
    }

    /// <summary>The port it listens on.</summary>
    public int Port { get; private set; }

    /// <summary>Listens; connections are closed at once until <see cref="ServeAsync"/>. Null where it is not enabled.</summary>
    /// <param name="settings">Where and how.</param>
    /// <param name="countMemory">Told how many bytes the connections' buffers take.</param>
    /// <param name="loggers">The node's log.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="StartupException">The address cannot be had, or a certificate not read.</exception>
    public static async Task<NbdListener?> StartAsync(NbdSettings settings, Action<long> countMemory, ILoggerFactory loggers, CancellationToken cancellation)
    {
        if (!settings.Enabled) return null;
        var endPoint = await Binding.ResolveAsync("grid.nbd.host", settings.Host, settings.Port, cancellation);
        var listener = new NbdListener(settings, endPoint, countMemory, loggers);
        try
        {
            await Binding.StartAsync(listener._app, "grid.nbd.host", endPoint, cancellation);
            listener.Port = Binding.Port(listener._app);
            return listener;
        }
        catch
        {
            await listener.DisposeAsync();
            throw;
        }
    }

    /// <summary>Serves from now on.</summary>
    /// <param name="dataAddress">Where this node serves data.</param>
    /// <param name="gateway">The short way to this node's objects.</param>
    /// <param name="countMemory">Told how many bytes requests hold.</param>
    /// <param name="cancellation">Gives up.</param>
    public async Task ServeAsync(string dataAddress, GatewayServices gateway, Action<long> countMemory, CancellationToken cancellation)
    {
        var client = await GridClient.ConnectAsync(new GridClientOptions { Addresses = [dataAddress], Timeout = _settings.RequestTimeout, Agent = "grid-node-nbd" }, cancellation);
        _server = new NbdServer(_settings, _tls, client, (pool, most, caller) => new NearPages(gateway, pool.Id, pool.PageSizeBytes, most, caller), countMemory, _log);
    }

    /// <summary>Accepts no more, answers what clients have asked for, and ends; what is left when <paramref name="cancellation"/> fires is cut.</summary>
    public async Task StopAsync(CancellationToken cancellation)
    {
        if (_server is { } server) await server.StopAsync(cancellation);
        await _app.StopAsync(cancellation);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_server is { } server) await server.DisposeAsync();
        await _app.DisposeAsync();
    }

    private Task ConnectAsync(ConnectionContext connection) => _server is { } server ? server.OnConnectedAsync(connection) : Task.CompletedTask;
}
