using System.Diagnostics;
using System.Globalization;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Model;

/// <summary>
/// <c>kill -9</c> at random moments under load: several callers on few handles use every operation of persistent pools; after each restart all handles are read, and for each object it is decided
/// exactly whether an order of all calls explains every answer. How many kills: GRID_TEST_KILLS, else 20.
/// </summary>
public sealed class KillRunTests(ITestOutputHelper output)
{
    private const int Clients = 5;
    private const int CallersPerClient = 3;
    private const int ObjectsPerPool = 3;

    private readonly int _seed = Seeds.Next(output);
    private readonly KillCounts _counts = new();
    private readonly List<string> _violations = [];
    private readonly Dictionary<KillObject, ulong[]> _known = [];
    private ulong _number;

    [Fact]
    public async Task Promises_1_to_6_hold_in_persistent_pools_whenever_the_node_is_killed()
    {
        var kills = int.Parse(Environment.GetEnvironmentVariable("GRID_TEST_KILLS") ?? "20", CultureInfo.InvariantCulture);
        var random = new Random(_seed);
        await using var node = await NodeProcess.StartAsync(output: output);
        await using (var client = await node.ConnectAsync()) await CreateAsync(client);
        var clock = Stopwatch.StartNew();
        for (var kill = 1; kill <= kills && _violations.Count < 5; kill++)
        {
            await RoundAsync(node, random, kill);
            if (kill % 25 == 0) await Console.Error.WriteLineAsync($"{Summary(kill)}, {clock.Elapsed.TotalSeconds:0} s");
        }

        output.WriteLine(Summary(kills));
        Assert.True(_violations.Count == 0, $"{Summary(kills)}\n{string.Join('\n', _violations)}");
        Assert.True(_counts.AcknowledgedPuts > kills * 10, "hardly anything was put: the run shows nothing");
    }

    private string Summary(int kills) => string.Create(
        CultureInfo.InvariantCulture,
        $"kill run, seed {_seed}: kills {kills}, acknowledged puts verified {_counts.AcknowledgedPuts}, violations {_violations.Count} (calls {_counts.Calls}, refused {_counts.Refused}, unknown {_counts.Unknown}, not applied {_counts.NotApplied})");

    private async Task CreateAsync(GridClient client)
    {
        foreach (var (name, quota) in new[] { ("free", 0ul), ("tight", (ulong)(ObjectsPerPool * KillObject.Indexes.Length * 2 / 3)) })
        {
            await client.CreatePoolAsync(name, new PoolOptions { Kind = PoolKind.Persistent, QuotaPages = quota, Compression = quota > 0 ? PageCompression.Lz4 : PageCompression.None });
            for (var i = 0; i < ObjectsPerPool; i++) _known[new KillObject(name, Names.Object(), quota > 0)] = new ulong[KillObject.Indexes.Length];
        }
    }

    /// <summary>Load, a kill, a restart, and the judgement of everything that was answered.</summary>
    private async Task RoundAsync(NodeProcess node, Random random, int kill)
    {
        using var stop = new CancellationTokenSource();
        var objects = _known.Keys.ToArray();
        var clients = new List<GridClient>();
        var workers = new List<KillWorker>();
        for (var i = 0; i < Clients; i++)
        {
            clients.Add(await node.ConnectAsync());
            for (var caller = 0; caller < CallersPerClient; caller++)
                workers.Add(new KillWorker(clients[i], objects, new Random(random.Next()), () => Interlocked.Increment(ref _number), _counts));
        }

        var running = workers.Select(worker => RunAsync(worker, kill, stop.Token)).ToArray();
        await InTheMiddleAsync(random);
        await node.Kill9Async();
        var ended = Stopwatch.GetTimestamp();
        await stop.CancelAsync();
        foreach (var client in clients) await client.DisposeAsync();
        await Task.WhenAll(running);
        await node.RestartAsync();
        await using var auditor = await node.ConnectAsync();
        foreach (var target in objects)
        {
            var history = new ObjectHistory(_known[target]);
            foreach (var worker in workers) history.AddCaller(worker.CallsOn(target, ended));
            var (audit, state) = await AuditAsync(await auditor.OpenPoolAsync(target.Pool), target);
            history.AddCaller(audit);
            if (history.Check() is { } wrong) _violations.Add($"kill {kill}, {target.Pool}/{target.Id}: {wrong}");
            _known[target] = state;
        }
    }

    /// <summary>Waits for a random moment: now and then almost at once, mostly after some hundred calls, so that a busy machine does not make the run idle.</summary>
    private async Task InTheMiddleAsync(Random random)
    {
        var clock = Stopwatch.StartNew();
        var calls = Volatile.Read(ref _counts.Calls) + (random.Next(4) == 0 ? random.Next(20) : random.Next(100, 1500));
        var latest = TimeSpan.FromMilliseconds(random.Next(900, 2000));
        while (Volatile.Read(ref _counts.Calls) < calls && clock.Elapsed < latest) await Task.Delay(random.Next(1, 6));
    }

    private async Task RunAsync(KillWorker worker, int kill, CancellationToken stop)
    {
        try
        {
            await worker.RunAsync(stop);
        }
        catch (ContractViolationException violation)
        {
            lock (_violations) _violations.Add($"kill {kill}: {violation.Message}");
        }
        catch (Exception failure) when (failure is GridException or ObjectDisposedException)
        {
            // Killed before the worker had opened its pools.
        }
    }

    /// <summary>What every handle holds after the restart. The list of pages and the journal must agree with it.</summary>
    private async Task<(List<ObjectCall> Calls, ulong[] State)> AuditAsync(Pool pool, KillObject target)
    {
        var calls = new List<ObjectCall>();
        var state = new ulong[KillObject.Indexes.Length];
        for (var i = 0; i < state.Length; i++)
        {
            var (at, start) = (i, Stopwatch.GetTimestamp());
            var (hit, page, _) = await pool.ReadAsync(target.Id, KillObject.Indexes[at]);
            var number = state[at] = hit ? KillWorker.NumberOf(page) : 0;
            calls.Add(new ObjectCall(start, Stopwatch.GetTimestamp(), $"after the restart {at}: {number}", [held => held[at] == number]));
        }

        var listed = new List<uint>();
        await foreach (var piece in pool.ListPagesAsync(target.Id)) listed.AddRange(piece.Indexes);
        if (!listed.SequenceEqual(KillObject.Indexes.Where((_, at) => state[at] != 0))) _violations.Add($"{target.Id}: pages {string.Join(' ', listed)} are listed, [{string.Join(' ', state)}] is held");
        await foreach (var part in pool.VerifyObjectAsync(target.Id))
            foreach (var damage in part.Damages) _violations.Add($"{target.Id}: {damage}");
        return (calls, state);
    }
}
