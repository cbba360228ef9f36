using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Grid.Cli.Swap;

/// <summary>The machine's TCP connections, as /proc/net/tcp tells; those that the kernel itself holds, as NBD's, are among them.</summary>
internal static class TcpConnections
{
    private const string Established = "01";

    /// <summary>How many there are to a server; null: nobody can tell.</summary>
    /// <param name="machine">The machine.</param>
    /// <param name="server">HOST:PORT.</param>
    public static int? To(HostMachine machine, string server)
    {
        var (host, port) = SwapOn.ParseServer(server);
        IPAddress[] addresses;
        try
        {
            addresses = Dns.GetHostAddresses(host);
        }
        catch (SocketException)
        {
            return null;
        }

        var texts = ((string[])["/proc/net/tcp", "/proc/net/tcp6"]).Select(machine.Read).OfType<string>().ToArray();
        if (texts.Length == 0) return null;
        return texts.SelectMany(text => text.Split('\n').Skip(1))
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Count(fields => fields.Length > 3 && fields[3] == Established && EndPoint(fields[2]) is { } remote && remote.Port == port && addresses.Contains(remote.Address));
    }

    /// <summary>Reads an address as the kernel writes it: each four bytes of it as one number of this machine, then the port.</summary>
    private static IPEndPoint? EndPoint(string text)
    {
        var parts = text.Split(':');
        if (parts.Length != 2 || parts[0].Length is not (8 or 32) || !ushort.TryParse(parts[1], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var port)) return null;
        var words = new uint[parts[0].Length / 8];
        for (var i = 0; i < words.Length; i++)
            if (!uint.TryParse(parts[0].AsSpan(i * 8, 8), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out words[i])) return null;
        var address = new IPAddress(MemoryMarshal.AsBytes(words));
        return new IPEndPoint(address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address, port);
    }
}
