using Akka.Configuration;
using Grid.Node.Journal;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Hosting;

/// <summary>Everything that can be set on a node, checked. hocon/default.conf explains each with its unit and default.</summary>
public sealed record GridSettings
{
    /// <summary><c>grid.node</c>.</summary>
    public required NodeSettings Node { get; init; }

    /// <summary><c>grid.gateway</c>.</summary>
    public required GatewaySettings Gateway { get; init; }

    /// <summary><c>grid.admin</c>.</summary>
    public required AdminSettings Admin { get; init; }

    /// <summary><c>grid.cluster</c>.</summary>
    public required ClusterSettings Cluster { get; init; }

    /// <summary><c>grid.memory</c>.</summary>
    public required MemorySettings Memory { get; init; }

    /// <summary><c>grid.journal</c>.</summary>
    public required JournalSettings Journal { get; init; }

    /// <summary><c>grid.objects</c>.</summary>
    public required ObjectSettings Objects { get; init; }

    /// <summary><c>grid.stop</c>.</summary>
    public required StopSettings Stop { get; init; }

    /// <summary><c>grid.nbd</c>.</summary>
    public required NbdSettings Nbd { get; init; }

    /// <summary><c>grid.log</c>.</summary>
    public required LogSettings Log { get; init; }

    /// <summary>The operator's overrides of Akka's settings, checked for safety.</summary>
    public Config AkkaOverrides { get; init; } = Config.Empty;

    /// <summary>Reads settings from one HOCON text over the defaults, as tests need it.</summary>
    /// <param name="hocon">The text, e.g. <c>grid.gateway.port = 0</c>.</param>
    /// <param name="baseDirectory">Where relative directories begin; the working directory by default.</param>
    /// <exception cref="StartupException">A setting is unknown, wrong or contradicts another.</exception>
    public static GridSettings Parse(string hocon, string? baseDirectory = null)
    {
        return GridSettingsReader.Read(SettingLayers.Load(hocon), baseDirectory ?? Environment.CurrentDirectory);
    }
}

/// <summary>Who this node is and where it keeps its things.</summary>
/// <param name="Name">Its name in logs, metrics and the status page.</param>
/// <param name="DataDirectory">Full path of the directory of everything it keeps.</param>
public sealed record NodeSettings(string Name, string DataDirectory);

/// <summary>The data plane.</summary>
public sealed record GatewaySettings
{
    /// <summary>Address to listen on.</summary>
    public required string Host { get; init; }

    /// <summary>Port to listen on; 0: a free one.</summary>
    public required int Port { get; init; }

    /// <summary><c>host:port</c> that clients are told; empty: where it listens.</summary>
    public required string PublicAddress { get; init; }

    /// <summary>Most connections at a time.</summary>
    public required int MaxConnections { get; init; }

    /// <summary>Unanswered requests of one connection.</summary>
    public required int WindowRequests { get; init; }

    /// <summary>Unanswered request bytes of one connection.</summary>
    public required int WindowBytes { get; init; }

    /// <summary>The newest protocol version that is spoken.</summary>
    public required ushort NewestProtocol { get; init; }

    /// <summary>How long a connection may take to say hello.</summary>
    public required TimeSpan HelloTimeout { get; init; }

    /// <summary>Silence after which TCP probes the peer.</summary>
    public required TimeSpan KeepAlive { get; init; }

    /// <summary>Whether echo is answered.</summary>
    public required bool Echo { get; init; }
}

/// <summary>The operators' HTTP.</summary>
/// <param name="Host">Address to listen on.</param>
/// <param name="Port">Port to listen on; 0: a free one.</param>
public sealed record AdminSettings(string Host, int Port);

/// <summary>The control plane.</summary>
/// <param name="Name">Name of the cluster and its actor systems.</param>
/// <param name="Host">Address by which other nodes reach this one.</param>
/// <param name="BindHost">Address to listen on.</param>
/// <param name="Port">Port to listen on; 0: a free one.</param>
/// <param name="SeedNodes">Nodes to join, <c>host:port</c>; none: the service has them, or this node forms a cluster of its own.</param>
/// <param name="Shards">Shards that objects are spread over.</param>
/// <param name="Lease">The timings that the proof of one owner rests on.</param>
/// <param name="HandOff">What ephemeral pages moving objects may take along.</param>
public sealed record ClusterSettings(string Name, string Host, string BindHost, int Port, IReadOnlyList<string> SeedNodes, int Shards, LeaseSettings Lease, HandOffSettings HandOff)
{
    /// <summary>How the node finds its cluster.</summary>
    public required FormationSettings Formation { get; init; }

    /// <summary>Nothing names other nodes: this one is a cluster of its own.</summary>
    public bool IsAlone => SeedNodes.Count == 0 && Formation.Service.Length == 0;
}

/// <summary>How a node finds its cluster.</summary>
/// <param name="Service">Name whose addresses are the nodes; empty: the seed nodes are.</param>
/// <param name="Contacts">Nodes, itself included, that it takes to form a cluster.</param>
/// <param name="ContactPort">Port on which nodes found by the service answer each other.</param>
/// <param name="Stable">How long the contacts must have been the same.</param>
public sealed record FormationSettings(string Service, int Contacts, int ContactPort, TimeSpan Stable);

