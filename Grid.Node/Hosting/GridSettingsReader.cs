using System.Text.RegularExpressions;
using Grid.Node.Journal;
using Grid.Protocol;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Hosting;

/// <summary>Makes <see cref="GridSettings"/> of the layers, refusing values that are wrong or contradict each other.</summary>
internal static partial class GridSettingsReader
{
    /// <summary>A window must hold at least one frame of the largest kind, or that frame could never be sent.</summary>
    private const int WindowBytesMin = ProtocolLimits.HeaderBytes + ProtocolLimits.MaxBodyBytes;

    private static readonly TimeSpan Hour = TimeSpan.FromHours(1);
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Tenth = TimeSpan.FromMilliseconds(100);

    /// <summary>Reads and checks everything.</summary>
    /// <param name="layers">The layers.</param>
    /// <param name="baseDirectory">Where a relative data directory begins.</param>
    /// <param name="availableMemoryBytes">What memory there is; null: asks the machine.</param>
    public static GridSettings Read(SettingLayers layers, string baseDirectory, long? availableMemoryBytes = null)
    {
        return Read(new SettingReader(layers), layers, baseDirectory, availableMemoryBytes);
    }

    internal static GridSettings Read(SettingReader read, SettingLayers layers, string baseDirectory, long? availableMemoryBytes = null)
    {
        var node = Node(read, baseDirectory);
        var settings = new GridSettings
        {
            Node = node,
            Gateway = Gateway(read),
            Admin = new AdminSettings(Host(read, "grid.admin.host"), read.Number("grid.admin.port", 0, 65535)),
            Cluster = Cluster(read),
            Memory = Memory(read, availableMemoryBytes ?? MemoryLimit.AvailableBytes()),
            Journal = Journal(read, node.DataDirectory),
            Objects = new ObjectSettings(
                read.Duration("grid.objects.passivate-after", Second, TimeSpan.FromHours(24)),
                read.Duration("grid.objects.activate-timeout", Tenth, TimeSpan.FromMinutes(10))),
            Stop = new StopSettings(read.Duration("grid.stop.timeout", Second, Hour)),
            Nbd = Nbd(read),
            Log = new LogSettings(read.OneOf<LogLevel>("grid.log.level"), read.OneOf<LogLevel>("grid.log.akka-level")),
            AkkaOverrides = layers.Akka,
        };
        CheckTogether(read, settings);
        return settings;
    }

    private static NodeSettings Node(SettingReader read, string baseDirectory)
    {
        var name = read.Text("grid.node.name");
        if (name.Length == 0) name = Environment.MachineName;
        if (!NodeName().IsMatch(name)) throw read.Bad("grid.node.name", "must be 1 to 128 letters, digits, '-', '_', '.'");
        var directory = read.Text("grid.node.data-directory");
        if (directory.Length == 0) throw read.Bad("grid.node.data-directory", "must not be empty");
        return new NodeSettings(name, Path.GetFullPath(directory, Path.GetFullPath(baseDirectory)));
    }

    private static GatewaySettings Gateway(SettingReader read)
    {
        var address = read.Text("grid.gateway.public-address");
        if (address.Length > 0 && !IsHostAndPort(address)) throw read.Bad("grid.gateway.public-address", "must be \"host:port\"");
        return new GatewaySettings
        {
            Host = Host(read, "grid.gateway.host"),
            Port = read.Number("grid.gateway.port", 0, 65535),
            PublicAddress = address,
            MaxConnections = read.Number("grid.gateway.max-connections", 1, 1_000_000),
            WindowRequests = read.Number("grid.gateway.window-requests", 1, 65536),
            WindowBytes = (int)read.Bytes("grid.gateway.window-bytes", WindowBytesMin, 1 << 30),
            NewestProtocol = (ushort)read.Number("grid.gateway.newest-protocol", ProtocolLimits.MinVersion, ProtocolLimits.MaxVersion),
            HelloTimeout = read.Duration("grid.gateway.hello-timeout", Tenth, Hour),
            KeepAlive = read.Duration("grid.gateway.keep-alive", Second, Hour),
            Echo = read.Switch("grid.gateway.echo"),
        };
    }

