using Grid.Client;
using Grid.Protocol;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Harness;

/// <summary>One node and one client for every test that neither restarts nor starves it.</summary>
public class SharedNode : IAsyncLifetime
{
    private NodeProcess? _node;
    private GridClient? _client;

    public NodeProcess Node => _node ?? throw new InvalidOperationException("the shared node has not been started");

    public GridClient Client => _client ?? throw new InvalidOperationException("the shared node has not been started");

    public virtual Task InitializeAsync() => StartAsync(NodeSetup.Default);

    protected async Task StartAsync(NodeSetup setup)
    {
        // Roomy: pools of other tests must not push this one's pages out.
        _node = await NodeProcess.StartAsync(setup.With("grid.memory.limit", "768MiB"));
        _client = await _node.ConnectAsync();
    }

    public virtual async Task DisposeAsync()
    {
        if (_client is not null) await _client.DisposeAsync();
        if (_node is not null) await _node.DisposeAsync();
    }
}

/// <summary>The same on a PostgreSQL of its own.</summary>
public sealed class SharedPostgresNode : SharedNode
{
    private readonly PostgresServer _server = new();

    public override async Task InitializeAsync()
    {
        await _server.InitializeAsync();
        await StartAsync(NodeSetup.OnPostgres(await _server.NewDatabaseAsync()));
    }

    public override async Task DisposeAsync()
    {
        await base.DisposeAsync();
        await _server.DisposeAsync();
    }
}

/// <summary>Tests on the shared node run one after another.</summary>
[CollectionDefinition(Name)]
public sealed class OnSharedNode : ICollectionFixture<SharedNode>
{
    public const string Name = "shared node";
}

/// <summary>What the journal's provider must not change, on PostgreSQL.</summary>
[CollectionDefinition(Name)]
public sealed class OnSharedPostgresNode : ICollectionFixture<SharedPostgresNode>
{
    public const string Name = "shared node on PostgreSQL";
}

/// <summary>Tests that start several nodes under load have the machine to themselves, after all others: what they judge is how fast nodes notice each other.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class SeveralNodes
{
    public const string Name = "several nodes";
}

/// <summary>A test on the shared node: its client, pools with names of their own, and the node's log in the test's output.</summary>
[Collection(OnSharedNode.Name)]
public abstract class SharedNodeTest(SharedNode shared, ITestOutputHelper output) : IDisposable
{
    private readonly long _linesBefore = shared.Node.Log.Count;

    protected SharedNode Shared { get; } = shared;

    protected ITestOutputHelper Output { get; } = output;

    protected GridClient Client => Shared.Client;

    public void Dispose()
    {
        var lines = (int)Math.Min(60, Shared.Node.Log.Count - _linesBefore);
        if (lines > 0) Output.WriteLine($"node log since the test began:\n{Shared.Node.Log.Tail(lines)}");
        GC.SuppressFinalize(this);
    }

    protected ValueTask<Pool> NewPoolAsync(PoolOptions options) => Client.CreatePoolAsync(Names.Unique("p"), options);

    protected ValueTask<Pool> NewPoolAsync(PoolKind kind, PoolSharing sharing) => NewPoolAsync(Kinds.Options(kind, sharing));
}

/// <summary>Names that no other test uses.</summary>
internal static class Names
{
    public static string Unique(string prefix) => $"{prefix}-{Guid.NewGuid():n}";

    public static ObjectId Object() => new((ulong)System.Random.Shared.NextInt64(), (ulong)System.Random.Shared.NextInt64(), (ulong)System.Random.Shared.NextInt64());
}
