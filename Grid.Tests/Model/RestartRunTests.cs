using System.Diagnostics;
using System.Globalization;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Model;

/// <summary>SIGTERM at random moments under load, with callers who stay: the node comes back where it was, and for each object it is decided exactly whether an order of all calls explains every answer.</summary>
public sealed class RestartRunTests(ITestOutputHelper output)
{
    private const int Restarts = 3;
    private const int Clients = 4;
    private const int CallersPerClient = 2;
    private const int Objects = 4;

    [Fact]
    public async Task Promise_5_callers_who_stay_while_the_node_is_stopped_and_started_notice_nothing_but_the_wait()
    {
        var random = new Random(Seeds.Next(output));
        await using var node = await NodeProcess.StartAsync(output: output);
        var samePlace = NodeSetup.Default.With("grid.gateway.port", node.Ports.Data.ToString(CultureInfo.InvariantCulture));
        var clients = new List<GridClient>();
        for (var i = 0; i < Clients; i++) clients.Add(await node.ConnectAsync(timeout: "60s"));
        await clients[0].CreatePoolAsync("load", Kinds.Options(PoolKind.Persistent, PoolSharing.Shared));
        var objects = Enumerable.Range(0, Objects).Select(_ => new KillObject("load", Names.Object(), HasQuota: false)).ToArray();
        var counts = new KillCounts();
        var number = 0ul;
        using var stop = new CancellationTokenSource();
        var workers = clients.SelectMany(client => Enumerable.Range(0, CallersPerClient).Select(
            _ => new KillWorker(client, objects, new Random(random.Next()), () => Interlocked.Increment(ref number), counts))).ToArray();
        var running = workers.Select(worker => worker.RunAsync(stop.Token)).ToArray();
        for (var restart = 0; restart < Restarts; restart++)
        {
            await CallsAsync(counts, random.Next(50, 800));
            Assert.Equal(0, await node.TerminateAsync());
            await node.RestartAsync(samePlace);
        }

        await CallsAsync(counts, 50);
        await stop.CancelAsync();
        await Task.WhenAll(running);
        foreach (var client in clients) await client.DisposeAsync();

        output.WriteLine($"calls {counts.Calls}, acknowledged puts {counts.AcknowledgedPuts}, unknown {counts.Unknown}, not applied {counts.NotApplied}");
        Assert.Equal(0, counts.Unknown);
        Assert.Equal(0, counts.NotApplied);
        foreach (var target in objects)
        {
            var history = new ObjectHistory(new ulong[KillObject.Indexes.Length]);
            foreach (var worker in workers) history.AddCaller(worker.CallsOn(target, Stopwatch.GetTimestamp()));
            var wrong = history.Check();
            Assert.True(wrong is null, wrong);
        }
    }

    /// <summary>Waits until so many more calls have begun.</summary>
    private static Task CallsAsync(KillCounts counts, int more)
    {
        var enough = Volatile.Read(ref counts.Calls) + more;
        return Eventually.TrueAsync(() => Volatile.Read(ref counts.Calls) >= enough, $"{more} calls", TimeSpan.FromSeconds(60));
    }
}
