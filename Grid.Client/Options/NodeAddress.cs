using System.Globalization;

namespace Grid.Client;

/// <summary>Where a node listens: a host name or IP address, and a port.</summary>
internal readonly record struct NodeAddress(string Host, int Port)
{
    /// <summary>Parses <c>host:port</c>, <c>[ipv6]:port</c>, or either without a port.</summary>
    /// <exception cref="ArgumentException">The text is something else.</exception>
    public static NodeAddress Parse(string text) => TryParse(text, out var address)
        ? address
        : throw new ArgumentException($"'{text}' is not an address: host:port or [ipv6]:port is expected, the port 1 to 65535.", nameof(text));

    /// <summary>Parses; false where the text is no address.</summary>
    public static bool TryParse(string? text, out NodeAddress address)
    {
        address = default;
        if (string.IsNullOrEmpty(text)) return false;
        string host;
        string rest;
        if (text[0] == '[')
        {
            var close = text.IndexOf(']', StringComparison.Ordinal);
            if (close < 0) return false;
            host = text[1..close];
            rest = text[(close + 1)..];
            if (!System.Net.IPAddress.TryParse(host, out _)) return false;
        }
        else
        {
            var colon = text.IndexOf(':', StringComparison.Ordinal);
            host = colon < 0 ? text : text[..colon];
            rest = colon < 0 ? "" : text[colon..];
            if (Uri.CheckHostName(host) == UriHostNameType.Unknown) return false;
        }

        var port = GridClientOptions.DefaultPort;
        if (rest.Length > 0
            && (rest[0] != ':' || !int.TryParse(rest.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out port) || port is < 1 or > 65535))
            return false;
        address = new NodeAddress(host, port);
        return true;
    }

    /// <summary><c>host:port</c>, an IPv6 host in brackets.</summary>
    public override string ToString() => Host.Contains(':', StringComparison.Ordinal)
        ? string.Create(CultureInfo.InvariantCulture, $"[{Host}]:{Port}")
        : string.Create(CultureInfo.InvariantCulture, $"{Host}:{Port}");
}
