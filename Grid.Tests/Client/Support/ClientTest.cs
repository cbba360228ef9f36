using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;

namespace Grid.Tests.Client.Support;

/// <summary>What tests of the client share: a node, a client and a shared pool made on demand, and patience.</summary>
public abstract class ClientTest : IAsyncDisposable
{
    private readonly List<IAsyncDisposable> _owned = [];

    /// <summary>Longer than anything here takes.</summary>
    private protected static TimeSpan Patience { get; } = TimeSpan.FromSeconds(20);

    private protected static ObjectId Object { get; } = ObjectId.FromUInt64(5);

    private protected static PoolOptions Keeping { get; } = new() { Sharing = PoolSharing.Shared };

    public async ValueTask DisposeAsync()
    {
        for (var i = _owned.Count - 1; i >= 0; i--) await _owned[i].DisposeAsync();
        GC.SuppressFinalize(this);
    }

    private protected T Own<T>(T owned)
        where T : IAsyncDisposable
    {
        _owned.Add(owned);
        return owned;
    }

    private protected ScriptedNode StartNode(MemoryGrid? grid = null) => Own(ScriptedNode.Start(grid));

    private protected async Task<GridClient> ConnectAsync(ScriptedNode node, string settings = "") =>
        Own(await GridClient.ConnectAsync(node.ConnectionString + settings));

    /// <summary>A shared pool, in which gets keep.</summary>
    private protected async Task<Pool> PoolAsync(ScriptedNode node, string settings = "") =>
        await (await ConnectAsync(node, settings)).CreatePoolAsync("pool", Keeping);

    private protected static Task Until(Func<bool> condition, string what) => Eventually.TrueAsync(condition, what, Patience);

    /// <summary>What a call ends with, waited for with patience.</summary>
    private protected static async Task<T> FailureOf<T>(Task call)
        where T : Exception => await Xunit.Assert.ThrowsAsync<T>(() => call.WaitAsync(Patience));
}
