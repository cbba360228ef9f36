using System.Net;
using System.Net.Sockets;
using Grid.Node.Gateway;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Hosting;

/// <summary>
/// Kestrel listening for the data plane, in a server of its own: it stops accepting while health and metrics go on answering.
/// </summary>
internal sealed class DataListener : IAsyncDisposable
{
    private readonly WebApplication _app;

    private DataListener(WebApplication app) => _app = app;

    /// <summary>The port it listens on.</summary>
    public int Port { get; private set; }

    /// <summary>Listens.</summary>
    /// <param name="settings">Where.</param>
    /// <param name="handler">What serves a connection.</param>
    /// <param name="countMemory">Told how many bytes the connections' buffers take.</param>
    /// <param name="loggers">The node's log.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="StartupException">The address cannot be had.</exception>
    public static async Task<DataListener> StartAsync(GatewaySettings settings, ConnectionDelegate handler, Action<long> countMemory, ILoggerFactory loggers, CancellationToken cancellation)
    {
        var endPoint = await Binding.ResolveAsync("grid.gateway.host", settings.Host, settings.Port, cancellation);
        var builder = Servers.CreateBuilder(loggers);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(endPoint, listen => listen.Use(_ => handler)));
        ServeInline(builder.Services, settings.KeepAlive, countMemory);
        var listener = new DataListener(builder.Build());
        try
        {
            await Binding.StartAsync(listener._app, "grid.gateway.host", endPoint, cancellation);
            listener.Port = Binding.Port(listener._app);
            return listener;
        }
        catch
        {
            await listener.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Stops accepting, asks every connection to end (its <c>ConnectionClosedRequested</c>) and waits until they have;
    /// what is left when <paramref name="cancellation"/> fires is cut.
    /// </summary>
    public Task StopAsync(CancellationToken cancellation)
    {
        return _app.StopAsync(cancellation);
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _app.DisposeAsync();

    /// <summary>How sockets are served over which pages go.</summary>
    /// <param name="services">The server's.</param>
    /// <param name="keepAlive">How soon silent ones are probed.</param>
    /// <param name="countMemory">Told how many bytes the connections' buffers take.</param>
    internal static void ServeInline(IServiceCollection services, TimeSpan keepAlive, Action<long> countMemory)
    {
        services.AddSingleton<IMemoryPoolFactory<byte>>(new BlockPool.Factory(countMemory));
        services.Configure<SocketTransportOptions>(transport =>
        {
            transport.CreateBoundListenSocket = at => Listen(at, keepAlive);
            // A request is read, served and answered on the thread that the kernel woke for it (see InlineSockets); a hop to another costs more than the request.
            transport.UnsafePreferInlineScheduling = true;
            // Saves a system call a request; an idle connection holds a block for it, which counts against the memory limit.
            transport.WaitForDataBeforeAllocatingBuffer = false;
        });
    }

    // Accepted sockets inherit the options, so that a peer that vanished without a word does not hold its connection for ever.
    private static Socket Listen(EndPoint endPoint, TimeSpan keepAlive)
    {
        var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endPoint);
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, (int)keepAlive.TotalSeconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, Math.Max(1, (int)keepAlive.TotalSeconds / 6));
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
        return socket;
    }
}
