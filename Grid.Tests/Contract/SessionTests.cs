using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Contract;

/// <summary>A client over several connections: nothing of an older epoch begins to take effect once a newer one was let in.</summary>
public sealed class SessionTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    private int Port => Shared.Node.Ports.Data;

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task What_comes_on_an_older_connection_of_a_session_is_not_applied(PoolKind kind, PoolSharing sharing)
    {
        var pool = await NewPoolAsync(kind, sharing);
        var id = Names.Object();
        await pool.StoreAsync(id, 1, PageBytes.Random(1));
        var session = Guid.NewGuid();
        await using var older = await GreetAsync(session, 5);
        var put = RawConnection.ObjectFrame(Opcode.Put, 6, new ObjectRequestHead(pool.Id, id, 1, 4096), PageBytes.Random(2));
        Assert.Equal(Status.Ok, (await older.AskAsync(put)).Header.Status);
        await pool.StoreAsync(id, 1, PageBytes.Random(1));

        await using var newer = await GreetAsync(session, 7);
        Assert.Equal(Status.NotServing, (await older.AskAsync(put)).Header.Status);
        var flush = RawConnection.ObjectFrame(Opcode.FlushPage, 7, new ObjectRequestHead(pool.Id, id, 1, 0));
        Assert.Equal(Status.NotServing, (await older.AskAsync(flush)).Header.Status);
        await pool.AssertHoldsAsync(id, 1, PageBytes.Random(1));
        Assert.Equal(Status.Ok, (await newer.AskAsync(put)).Header.Status);
        await pool.AssertHoldsAsync(id, 1, PageBytes.Random(2));
    }

    [Fact]
    public async Task A_hello_that_comes_after_one_of_a_higher_epoch_is_refused_before_anything_can_be_sent_on_it()
    {
        var session = Guid.NewGuid();
        await using var newer = await GreetAsync(session, 7);
        await using (var late = await RawConnection.OpenAsync(Port))
        {
            var answer = await late.AskAsync(RawConnection.Hello(session, 6));
            Assert.Equal(Status.NotServing, answer.Header.Status);
            Assert.Contains("epoch", answer.Text, StringComparison.Ordinal);
            Assert.Null(await late.ReadAsync());
        }

        Assert.Equal(Status.Ok, (await newer.AskAsync(RawConnection.Frame(Opcode.Ping, 2, []))).Header.Status);
        await using var again = await GreetAsync(session, 8);
    }

    [Fact]
    public async Task A_session_is_forgotten_with_its_last_connection()
    {
        var session = Guid.NewGuid();
        await using (await GreetAsync(session, 7))
        {
        }

        await Eventually.TrueAsync(
            async () =>
            {
                await using var connection = await RawConnection.OpenAsync(Port);
                return (await connection.AskAsync(RawConnection.Hello(session, 1))).Header.Status == Status.Ok;
            },
            "the node forgets the session",
            TimeSpan.FromSeconds(20));
    }

    private async Task<RawConnection> GreetAsync(Guid session, ulong epoch)
    {
        var connection = await RawConnection.OpenAsync(Port);
        Assert.Equal(Status.Ok, (await connection.AskAsync(RawConnection.Hello(session, epoch))).Header.Status);
        return connection;
    }
}