    private static ClusterSettings Cluster(SettingReader read)
    {
        var name = read.Text("grid.cluster.name");
        if (!ClusterName().IsMatch(name)) throw read.Bad("grid.cluster.name", "must be 1 to 64 letters, digits, '-', '_', beginning with a letter or digit");
        var seeds = read.Texts("grid.cluster.seed-nodes");
        if (seeds.FirstOrDefault(seed => !IsHostAndPort(seed)) is { } wrong) throw read.Bad("grid.cluster.seed-nodes", $"must list \"host:port\" addresses, not \"{wrong}\"");
        var host = Host(read, "grid.cluster.host");
        var bindHost = read.Text("grid.cluster.bind-host").Length > 0 ? Host(read, "grid.cluster.bind-host") : host;
        return new ClusterSettings(
            name, host, bindHost, read.Number("grid.cluster.port", 0, 65535), seeds, read.Number("grid.cluster.shards", 1, 4096), Lease(read), HandOff(read))
        {
            Formation = Formation(read, seeds),
        };
    }

    private static FormationSettings Formation(SettingReader read, IReadOnlyList<string> seeds)
    {
        const string servicePath = "grid.cluster.formation.service";
        const string contactsPath = "grid.cluster.formation.contacts";
        var service = read.Text(servicePath);
        var contacts = read.Number(contactsPath, 0, 1000);
        if (service.Length > 0)
        {
            if (Uri.CheckHostName(service) != UriHostNameType.Dns) throw read.Bad(servicePath, "must be a host name");
            if (seeds.Count > 0) throw read.Bad(servicePath, "must not be set together with grid.cluster.seed-nodes: which of the two are the nodes?");
            if (contacts == 0) throw read.Bad(contactsPath, "must be set with grid.cluster.formation.service: more than half of the most nodes the cluster will ever have");
        }
        else if (contacts > 0 && (contacts <= seeds.Count / 2 || contacts > seeds.Count))
        {
            throw read.Bad(contactsPath, $"must be more than half of grid.cluster.seed-nodes ({seeds.Count}) and at most all of them: two halves could form two clusters");
        }

        if (seeds.Distinct(StringComparer.OrdinalIgnoreCase).Count() < seeds.Count) throw read.Bad("grid.cluster.seed-nodes", "names a node twice");
        return new FormationSettings(
            service,
            contacts > 0 ? contacts : (seeds.Count / 2) + 1,
            read.Number("grid.cluster.formation.contact-port", 1, 65535),
            read.Duration("grid.cluster.formation.stable", Second, TimeSpan.FromMinutes(10)));
    }

    private static HandOffSettings HandOff(SettingReader read) => new(
        read.Duration("grid.cluster.hand-off.time", TimeSpan.Zero, TimeSpan.FromMinutes(5)),
        read.Bytes("grid.cluster.hand-off.bytes", 0, long.MaxValue),
        read.Duration("grid.cluster.hand-off.pull-timeout", Tenth, TimeSpan.FromMinutes(1)));

    /// <summary>The timings depend on each other: a combination that breaks the argument of docs/consistency.md, or could not work, is refused.</summary>
    private static LeaseSettings Lease(SettingReader read)
    {
        var lease = new LeaseSettings(
            read.Duration("grid.cluster.lease.duration", TimeSpan.FromMilliseconds(500), TimeSpan.FromMinutes(1)),
            read.Duration("grid.cluster.lease.drift", Tenth, TimeSpan.FromMinutes(1)),
            read.Duration("grid.cluster.lease.ping-interval", TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(20)));
        if (lease.PingInterval * 3 > lease.Duration)
            throw read.Bad("grid.cluster.lease.ping-interval", "must be at most a third of grid.cluster.lease.duration: one lost ping must not end a lease");
        if (lease.Drift * 10 < lease.Duration)
            throw read.Bad("grid.cluster.lease.drift", "must be at least a tenth of grid.cluster.lease.duration: clocks may go apart in that time");
        return lease;
    }

