using System.Globalization;
using Grid.Client;
using Grid.Tests.Harness;
using Npgsql;
using Xunit.Abstractions;

namespace Grid.Tests.Chaos.Bed;

/// <summary>
/// Three nodes, each a process in a network namespace of its own, a PostgreSQL and this process with the callers, all joined by a switch that can break every link; and a supervisor that starts nodes
/// again. Everything is gone when it is disposed; the namespaces and interfaces also when this process is killed.
/// </summary>
internal sealed class ChaosBed : IAsyncDisposable
{
    public const int NodeCount = 3;

    /// <summary>Last bytes of addresses: nodes are 1, 2, 3; callers and database have each their own, so that a node can be cut off from one and not the other.</summary>
    public const byte Callers = 254;

    public const byte Database = 253;

    /// <summary>What a node's process may take: hocon/test.conf's limit, and what a process has beside it (as <c>Limits/MemoryLimitTests</c> allow).</summary>
    public const long RssMaxBytes = (256L + 150) << 20;

    /// <summary>The node that comes and goes.</summary>
    private const int ExtraNode = NodeCount;
    private const string CallTimeout = "5s";
    private static int _beds;
    private readonly string _network;
    private readonly List<NetworkNamespace> _namespaces = [];
    private readonly TestFolder _folder = new();
    private NodeClocks? _clocks;
    private ITestOutputHelper? _output;
    private PostgresServer? _postgres;
    private ClusterOfNodes? _cluster;
    private Supervisor? _supervisor;

    private ChaosBed(int seed)
    {
        Network = new NetworkSwitch(seed);
        // 198.18.0.0/15 is for tests of networks (RFC 2544): nobody else uses it. The process and a counter choose one of its /24s.
        var number = (Environment.ProcessId + Interlocked.Increment(ref _beds)) % 512;
        _network = string.Create(CultureInfo.InvariantCulture, $"198.{18 + (number / 256)}.{number % 256}");
    }

    public NetworkSwitch Network { get; }

    public PostgresServer Postgres => _postgres ?? throw new InvalidOperationException("the bed has not been started");

    public ClusterOfNodes Cluster => _cluster ?? throw new InvalidOperationException("the bed has not been started");

    public Supervisor Supervisor => _supervisor ?? throw new InvalidOperationException("the bed has not been started");

    /// <summary>The nodes' wall clocks, where the bed was started with clocks that can be set.</summary>
    public NodeClocks Clocks => _clocks ?? throw new InvalidOperationException("the nodes have the machine's clock");

    public string Folder => _folder.Path;

    /// <param name="seed">Of what the network does at random.</param>
    /// <param name="hasClocks">Whether the nodes' wall clocks can be set; that slows them down a little.</param>
    /// <param name="output">Where logs go.</param>
    public static async Task<ChaosBed> StartAsync(int seed, bool hasClocks, ITestOutputHelper output)
    {
        var bed = new ChaosBed(seed);
        try
        {
            if (hasClocks) bed._clocks = await NodeClocks.CreateAsync(bed.Folder, ExtraNode + 1);
            await bed.StartAsync(output);
            return bed;
        }
        catch
        {
            for (var node = 0; node <= ExtraNode; node++)
                if (File.Exists(bed.LogOf(node))) output.WriteLine($"node {node + 1}:\n{string.Join('\n', (await File.ReadAllLinesAsync(bed.LogOf(node))).TakeLast(60))}");
            await bed.DisposeAsync();
            throw;
        }
    }

    /// <summary>The last byte of a node's address; nodes count from 0.</summary>
    public static byte HostOf(int node) => (byte)(node + 1);

    /// <summary>Everything a node has printed, over all its starts.</summary>
    public string LogOf(int node) => _folder.Combine(string.Create(CultureInfo.InvariantCulture, $"node-{node + 1}.log"));

    /// <summary>A client as callers have it: it knows all nodes.</summary>
    public ValueTask<GridClient> ConnectAsync() => Cluster.ConnectAsync(CallTimeout);

    /// <summary>Whether every node serves and sees all others, so many, up and reachable.</summary>
    public async Task<bool> IsWholeAsync(int members = NodeCount)
    {
        try
        {
            for (var node = 0; node < NodeCount; node++)
            {
                if (!Supervisor.Runs(node)) return false;
                var (status, _) = await Cluster.Nodes[node].HttpGetAsync("/health/ready");
                if (status != 200 || await ClusterOfNodes.MembersUpAsync(Cluster.Nodes[node]) != members) return false;
            }

            return true;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or InvalidOperationException or KeyNotFoundException or System.Text.Json.JsonException)
        {
            return false;
        }
    }

    /// <summary>Starts one more node, of which the supervisor knows nothing.</summary>
    public Task<NodeProcess> StartExtraNodeAsync() => NodeProcess.StartAsync(InNamespace(Cluster.SetupOf(ExtraNode + 1)), _output);

    public async ValueTask DisposeAsync()
    {
        if (_supervisor is not null) await _supervisor.DisposeAsync();
        if (_cluster is not null) await _cluster.DisposeAsync();
        if (_postgres is not null) await _postgres.DisposeAsync();
        foreach (var one in _namespaces) await one.DisposeAsync();
        Network.Dispose();
        _folder.Dispose();
    }

    private async Task StartAsync(ITestOutputHelper output)
    {
        var outside = NewTun("x", Callers, Database);
        // The first is the one that what connects from here comes from.
        await NetworkNamespace.UseAsync(outside, Address(Callers) + "/24", Address(Database) + "/32");
        _output = output;
        for (var node = 0; node <= ExtraNode; node++)
        {
            _namespaces.Add(await NetworkNamespace.CreateAsync());
            await _namespaces[node].AdoptAsync(NewTun(node.ToString(CultureInfo.InvariantCulture), HostOf(node)), Address(HostOf(node)) + "/24");
        }

        _postgres = await PostgresServer.StartNewAsync(Address(Database));
        _cluster = await ClusterOfNodes.StartAsync(_postgres, NodeCount, output, InNamespace, _network);
        _supervisor = new Supervisor(_cluster.Nodes);
    }

    /// <summary>The node in its namespace, with the database's address there, and its log in a file.</summary>
    private NodeSetup InNamespace(NodeSetup setup)
    {
        const string ConnectionString = "GRID__JOURNAL__CONNECTION_STRING";
        var node = int.Parse(setup.Host.Split('.')[3], CultureInfo.InvariantCulture) - 1;
        var database = new NpgsqlConnectionStringBuilder(setup.Environment[ConnectionString]) { Host = Address(Database) };
        var environment = new Dictionary<string, string>(setup.Environment) { [ConnectionString] = database.ConnectionString };
        if (_clocks is not null)
            foreach (var (name, value) in _clocks.EnvironmentOf(node)) environment[name] = value;
        return setup.With("grid.log.level", "debug").With("grid.log.akka-level", "information") with
        {
            Environment = environment,
            ShellPrelude = $"set -- {string.Join(' ', _namespaces[node].Enter)} \"$@\"; exec >>{LogOf(node)} 2>&1",
        };
    }

    private Tun NewTun(string name, params ReadOnlySpan<byte> hosts)
    {
        var tun = new Tun(string.Create(CultureInfo.InvariantCulture, $"gt{Environment.ProcessId}-{_beds}{name}"));
        Network.Plug(tun, hosts);
        return tun;
    }

    private string Address(byte host) => string.Create(CultureInfo.InvariantCulture, $"{_network}.{host}");
}
