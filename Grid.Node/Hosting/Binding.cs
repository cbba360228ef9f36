using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Grid.Node.Hosting;

/// <summary>Addresses to listen on, and one clear line when one cannot be had.</summary>
internal static class Binding
{
    /// <summary>The end point of a host and port; a host name is looked up, IPv4 first.</summary>
    /// <param name="setting">The host's setting, for the error: <c>grid.gateway.host</c>.</param>
    /// <param name="host">Address or name.</param>
    /// <param name="port">Port.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<IPEndPoint> ResolveAsync(string setting, string host, int port, CancellationToken cancellation)
    {
        if (IPAddress.TryParse(host, out var address)) return new IPEndPoint(address, port);
        try
        {
            var addresses = await Dns.GetHostAddressesAsync(host, cancellation);
            return new IPEndPoint(addresses.OrderBy(found => found.AddressFamily).First(), port);
        }
        catch (Exception e) when (e is SocketException or InvalidOperationException)
        {
            throw new StartupException(ExitCodes.Surroundings, $"{setting}: {host} has no address: {e.Message}", e);
        }
    }

    /// <summary>Starts a server; its failure to get its address becomes one line.</summary>
    /// <param name="app">The server.</param>
    /// <param name="setting">The host's setting, for the error.</param>
    /// <param name="endPoint">Where it listens.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <param name="portSetting">The port's setting, where it is not the section's <c>port</c>.</param>
    public static async Task StartAsync(WebApplication app, string setting, IPEndPoint endPoint, CancellationToken cancellation, string? portSetting = null)
    {
        try
        {
            await app.StartAsync(cancellation);
        }
        catch (Exception e) when (Socket(e) is { } error)
        {
            throw Refused(setting, endPoint, error, e, portSetting);
        }
    }

    /// <summary><c>host:port</c>, an IPv6 address in brackets.</summary>
    /// <param name="host">An address, with or without brackets, or a name.</param>
    /// <param name="port">The port.</param>
    public static string Text(string host, int port) =>
        string.Create(CultureInfo.InvariantCulture, $"{(host.Contains(':', StringComparison.Ordinal) && host[0] != '[' ? $"[{host}]" : host)}:{port}");

    /// <summary>The port a started server has.</summary>
    public static int Port(WebApplication app)
    {
        var addresses = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses;
        return new Uri(addresses.First()).Port;
    }

    /// <summary>Sees whether an address can be had, for a listener whose own error is less clear.</summary>
    public static void Probe(string setting, IPEndPoint endPoint)
    {
        if (endPoint.Port == 0) return;
        try
        {
            using var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            socket.Bind(endPoint);
            socket.Listen(1);
        }
        catch (SocketException e)
        {
            throw Refused(setting, endPoint, e.SocketErrorCode, e);
        }
    }

    private static SocketError? Socket(Exception? error)
    {
        return error switch
        {
            null => null,
            AddressInUseException => SocketError.AddressAlreadyInUse,
            SocketException socket => socket.SocketErrorCode,
            _ => Socket(error.InnerException),
        };
    }

    private static StartupException Refused(string setting, IPEndPoint endPoint, SocketError error, Exception cause, string? portSetting = null)
    {
        var section = setting[..setting.LastIndexOf('.')];
        var port = portSetting ?? $"{section}.port";
        var line = error switch
        {
            SocketError.AddressAlreadyInUse => $"{port}: {endPoint} is in use by another process; stop it, or set another port (--set {port}=…)",
            SocketError.AddressNotAvailable => $"{setting}: {endPoint.Address} is not an address of this machine; set another one (--set {setting}=…)",
            SocketError.AccessDenied => $"{port}: this user may not listen on {endPoint}; set a port above 1023 (--set {port}=…)",
            _ => $"{section}: cannot listen on {endPoint}: {error}",
        };
        return new StartupException(ExitCodes.Surroundings, line, cause);
    }
}
