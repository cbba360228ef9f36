using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Faults;

/// <summary>
/// Two nodes that know nothing of each other own the same objects on one PostgreSQL, and one of them is paused between INSERT and commit: the worst that a lost or late
/// owner can do. The journal's key and the fence of each incarnation decide. (A node sends both in one message; here only its last byte is late. SQLite's lock on its file keeps
/// the second writer from its INSERT altogether: TwoWritersTests.)
/// </summary>
public sealed class PausedOwnerTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>, IAsyncLifetime
{
    private static readonly ObjectId Id = ObjectId.FromUInt64(5);
    private static readonly byte[] Old = PageBytes.Random(1);
    private static readonly byte[] Late = PageBytes.Random(2);
    private static readonly byte[] New = PageBytes.Random(3);

    private PostgresProxy _proxy = null!;
    private NodeProcess _oldNode = null!;
    private NodeProcess _newNode = null!;
    private GridClient _oldClient = null!;
    private GridClient _newClient = null!;

    /// <summary>The pool as the paused owner serves it, and as the other does.</summary>
    private Pool _paused = null!;
    private Pool _other = null!;

    public async Task InitializeAsync()
    {
        var database = await server.NewDatabaseAsync();
        _proxy = new PostgresProxy(server.Port);
        _oldNode = await NodeProcess.StartAsync(NodeSetup.OnPostgres(_proxy.Lead(database)).With("grid.journal.write-timeout", "8s"), output);
        _oldClient = await _oldNode.ConnectAsync();
        _paused = await _oldClient.CreatePoolAsync("p", Kinds.Options(PoolKind.Persistent, PoolSharing.Shared));
        await _paused.StoreAsync(Id, 1, Old);
        _newNode = await NodeProcess.StartAsync(NodeSetup.OnPostgres(database).With("grid.journal.write-timeout", "8s"), output);
        _newClient = await _newNode.ConnectAsync();
        _other = await _newClient.OpenPoolAsync("p");
    }

    public async Task DisposeAsync()
    {
        await _newClient.DisposeAsync();
        await _oldClient.DisposeAsync();
        await _newNode.DisposeAsync();
        await _oldNode.DisposeAsync();
        await _proxy.DisposeAsync();
    }

    [Fact]
    public async Task A_commit_that_comes_too_late_is_undone_and_what_the_other_wrote_meanwhile_stands()
    {
        var late = await PauseAtCommitAsync(1, Late);
        await _other.AssertHoldsAsync(Id, 1, Old);
        var store = _other.StoreAsync(Id, 1, New);
        await InsertWaitsAsync();
        await EndPausedAsync();
        await store;
        _proxy.Release();
        Assert.Equal(Ending.Unknown, (await late.End).Ending);
        await _other.AssertHoldsAsync(Id, 1, New);
        // The late owner finds out before it answers anything about that handle.
        await _paused.AssertHoldsAsync(Id, 1, New);
        await AssertAfterRestartAsync(1, New);
    }

    [Fact]
    public async Task A_commit_that_comes_in_time_stands_and_the_other_is_told_that_its_write_is_not_applied()
    {
        var late = await PauseAtCommitAsync(1, Late);
        await _other.AssertHoldsAsync(Id, 1, Old);
        var other = Attempt.PutAsync(_other, Id, 1, New);
        await InsertWaitsAsync();
        Assert.False(other.IsCompleted, "a write was answered that the paused one can still take back");
        _proxy.Release();
        Assert.Equal(Ending.Applied, (await late.End).Ending);
        var told = await other;
        Assert.True(told.Ending == Ending.NotApplied, told.ToString());
        // It recovers: it sees what it was beaten by, and writes behind it.
        await AssertComesToHoldAsync(1, Late);
        await Attempt.UntilStoredAsync(_other, Id, 1, New, TimeSpan.FromSeconds(10));
        await AssertAfterRestartAsync(1, New);
    }

    [Fact]
    public async Task A_flush_that_finds_nothing_is_not_answered_while_a_paused_put_can_still_appear()
    {
        var late = await PauseAtCommitAsync(9, Late);
        await _other.AssertMissAsync(Id, 9);
        var flush = Attempt.RunAsync(async () => (await _other.FlushPageAsync(Id, 9)).WasThere ? "was there" : "nothing");
        await InsertWaitsAsync();
        Assert.False(flush.IsCompleted, "a flush was answered before this incarnation had fenced");
        _proxy.Release();
        Assert.Equal(Ending.Applied, (await late.End).Ending);
        var told = await flush;
        // Not applied, or applied to what the paused put left; "nothing was there" and the page afterwards would break promise 3.
        if (told.Ending == Ending.Applied)
        {
            Assert.Equal("was there", told.Text);
            await _other.AssertMissAsync(Id, 9);
            return;
        }

        Assert.Equal(Ending.NotApplied, told.Ending);
        await AssertComesToHoldAsync(9, Late);
        await AssertAfterRestartAsync(9, Late);
    }

    [Fact]
    public async Task A_flush_while_a_paused_put_is_undone_finds_nothing_and_the_page_never_appears()
    {
        var late = await PauseAtCommitAsync(9, Late);
        var flush = _other.FlushPageAsync(Id, 9).AsTask();
        await InsertWaitsAsync();
        await EndPausedAsync();
        Assert.False((await flush).WasThere);
        _proxy.Release();
        Assert.Equal(Ending.Unknown, (await late.End).Ending);
        await _paused.AssertMissAsync(Id, 9);
        await AssertAfterRestartAsync(9, null);
    }

    private async Task<PausedPut> PauseAtCommitAsync(uint index, byte[] page)
    {
        _proxy.AtCommit = AtCommit.Hold;
        var put = new PausedPut(Attempt.PutAsync(_paused, Id, index, page));
        await _proxy.Met.WaitAsync(TimeSpan.FromSeconds(20));
        return put;
    }

    /// <summary>The server gives the paused node's session up, as it does when that node's machine is gone, or an operator ends it.</summary>
    private async Task EndPausedAsync() => Assert.Equal(
        1L, await server.ScalarAsync("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE wait_event = 'ClientRead' AND xact_start IS NOT NULL AND query LIKE 'INSERT%'"));

    /// <summary>The other's INSERT waits, in the server, for the end of the paused transaction.</summary>
    private Task InsertWaitsAsync() => Eventually.TrueAsync(
        async () => (long?)await server.ScalarAsync("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'INSERT%'") == 1,
        "the other's INSERT waits for the paused one", TimeSpan.FromSeconds(2));

    /// <summary>The other's view becomes what the journal has, and stays so. (Its gets need no fence: until then they see what was before.)</summary>
    private async Task AssertComesToHoldAsync(uint index, byte[] page)
    {
        await Eventually.TrueAsync(async () => (await _other.ReadAsync(Id, index)) is { Hit: true } read && read.Page.AsSpan().SequenceEqual(page), "the other recovers", TimeSpan.FromSeconds(5));
        for (var i = 0; i < 20; i++) await _other.AssertHoldsAsync(Id, index, page);
    }

    private async Task AssertAfterRestartAsync(uint index, byte[]? page)
    {
        await _newClient.DisposeAsync();
        await _newNode.Kill9Async();
        await _newNode.RestartAsync();
        _newClient = await _newNode.ConnectAsync();
        var pool = await _newClient.OpenPoolAsync("p");
        if (page is null) await pool.AssertMissAsync(Id, index);
        else await pool.AssertHoldsAsync(Id, index, page);
    }

    /// <summary>A put that is under way: awaiting its beginning must not await its end.</summary>
    private sealed record PausedPut(Task<Attempt> End);
}
