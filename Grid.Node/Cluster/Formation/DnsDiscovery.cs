using System.Net;
using System.Net.Sockets;
using Akka.Actor;
using Akka.Configuration;
using Akka.Discovery;

namespace Grid.Node.Cluster.Formation;

/// <summary>
/// Akka's discovery over the A and AAAA records of a name: Akka.Discovery has none of its own. A name that does not exist has no addresses. The port is that of
/// <c>akka.discovery.grid-dns.port</c>, the same for all.
/// </summary>
internal sealed class DnsDiscovery : ServiceDiscovery
{
    private readonly int _port;

    /// <summary>Created by Akka, from its configuration.</summary>
    public DnsDiscovery(ExtendedActorSystem system, Config config) => _port = config.GetInt("port");

    /// <inheritdoc/>
    public override async Task<Resolved> Lookup(Lookup lookup, TimeSpan resolveTimeout)
    {
        try
        {
            var addresses = await Dns.GetHostAddressesAsync(lookup.ServiceName).WaitAsync(resolveTimeout);
            return new Resolved(lookup.ServiceName, addresses.Distinct().Select(Target));
        }
        catch (SocketException e) when (e.SocketErrorCode is SocketError.HostNotFound or SocketError.NoData)
        {
            return new Resolved(lookup.ServiceName);
        }
    }

    private ResolvedTarget Target(IPAddress address)
    {
        var host = address.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{address}]" : address.ToString();
        return new ResolvedTarget(host, _port, address);
    }
}
