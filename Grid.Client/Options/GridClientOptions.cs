namespace Grid.Client;

/// <summary>How a <see cref="GridClient"/> connects and what its calls take by default.</summary>
public sealed record GridClientOptions
{
    /// <summary>The port of an address that names none: 7070.</summary>
    public const int DefaultPort = 7070;

    /// <summary>
    /// Where to connect, <c>host:port</c> or <c>[ipv6]:port</c>, in the order in which they are tried; at least one. They are ways into one grid:
    /// the client connects to the first that answers and learns of the other nodes by itself.
    /// </summary>
    public required IReadOnlyList<string> Addresses { get; init; }

    /// <summary>Who owns the pools; <c>default</c> by default.</summary>
    public string Tenant { get; init; } = "default";

    /// <summary>What proves the tenant; empty by default. Never part of a text this library makes.</summary>
    public string Credential { get; init; } = "";

    /// <summary>The member name under which shared pools are joined and left; <c>default</c> by default.</summary>
    public string Member { get; init; } = "default";

    /// <summary>How long a call may take, waiting and retries included; 5 s by default; <see cref="System.Threading.Timeout.InfiniteTimeSpan"/> is no deadline.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long one attempt to connect may take, the hello's answer included; 5 s by default.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The most unanswered requests on a connection, 1 to 65535; 1024 by default. What the node grants is a bound as well.</summary>
    public int WindowRequests { get; init; } = 1024;

    /// <summary>The most body bytes of unanswered requests on a connection; 8 MiB by default. What the node grants is a bound as well; one request alone is always let through.</summary>
    public int WindowBytes { get; init; } = 8 << 20;

    /// <summary>Whether only <see cref="Addresses"/> can be reached (a load balancer, a port-forward): the node then forwards what it does not own. False by default.</summary>
    public bool SingleAddress { get; init; }

    /// <summary>The software's name in the node's log.</summary>
    public string Agent { get; init; } = "Grid.Client";

    /// <summary>For nodes among each other: a request that finds no connection fails at once instead of waiting for one.</summary>
    internal bool NeverWaitsForConnection { get; init; }

    /// <summary>The newest protocol version that is offered.</summary>
    internal ushort NewestVersion { get; init; } = Protocol.ProtocolLimits.MaxVersion;

    /// <summary>Parses <c>grid://host:port,host2:port?key=value&amp;…</c>.</summary>
    /// <remarks>
    /// Keys: <c>tenant</c>, <c>credential</c>, <c>member</c>; <c>timeout</c> and <c>connect-timeout</c> (a number with <c>ms</c>, <c>s</c> or <c>m</c>;
    /// <c>timeout=infinite</c>); <c>window</c> (requests); <c>single-address</c> (<c>true</c> or <c>false</c>). Values are percent-encoded.
    /// </remarks>
    /// <param name="connectionString">The text.</param>
    /// <exception cref="ArgumentException">A part makes no sense or a key is unknown; the message names it.</exception>
    public static GridClientOptions Parse(string connectionString) => ConnectionString.Parse(connectionString);

    /// <summary>Checks the options.</summary>
    /// <exception cref="ArgumentException">An option is out of range; the message names it.</exception>
    internal void Validate()
    {
        ArgumentNullException.ThrowIfNull(Addresses);
        if (Addresses.Count == 0) throw new ArgumentException("Addresses must name at least one node.", nameof(Addresses));
        foreach (var address in Addresses) _ = NodeAddress.Parse(address);
        RequireString(Tenant, nameof(Tenant), emptyAllowed: false);
        RequireString(Credential, nameof(Credential), emptyAllowed: true);
        RequireString(Member, nameof(Member), emptyAllowed: false);
        RequireString(Agent, nameof(Agent), emptyAllowed: true);
        Deadlines.RequireTimeout(Timeout, nameof(Timeout));
        Deadlines.RequireTimeout(ConnectTimeout, nameof(ConnectTimeout));
        if (WindowRequests is < 1 or > 65535) throw new ArgumentOutOfRangeException(nameof(WindowRequests), WindowRequests, "WindowRequests must be 1 to 65535.");
        if (WindowBytes < 1) throw new ArgumentOutOfRangeException(nameof(WindowBytes), WindowBytes, "WindowBytes must be at least 1.");
    }

    /// <summary>The addresses, tenant and member; never the credential.</summary>
    public override string ToString() => $"grid://{string.Join(',', Addresses)}?tenant={Tenant}&member={Member}";

    private static void RequireString(string value, string name, bool emptyAllowed)
    {
        ArgumentNullException.ThrowIfNull(value, name);
        if (value.Length == 0 && !emptyAllowed) throw new ArgumentException($"{name} must not be empty.", name);
        var bytes = System.Text.Encoding.UTF8.GetByteCount(value);
        if (bytes > Protocol.ProtocolLimits.MaxStringBytes)
            throw new ArgumentException($"{name} takes {bytes} bytes, {Protocol.ProtocolLimits.MaxStringBytes} is the most.", name);
    }
}
