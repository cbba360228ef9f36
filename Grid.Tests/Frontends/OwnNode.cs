using System.Globalization;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends;

/// <summary>A node that the tests of one class share and may stop, pause and kill: each finds it serving.</summary>
public sealed class OwnNode : IAsyncLifetime
{
    private NodeProcess? _node;

    public NodeProcess Node => _node ?? throw new InvalidOperationException("the node has not been started");

    public async Task InitializeAsync() => _node = await NodeProcess.StartAsync(NodeSetup.Default with { StartDeadline = TimeSpan.FromMinutes(3) });

    public async Task DisposeAsync()
    {
        if (_node is not null) await _node.DisposeAsync();
    }

    /// <summary>Starts it again where it was.</summary>
    public Task RestartAsync() => Node.RestartAsync(
        NodeSetup.Default.With("grid.gateway.port", Node.Ports.Data.ToString(CultureInfo.InvariantCulture)) with { StartDeadline = TimeSpan.FromMinutes(3) });
}

/// <summary>A test on a node of its class's own.</summary>
public abstract class OwnNodeTest(OwnNode own, ITestOutputHelper output) : IClassFixture<OwnNode>, IAsyncLifetime
{
    private readonly long _linesBefore = own.Node.Log.Count;

    protected NodeProcess Node => own.Node;

    protected ITestOutputHelper Output { get; } = output;

    public async Task InitializeAsync()
    {
        if (Node.HasExited) await own.RestartAsync();
        else Node.Continue();
    }

    public Task DisposeAsync()
    {
        var lines = (int)Math.Min(60, Node.Log.Count - _linesBefore);
        if (lines > 0) Output.WriteLine($"node log since the test began:\n{Node.Log.Tail(lines)}");
        return Task.CompletedTask;
    }

    protected async Task KillAndRestartAsync(TimeSpan between = default)
    {
        await Node.Kill9Async();
        await Task.Delay(between);
        await own.RestartAsync();
    }

    protected Task RestartAsync() => own.RestartAsync();
}
