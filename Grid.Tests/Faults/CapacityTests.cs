using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Faults;

/// <summary>
/// A node whose memory is full of what can't be dropped: pages on their way into a journal that does not answer. It refuses further pages for capacity, and what a refused
/// put would have overwritten is gone before the refusal is answered (promise 1).
/// </summary>
public sealed class CapacityTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    private const int LimitMebibytes = 64;
    private const int PageBytesEach = PoolOptions.MinPageSizeBytes;
    private static readonly ObjectId Id = ObjectId.FromUInt64(1);

    [Fact]
    public async Task Promise_1_a_page_that_could_not_be_overwritten_for_lack_of_memory_is_gone()
    {
        var setup = NodeSetup.OnPostgres(await server.NewDatabaseAsync()).With("grid.memory.limit", $"{LimitMebibytes}MiB")
            .With("grid.gateway.window-bytes", "64MiB").With("grid.gateway.window-requests", "65536").With("grid.journal.write-timeout", "60s");
        await using var node = await NodeProcess.StartAsync(setup, output);
        await using var client = await GridClient.ConnectAsync(
            GridClientOptions.Parse(node.ConnectionString(timeout: "2m")) with { WindowBytes = 64 << 20, WindowRequests = 65_535 });
        // On a connection of its own: the other one's window fills.
        await using var other = await node.ConnectAsync();
        var cache = await other.CreatePoolAsync("cache", Kinds.Options(PoolKind.Ephemeral, PoolSharing.Shared));
        var vault = await client.CreatePoolAsync("vault", Kinds.Options(PoolKind.Persistent, PoolSharing.Shared));
        await vault.StoreAsync(Id, 0, PageBytes.Random(0));
        server.Pause();
        var stuck = new List<Task<PutResult>>();
        try
        {
            for (var i = 1u; i < (LimitMebibytes - 2) * 1024 * 1024 / PageBytesEach; i++) stuck.Add(vault.PutAsync(Id, i, PageBytes.Random(i)).AsTask());
            await Eventually.TrueAsync(
                async () =>
                {
                    // A page of one byte's copies needs no memory, and so is never evicted: only the refusal can make it go.
                    Assert.True((await cache.PutAsync(Id, 5, new byte[PageBytesEach])).Stored);
                    var overwrite = await cache.PutAsync(Id, 5, PageBytes.Random(1_000_000));
                    if (overwrite.Stored) return false;
                    Assert.Equal(RefusalReason.Capacity, overwrite.Reason);
                    Assert.False((await cache.GetAsync(Id, 5, new byte[PageBytesEach])).Hit, "the page was there after its overwrite was refused");
                    return true;
                },
                "a put is refused for capacity",
                TimeSpan.FromSeconds(60));
        }
        finally
        {
            server.Continue();
        }

        // What was on its way is stored or was refused for capacity; nothing is left hanging.
        var results = await Task.WhenAll(stuck);
        output.WriteLine($"{results.Count(result => result.Stored)} of {results.Length} pages stored");
        Assert.All(results, result => Assert.True(result.Stored || result.Reason == RefusalReason.Capacity, $"{result.Reason}"));
    }
}