/// <summary>What ephemeral pages take along when their objects move to another node.</summary>
/// <param name="Time">How long they are kept for the next owner.</param>
/// <param name="Bytes">The most bytes of pages kept at a time.</param>
/// <param name="PullTimeout">How long an object waits for its pages before it serves without them.</param>
public sealed record HandOffSettings(TimeSpan Time, long Bytes, TimeSpan PullTimeout);

/// <summary>The serving lease of a node; the same on all nodes.</summary>
/// <param name="Duration">How long a node serves after a ping left that a majority answered.</param>
/// <param name="Drift">What clocks may go apart in that time.</param>
/// <param name="PingInterval">How often it pings.</param>
public sealed record LeaseSettings(TimeSpan Duration, TimeSpan Drift, TimeSpan PingInterval)
{
    /// <summary>The same as the guard takes it.</summary>
    internal Cluster.LeaseTimings ToTimings() => new((long)Duration.TotalMilliseconds, (long)Drift.TotalMilliseconds, (long)PingInterval.TotalMilliseconds);
}

/// <summary>The node's memory.</summary>
/// <param name="LimitBytes">What the process keeps to.</param>
public sealed record MemorySettings(long LimitBytes);

/// <summary>Where and how persistent pools are kept.</summary>
public sealed record JournalSettings
{
    /// <summary>The database.</summary>
    public required JournalProvider Provider { get; init; }

    /// <summary>Full path of SQLite's file.</summary>
    public required string Path { get; init; }

    /// <summary>PostgreSQL's connection string. Secret.</summary>
    public required string ConnectionString { get; init; }

    /// <summary>Size that one event of an object is filled to.</summary>
    public required int EventTargetBytes { get; init; }

    /// <summary>How long a write may take.</summary>
    public required TimeSpan WriteTimeout { get; init; }

    /// <summary>The same as the journal takes it.</summary>
    public JournalOptions ToOptions() => new()
    {
        Provider = Provider,
        Path = Path,
        ConnectionString = ConnectionString,
        EventTargetBytes = EventTargetBytes,
        WriteTimeout = WriteTimeout,
    };

    /// <summary>Events to replay before an object's index is written as a checkpoint.</summary>
    public required int CheckpointEvents { get; init; }

    /// <summary>The share of an object's journal that must be dead before it is cleaned, in percent.</summary>
    public required int CleanDeadPercent { get; init; }

    /// <summary>The least dead bytes for which an object's journal is cleaned.</summary>
    public required long CleanMinDeadBytes { get; init; }

    /// <summary>Objects that clean their journals at the same time.</summary>
    public required int CleanAtOnce { get; init; }

    /// <summary>Where the journal is; nothing secret.</summary>
    public override string ToString() => Provider == JournalProvider.Sqlite ? $"sqlite {Path}" : "postgresql";
}

/// <summary>Object actors.</summary>
/// <param name="PassivateAfter">Idle time after which an object leaves memory.</param>
/// <param name="ActivateTimeout">How long a request waits for its object.</param>
public sealed record ObjectSettings(TimeSpan PassivateAfter, TimeSpan ActivateTimeout);

/// <summary>The graceful stop.</summary>
/// <param name="Timeout">Its longest duration.</param>
public sealed record StopSettings(TimeSpan Timeout)
{
    /// <summary>What one part of the stop may take at most: the clients' leaving, the fetching of kept pages, the giving away of shards.</summary>
    public TimeSpan Part => Timeout / 4;
}

/// <summary>The block devices over NBD.</summary>
public sealed record NbdSettings
{
    /// <summary>Whether they are served.</summary>
    public required bool Enabled { get; init; }

    /// <summary>Address to listen on.</summary>
    public required string Host { get; init; }

    /// <summary>Port to listen on; 0: a free one.</summary>
    public required int Port { get; init; }

    /// <summary>Most connections at a time.</summary>
    public required int MaxConnections { get; init; }

    /// <summary>How long a request is tried.</summary>
    public required TimeSpan RequestTimeout { get; init; }

    /// <summary>Bytes of requests under way, over all connections.</summary>
    public required long BufferBytes { get; init; }

    /// <summary>Silence after which TCP probes the peer.</summary>
    public required TimeSpan KeepAlive { get; init; }

    /// <summary>Folders, and <c>nbd://HOST[:PORT][/EXPORT]</c>, that may be origins.</summary>
    public required IReadOnlyList<string> Origins { get; init; }

    /// <summary>Certificates.</summary>
    public required NbdTlsSettings Tls { get; init; }
}

/// <summary>TLS of the block devices.</summary>
/// <param name="CertificateFile">PEM file of the certificate and those that lead to its authority; empty: no TLS.</param>
/// <param name="KeyFile">PEM file of its key; empty: the certificate's file has it.</param>
/// <param name="ClientAuthorityFile">PEM file of the authorities of which a client must have a certificate; empty: it needs none.</param>
public sealed record NbdTlsSettings(string CertificateFile, string KeyFile, string ClientAuthorityFile);

/// <summary>What is printed.</summary>
/// <param name="Level">Least severe level of the node's own messages.</param>
/// <param name="AkkaLevel">Least severe level of Akka's.</param>
public sealed record LogSettings(LogLevel Level, LogLevel AkkaLevel);
