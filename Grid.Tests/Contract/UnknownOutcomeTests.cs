using System.Globalization;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Contract;

/// <summary>Calls that a node had received when it was killed, with the client living on and the node coming back where it was.</summary>
public sealed class UnknownOutcomeTests(ITestOutputHelper output)
{
    [Theory, InlineData(PoolKind.Ephemeral), InlineData(PoolKind.Persistent)]
    public async Task Promise_5_what_may_have_been_applied_is_unknown_and_never_sent_again_to_the_node_that_comes_back(PoolKind kind)
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        await using var client = await node.ConnectAsync();
        var pool = await client.CreatePoolAsync("vault", Kinds.Options(kind, PoolSharing.Shared));
        var id = Names.Object();
        for (var i = 0u; i < 6; i++) await pool.StoreAsync(id, i, PageBytes.Random(i));

        await node.PauseAsync();
        // Pages last: once the kernel holds them for the node, it holds everything before them.
        var calls = new Dictionary<string, Task>
        {
            ["take"] = pool.GetAsync(id, 0, new byte[pool.PageSizeBytes], GetMode.Take).AsTask(),
            ["batch of takes"] = pool.GetBatchAsync(id, new uint[] { 1 }, new byte[pool.PageSizeBytes], GetMode.Take).AsTask(),
            ["flush"] = pool.FlushPageAsync(id, 2).AsTask(),
            ["flush object"] = pool.FlushObjectAsync(Names.Object()).AsTask(),
            ["batch"] = pool.WriteBatchAsync(id, new WriteBatch().Flush(3).Put(4, PageBytes.Random(104))).AsTask(),
            ["put"] = pool.PutAsync(id, 5, PageBytes.Random(105)).AsTask(),
        };
        await Eventually.TrueAsync(
            () => Sockets.UnreadBytes(node.Ports.Data) > 2 * pool.PageSizeBytes,
            "everything was sent",
            TimeSpan.FromSeconds(20),
            () => $"{Sockets.UnreadBytes(node.Ports.Data)} bytes");
        await node.Kill9Async();
        await node.RestartAsync(NodeSetup.Default.With("grid.gateway.port", node.Ports.Data.ToString(CultureInfo.InvariantCulture)));

        foreach (var (name, call) in calls)
        {
            var failure = await Record.ExceptionAsync(() => call);
            Assert.True(failure is OutcomeUnknownException, $"{name}: {failure?.ToString() ?? "answered as if it had been applied once"}");
        }

        // The node never read them: whatever shows now was sent to it a second time.
        for (var i = 0u; i < 6; i++)
        {
            if (kind == PoolKind.Persistent) await pool.AssertHoldsAsync(id, i, PageBytes.Random(i));
            else await pool.AssertMissAsync(id, i);
        }
    }
}
