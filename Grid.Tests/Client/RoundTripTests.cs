using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Client.Support;
using Xunit;

namespace Grid.Tests.Client;

public sealed class RoundTripTests
{
    private static readonly ObjectId Object = ObjectId.FromUInt64(5);

    [Fact]
    public async Task PutGetAndFlushReturnWhatTheNodeAnswered()
    {
        await using var node = ScriptedNode.Start();
        await using var client = await GridClient.ConnectAsync(node.ConnectionString);
        var pool = await client.CreatePoolAsync("p", new PoolOptions { Sharing = PoolSharing.Shared });
        var page = Pages.Random(1);
        var buffer = new byte[4096];

        Assert.Equal(new GetResult(false, new ObjectVersion(7, 0)), await pool.GetAsync(Object, 3, buffer));
        Assert.Equal(new PutResult(PutOutcome.Stored, RefusalReason.None, new ObjectVersion(7, 1)), await pool.PutAsync(Object, 3, page));
        Assert.Equal(new GetResult(true, new ObjectVersion(7, 1)), await pool.GetAsync(Object, 3, buffer));
        Assert.Equal(page, buffer);
        Assert.True((await pool.GetAsync(Object, 3, buffer, GetMode.Take)).Hit);
        Assert.False((await pool.GetAsync(Object, 3, buffer, GetMode.Keep)).Hit);
        Assert.False((await pool.FlushPageAsync(Object, 3)).WasThere);
        await pool.PutAsync(Object, 3, page);
        Assert.True((await pool.FlushObjectAsync(Object)).WasThere);
    }
}
