using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Faults;

/// <summary>Two nodes that know nothing of each other, on one journal: objects go from one live writer to the other and back.</summary>
public abstract class MovingObjectTests(ITestOutputHelper output)
{
    private static readonly ObjectId Id = ObjectId.FromUInt64(7);

    /// <summary>Two nodes on one empty journal.</summary>
    protected abstract Task<NodeSetup> NewSetupAsync(TestFolder folder);

    [Fact]
    public async Task An_object_that_goes_from_A_to_B_and_back_recovers_every_acknowledged_event()
    {
        using var folder = new TestFolder();
        var setup = (await NewSetupAsync(folder)).With("grid.objects.passivate-after", "1s");
        await using var a = await NodeProcess.StartAsync(setup, output);
        await using var clientA = await a.ConnectAsync();
        var poolA = await clientA.CreatePoolAsync("p", Kinds.Options(PoolKind.Persistent, PoolSharing.Shared));
        await using var b = await NodeProcess.StartAsync(setup, output);
        await using var clientB = await b.ConnectAsync();
        var poolB = await clientB.OpenPoolAsync("p");
        (NodeProcess Node, Pool Pool)[] stages = [(a, poolA), (b, poolB), (a, poolA), (b, poolB)];
        var expected = new Dictionary<uint, ulong>();
        foreach (var (stage, (node, pool)) in stages.Index())
        {
            foreach (var (index, number) in expected) await pool.AssertHoldsAsync(Id, index, PageBytes.Random(number));
            for (var i = 0u; i < 12; i++)
            {
                var index = i < 4 ? i : ((uint)stage * 100) + i;
                expected[index] = ((ulong)stage * 1000) + i;
                await pool.StoreAsync(Id, index, PageBytes.Random(expected[index]));
            }

            Assert.True((await pool.FlushPageAsync(Id, ((uint)stage * 100) + 11)).WasThere);
            expected.Remove(((uint)stage * 100) + 11);
            // The object leaves this node; its process, with its journal's writers, lives on.
            await Eventually.TrueAsync(
                async () => await node.MetricAsync("grid_objects") == 0, "the object is passivated", TimeSpan.FromSeconds(20));
        }

        await a.Kill9Async();
        await a.RestartAsync();
        await using var again = await a.ConnectAsync();
        var reopened = await again.OpenPoolAsync("p");
        foreach (var (index, number) in expected) await reopened.AssertHoldsAsync(Id, index, PageBytes.Random(number));
        for (var stage = 0u; stage < stages.Length; stage++) await reopened.AssertMissAsync(Id, (stage * 100) + 11);
    }

    [Fact]
    public async Task Of_two_that_write_one_object_each_write_is_acknowledged_by_one_and_all_acknowledged_are_there()
    {
        using var folder = new TestFolder();
        var setup = await NewSetupAsync(folder);
        await using var a = await NodeProcess.StartAsync(setup, output);
        await using var clientA = await a.ConnectAsync();
        var poolA = await clientA.CreatePoolAsync("p", Kinds.Options(PoolKind.Persistent, PoolSharing.Shared));
        await using var b = await NodeProcess.StartAsync(setup, output);
        await using var clientB = await b.ConnectAsync();
        var acknowledged = await Task.WhenAll(WriteAsync(poolA, 0), WriteAsync(await clientB.OpenPoolAsync("p"), 1));
        Assert.All(acknowledged, ours => Assert.NotEmpty(ours));

        await a.Kill9Async();
        await a.RestartAsync();
        await using var again = await a.ConnectAsync();
        var reopened = await again.OpenPoolAsync("p");
        foreach (var (index, number) in acknowledged.SelectMany(ours => ours)) await reopened.AssertHoldsAsync(Id, index, PageBytes.Random(number));
    }

    /// <summary>Puts pages under indexes of its own; the other's writes take its numbers away again and again.</summary>
    private static async Task<Dictionary<uint, ulong>> WriteAsync(Pool pool, uint side)
    {
        var acknowledged = new Dictionary<uint, ulong>();
        for (var i = 0u; i < 30; i++)
        {
            var (index, number) = ((side * 1000) + i, (side * 1000ul) + i);
            if ((await Attempt.PutAsync(pool, Id, index, PageBytes.Random(number))).Ending == Ending.Applied) acknowledged[index] = number;
            else await Task.Delay(TimeSpan.FromMilliseconds(300 + (500 * side)));
        }

        return acknowledged;
    }

    public sealed class OnSqlite(ITestOutputHelper output) : MovingObjectTests(output)
    {
        protected override Task<NodeSetup> NewSetupAsync(TestFolder folder) => Task.FromResult(NodeSetup.Default.With("grid.journal.path", folder.Combine("shared.db")));
    }

    public sealed class OnPostgreSql(PostgresServer server, ITestOutputHelper output) : MovingObjectTests(output), IClassFixture<PostgresServer>
    {
        protected override async Task<NodeSetup> NewSetupAsync(TestFolder folder) => NodeSetup.OnPostgres(await server.NewDatabaseAsync());
    }
}
