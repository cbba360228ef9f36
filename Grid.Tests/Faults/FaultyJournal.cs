using System.Diagnostics;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Faults;

/// <summary>
/// A node whose journal's database is about to fail, and what must hold then whatever the fault is: puts fail within their deadline and say whether they were applied, resident
/// pages are served, readiness and a metric tell, and everything comes back by itself with nothing acknowledged lost.
/// </summary>
internal sealed class FaultyJournal : IAsyncDisposable
{
    public const string PutTimeout = "4s";

    /// <summary>A journal that works again is used again within this time: the writer's rest and the circuit breaker's are a second each.</summary>
    private static readonly TimeSpan BackWithin = TimeSpan.FromSeconds(6);

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly ITestOutputHelper _output;
    private readonly Dictionary<(uint Object, uint Index), ulong> _stored = [];
    private readonly Dictionary<(uint Object, uint Index), ulong> _inDoubt = [];
    private GridClient _client;
    private ulong _number = 1_000_000;

    private FaultyJournal(NodeProcess node, GridClient client, Pool pool, ITestOutputHelper output)
    {
        (Node, _client, Pool, _output) = (node, client, pool, output);
    }

    public NodeProcess Node { get; }

    public Pool Pool { get; private set; }

    public GridClient Client => _client;

    /// <summary>A node with pages of four objects in memory and in its journal.</summary>
    public static async Task<FaultyJournal> StartAsync(NodeSetup setup, ITestOutputHelper output)
    {
        var node = await NodeProcess.StartAsync(setup.With("grid.journal.write-timeout", "2s"), output);
        var client = await node.ConnectAsync(timeout: PutTimeout);
        var faulty = new FaultyJournal(node, client, await client.CreatePoolAsync("vault", Kinds.Options(PoolKind.Persistent, PoolSharing.Shared)), output);
        for (var i = 0u; i < 40; i++) await faulty.StoreAsync(i % 4, i);
        return faulty;
    }

    public static ObjectId IdOf(uint number) => ObjectId.FromUInt64(number);

    /// <summary>Stores a page and remembers it.</summary>
    public async Task StoreAsync(uint number, uint index)
    {
        var page = ++_number;
        await Pool.StoreAsync(IdOf(number), index, PageBytes.Random(page));
        _stored[(number, index)] = page;
    }

    /// <summary>Overwrites a page; what may be there afterwards is remembered.</summary>
    public async Task<Attempt> TryStoreAsync(uint number, uint index)
    {
        var page = Interlocked.Increment(ref _number);
        var attempt = await Attempt.PutAsync(Pool, IdOf(number), index, PageBytes.Random(page));
        lock (_stored)
        {
            if (attempt.Ending == Ending.Applied) _stored[(number, index)] = page;
            if (attempt.Ending == Ending.Unknown) _inDoubt[(number, index)] = page;
        }

        return attempt;
    }

    /// <summary>While the database does not work: puts fail in time, the rest goes on and is told.</summary>
    /// <param name="says">What readiness must repeat of the database's words.</param>
    public async Task AssertDownAsync(string says = "")
    {
        // Of every object pages 0 to 15 are overwritten, the others are left alone.
        var attempts = await Task.WhenAll(Enumerable.Range(0, 16).Select(i => TryStoreAsync((uint)i % 4, (uint)i)));
        foreach (var group in attempts.GroupBy(attempt => (attempt.Ending, attempt.Text)))
            _output.WriteLine($"{group.Count()} puts: {group.Key.Ending} after {group.Max(put => put.Took.TotalSeconds):0.0} s at most: {group.Key.Text}");
        Assert.All(attempts, attempt => Assert.NotEqual(Ending.Applied, attempt.Ending));
        Assert.All(attempts, attempt => Assert.True(attempt.Took < TimeSpan.FromSeconds(5), $"{attempt.Took}"));

        var clock = Stopwatch.StartNew();
        for (var i = 16u; i < 40; i++) await Pool.AssertHoldsAsync(IdOf(i % 4), i, PageBytes.Random(_stored[(i % 4, i)]));
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(2), $"resident pages took {clock.Elapsed}");

        var (status, body) = (0, "");
        await Eventually.TrueAsync(
            async () => ((status, body) = await Node.HttpGetAsync("/health/ready")).status == 503 && body.Contains(says, StringComparison.Ordinal), "readiness tells", Patience, () => $"{status} {body}");
        _output.WriteLine(body);
        Assert.Contains("the journal does not work since 2", body, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cr3t", body, StringComparison.Ordinal);
        // On a full disk small writes still succeed, and with each the journal works for a moment.
        await Eventually.TrueAsync(async () => await Node.MetricAsync("grid_journal_unavailable_seconds") > 0, "a metric tells", Patience);
        Assert.True(await Node.MetricAsync("grid_journal_failures_total") > 0);
        Assert.Equal(200, (await Node.HttpGetAsync("/health/live")).Status);
    }

    /// <summary>After the database is back: puts are stored again soon, readiness is well, and every page is what its answer said, also after a kill.</summary>
    public async Task AssertBackAsync()
    {
        var took = await Attempt.UntilStoredAsync(Pool, IdOf(0), 100, PageBytes.Random(7), Patience);
        _output.WriteLine($"stored again after {took.TotalSeconds:0.0} s");
        Assert.True(took < BackWithin, $"the first put was stored {took.TotalSeconds:0.0} s after the database was back");
        for (var i = 0u; i < 4; i++) await Attempt.UntilStoredAsync(Pool, IdOf(i), 101, PageBytes.Random(8), Patience);
        await Eventually.TrueAsync(async () => (await Node.HttpGetAsync("/health/ready")).Status == 200, "readiness is well again", Patience);
        Assert.Equal(0, await Node.MetricAsync("grid_journal_unavailable_seconds"));
        await SettleAsync();
        await Node.Kill9Async();
        await ReopenAsync();
        await SettleAsync();
        Assert.False(Node.Log.Contains("s3cr3t"), "the password is in the log");
    }

    /// <summary>Restarts the node, which was killed, and opens the pool again.</summary>
    public async Task ReopenAsync()
    {
        await _client.DisposeAsync();
        await Node.RestartAsync();
        _client = await Node.ConnectAsync(timeout: PutTimeout);
        Pool = await _client.OpenPoolAsync("vault");
    }

    /// <summary>Every page is the acknowledged one; one in doubt is that or the doubtful one, and stays what it is now.</summary>
    public async Task SettleAsync()
    {
        foreach (var (handle, doubtful) in _inDoubt)
        {
            var (hit, page, _) = await Pool.ReadAsync(IdOf(handle.Object), handle.Index);
            Assert.True(hit, $"{handle} is gone");
            var found = PageBytes.NumberOf(page);
            Assert.True(found == doubtful || found == _stored[handle], $"{handle} holds {found}: neither {doubtful} nor {_stored[handle]}");
            _stored[handle] = found;
        }

        _inDoubt.Clear();
        foreach (var (handle, number) in _stored) await Pool.AssertHoldsAsync(IdOf(handle.Object), handle.Index, PageBytes.Random(number));
    }

    public async ValueTask DisposeAsync()
    {
        await _client.DisposeAsync();
        await Node.DisposeAsync();
    }
}