    private static MemorySettings Memory(SettingReader read, long availableBytes)
    {
        const string path = "grid.memory.limit";
        var limit = MemoryLimit.Parse(read.Text(path), availableBytes) ?? throw read.Bad(path, "must be a percentage above 0 like 50% or a size like 1GiB");
        if (limit < MemoryLimit.MinBytes) throw read.Bad(path, $"comes to {limit >> 20} MiB, at least {MemoryLimit.MinBytes >> 20} MiB are needed");
        if (limit > availableBytes) throw read.Bad(path, $"is more than there is: {availableBytes >> 20} MiB (the machine's memory or the cgroup's limit)");
        return new MemorySettings(limit);
    }

    private static JournalSettings Journal(SettingReader read, string dataDirectory)
    {
        var file = read.Text("grid.journal.path");
        if (file.Length == 0) throw read.Bad("grid.journal.path", "must not be empty");
        return new JournalSettings
        {
            Provider = read.OneOf<JournalProvider>("grid.journal.provider"),
            Path = Path.GetFullPath(file, dataDirectory),
            ConnectionString = ConnectionString(read),
            EventTargetBytes = (int)read.Bytes("grid.journal.event-target", 4096, ProtocolLimits.MaxBatchBytes),
            WriteTimeout = read.Duration("grid.journal.write-timeout", Tenth, TimeSpan.FromMinutes(10)),
            CheckpointEvents = read.Number("grid.journal.checkpoint-events", 1, Objects.UpkeepLimits.MaxEventsToReplay),
            CleanDeadPercent = read.Number("grid.journal.clean-dead-percent", 20, 90),
            CleanMinDeadBytes = read.Bytes("grid.journal.clean-min-dead", 4096, 1L << 40),
            CleanAtOnce = read.Number("grid.journal.clean-at-once", 1, 64),
        };
    }

    private static NbdSettings Nbd(SettingReader read)
    {
        var tls = new NbdTlsSettings(read.Text("grid.nbd.tls.certificate-file"), read.Text("grid.nbd.tls.key-file"), read.Text("grid.nbd.tls.client-authority-file"));
        if (tls.CertificateFile.Length == 0 && (tls.KeyFile.Length > 0 || tls.ClientAuthorityFile.Length > 0))
            throw read.Bad("grid.nbd.tls.certificate-file", "must be set with grid.nbd.tls.key-file or grid.nbd.tls.client-authority-file: there is no TLS without it");
        var origins = read.Texts("grid.nbd.origins");
        if (Frontends.Nbd.Origins.OriginPolicy.Validate(origins) is { } wrong) throw read.Bad("grid.nbd.origins", wrong);
        return new NbdSettings
        {
            Enabled = read.Switch("grid.nbd.enabled"),
            Host = Host(read, "grid.nbd.host"),
            Port = read.Number("grid.nbd.port", 0, 65535),
            MaxConnections = read.Number("grid.nbd.max-connections", 1, 65536),
            RequestTimeout = read.Duration("grid.nbd.request-timeout", Second, Hour),
            BufferBytes = read.Bytes("grid.nbd.buffers", 64 << 20, 1L << 40),
            KeepAlive = read.Duration("grid.nbd.keep-alive", Second, Hour),
            Origins = origins,
            Tls = tls,
        };
    }

    private static string ConnectionString(SettingReader read)
    {
        const string path = "grid.journal.connection-string-file";
        var given = read.Text("grid.journal.connection-string");
        var file = read.Text(path);
        if (file.Length == 0) return given;
        if (given.Length > 0) throw read.Bad(path, "must not be set together with grid.journal.connection-string: which of the two holds?");
        if (read.OneOf<JournalProvider>("grid.journal.provider") == JournalProvider.Sqlite)
            throw read.Bad(path, "must not be set when grid.journal.provider is sqlite (its file is grid.journal.path)");
        try
        {
            var text = File.ReadAllText(file).Trim();
            return text.Length > 0 && !text.Any(char.IsControl) ? text : throw read.Bad(path, "must hold a connection string, in one line");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw read.Bad(path, $"cannot be read: {e.Message}");
        }
    }

