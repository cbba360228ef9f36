using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>One node that serves exports, for every test that neither restarts nor starves it.</summary>
public sealed class NbdNode : SharedNode
{
    /// <summary>Settings with which a node serves exports on a free port.</summary>
    public static NodeSetup Setup { get; } = NodeSetup.Default.With("grid.nbd.enabled", "on").With("grid.nbd.port", "0")
        .With("grid.nbd.origins", $"{Path.GetTempPath()}, nbd://");

    public int Port => Node.Ports.Nbd ?? throw new InvalidOperationException("the node serves no exports");

    public override Task InitializeAsync() => StartAsync(Setup);

    /// <summary>What libnbd and QEMU call an export.</summary>
    public string Uri(string export) => $"nbd://127.0.0.1:{Port}/{export}";
}

[CollectionDefinition(Name)]
public sealed class OnNbdNode : ICollectionFixture<NbdNode>
{
    public const string Name = "shared NBD node";
}

/// <summary>A test of block devices on the shared node.</summary>
[Collection(OnNbdNode.Name)]
public abstract class NbdTest(NbdNode shared, ITestOutputHelper output)
{
    protected NbdNode Shared { get; } = shared;

    protected ITestOutputHelper Output { get; } = output;

    protected NbdExports Exports => new(Shared.Client);

    /// <summary>Makes an export that no other test uses; its URI and its pool.</summary>
    protected async Task<(string Uri, string Name)> NewExportAsync(long bytes, PoolOptions? options = null, bool readOnly = false)
    {
        var name = Names.Unique("e");
        await Exports.CreateAsync(name, bytes, $"nbd-{name}", options, readOnly);
        return (Shared.Uri(name), name);
    }

    /// <summary>Makes an export with an origin; its URI and its name.</summary>
    protected async Task<(string Uri, string Name)> NewExportAsync(NbdOrigin origin, long bytes = 0, bool readOnly = false, PoolOptions? options = null)
    {
        var name = Names.Unique("e");
        await Exports.CreateWithOriginAsync(name, origin, bytes, $"nbd-{name}", options, readOnly);
        return (Shared.Uri(name), name);
    }

    protected Task<Tool> RunAsync(string program, params string[] arguments) => Tool.RunAsync(Output, program, arguments);
}
