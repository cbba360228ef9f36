using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Client.Support;
using Xunit;

namespace Grid.Tests.Client;

/// <summary>Bad arguments are refused before anything is sent.</summary>
public sealed class ArgumentTests : ClientTest
{
    [Fact]
    public async Task Wrong_arguments_never_reach_the_node()
    {
        var node = StartNode();
        var client = await ConnectAsync(node);
        var pool = await client.CreatePoolAsync("pool", Keeping);
        await client.PingAsync();
        var before = Assert.Single(node.Connections).Requests;

        await Refused(() => pool.PutAsync(Object, 0, new byte[4095]));
        await Refused(() => pool.PutAsync(Object, 0, new byte[8192]));
        await Refused(() => pool.GetAsync(Object, 0, new byte[4095]));
        await Refused(() => pool.GetAsync(Object, 0, new byte[4096], (GetMode)9));
        await Refused(() => pool.WriteBatchAsync(Object, new WriteBatch()));
        await Refused(() => pool.WriteBatchAsync(Object, new WriteBatch().Put(0, new byte[100])));
        await Refused(() => pool.GetBatchAsync(Object, Array.Empty<uint>(), new byte[4096]));
        await Refused(() => pool.GetBatchAsync(Object, new uint[257], new byte[257 * 4096]));
        await Refused(() => pool.GetBatchAsync(Object, new uint[] { 1, 2 }, new byte[4096]));
        await Refused(() => pool.GetBatchAsync(Object, new uint[] { 3, 1, 3 }, new byte[3 * 4096]));
        await Refused(() => client.OpenPoolAsync("a/b"));
        await Refused(() => client.CreatePoolAsync("", Keeping));
        await Refused(() => client.CreatePoolAsync("odd", Keeping with { PageSizeBytes = 5000 }));

        await client.PingAsync();
        Assert.Equal(before + 1, Assert.Single(node.Connections).Requests);
    }

    [Fact]
    public void A_batch_refuses_what_exceeds_it()
    {
        var batch = new WriteBatch().Put(1, new byte[4096]);
        Assert.Throws<ArgumentException>(() => batch.Flush(1));
        Assert.Throws<ArgumentException>(() => batch.Put(2, new byte[PoolOptions.MaxPageSizeBytes + 1]));
        for (var i = 2u; i <= 256; i++) batch.Flush(i);
        Assert.Throws<InvalidOperationException>(() => batch.Flush(257));
        var heavy = new WriteBatch();
        for (var i = 0u; i < 16; i++) heavy.Put(i, new byte[65536]);
        Assert.Throws<InvalidOperationException>(() => heavy.Put(16, new byte[4096]));
        Assert.Equal(17, heavy.Flush(16).Count);
    }

    [Fact]
    public void Bits_beyond_a_batch_are_an_error()
    {
        Assert.False(default(BatchBits)[255]);
        Assert.Throws<ArgumentOutOfRangeException>(() => default(BatchBits)[256]);
        Assert.Throws<ArgumentOutOfRangeException>(() => default(BatchBits)[-1]);
    }

    private static async Task Refused<T>(Func<ValueTask<T>> call) => await Assert.ThrowsAnyAsync<ArgumentException>(async () => await call());
}