    private static void CheckTogether(SettingReader read, GridSettings settings)
    {
        (string Path, string Host, int Port)[] listeners =
        [
            ("grid.gateway.port", settings.Gateway.Host, settings.Gateway.Port),
            ("grid.admin.port", settings.Admin.Host, settings.Admin.Port),
            ("grid.nbd.port", settings.Nbd.Host, settings.Nbd.Enabled ? settings.Nbd.Port : 0),
            ("grid.cluster.port", settings.Cluster.BindHost, settings.Cluster.Port),
            ("grid.cluster.formation.contact-port", settings.Cluster.BindHost, settings.Cluster.Formation.Service.Length > 0 ? settings.Cluster.Formation.ContactPort : 0),
        ];
        for (var i = 0; i < listeners.Length; i++)
            for (var j = 0; j < i; j++)
                if (listeners[i].Port != 0 && listeners[i].Port == listeners[j].Port && Overlap(listeners[i].Host, listeners[j].Host))
                    throw read.Bad(listeners[i].Path, $"is the same port as {listeners[j].Path}; they must differ");

        if (IsWildcard(settings.Gateway.Host) && settings.Gateway.PublicAddress.Length == 0)
            throw read.Bad("grid.gateway.public-address", "must be set when grid.gateway.host is every interface: clients need one address that leads here");
        if (IsWildcard(settings.Cluster.Host))
            throw read.Bad("grid.cluster.host", "must be one address that leads other nodes here, not every interface");

        var journal = settings.Journal;
        if (journal.Provider == JournalProvider.PostgreSql && journal.ConnectionString.Length == 0)
            throw read.Bad("grid.journal.connection-string", "or grid.journal.connection-string-file must be set when grid.journal.provider is postgresql");
        if (journal.Provider == JournalProvider.Sqlite && journal.ConnectionString.Length > 0)
            throw read.Bad("grid.journal.connection-string", "must not be set when grid.journal.provider is sqlite (its file is grid.journal.path)");
        if (journal.Provider == JournalProvider.Sqlite && settings.Cluster.SeedNodes.Any(seed => seed != Binding.Text(settings.Cluster.Host, settings.Cluster.Port)))
            throw read.Bad("grid.cluster.seed-nodes", "names other nodes, but grid.journal.provider = sqlite is a file of one node; use postgresql");
        if (journal.Provider == JournalProvider.Sqlite && settings.Cluster.Formation.Service.Length > 0)
            throw read.Bad("grid.cluster.formation.service", "finds other nodes, but grid.journal.provider = sqlite is a file of one node; use postgresql");
        if (journal.Path == settings.Node.DataDirectory)
            throw read.Bad("grid.journal.path", "must be a file, not grid.node.data-directory itself");
    }

    private static string Host(SettingReader read, string path)
    {
        var host = read.Text(path);
        if (Uri.CheckHostName(host) == UriHostNameType.Unknown) throw read.Bad(path, "must be an IP address or a host name");
        return host;
    }

    private static bool IsHostAndPort(string text)
    {
        // An IPv6 address stands in brackets: nobody could tell its last part from a port.
        var colon = text.LastIndexOf(':');
        return colon > 0 && Uri.CheckHostName(text[..colon]) != UriHostNameType.Unknown && (text[0] == '[' || !text[..colon].Contains(':', StringComparison.Ordinal))
            && ushort.TryParse(text.AsSpan(colon + 1), out var port) && port > 0;
    }

    /// <summary>Whether a host to listen on means every interface, so that it leads nobody here.</summary>
    internal static bool IsWildcard(string host)
    {
        return host is "0.0.0.0" or "::" or "[::]";
    }

    private static bool Overlap(string a, string b)
    {
        return a == b || IsWildcard(a) || IsWildcard(b);
    }

    [GeneratedRegex(@"^[A-Za-z0-9._-]{1,128}\z")]
    private static partial Regex NodeName();

    [GeneratedRegex(@"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}\z")]
    private static partial Regex ClusterName();
}
