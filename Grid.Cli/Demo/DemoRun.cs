using System.Diagnostics;
using System.Globalization;
using Grid.Cli.Cluster;
using Grid.Cli.Commands;
using Grid.Cli.Local;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Demo;

/// <summary>The demonstration: three nodes, pages, a crash, a drain; every claim is checked.</summary>
/// <param name="teller">Where it speaks.</param>
/// <param name="cluster">The nodes, not started.</param>
/// <param name="cancellation">Ctrl-C.</param>
internal sealed class DemoRun(DemoTeller teller, LocalCluster cluster, CancellationToken cancellation)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(100);

    /// <summary>Runs all of it.</summary>
    public async Task RunAsync()
    {
        await StartNodesAsync();
        await using var client = await GridClient.ConnectAsync(GridClientOptions.Parse($"{cluster.ConnectionString}?timeout={Patience.TotalSeconds:0}s") with { Agent = "grid demo" }, cancellation);
        var vault = new DemoPages(await client.CreatePoolAsync("vault", new PoolOptions { Kind = PoolKind.Persistent }, cancellation), objects: 300, pagesPerObject: 10);
        var cache = new DemoPages(await client.CreatePoolAsync("cache", new PoolOptions { Kind = PoolKind.Ephemeral, Sharing = PoolSharing.Shared }, cancellation), objects: 200, pagesPerObject: 5);
        await WriteAsync(vault, cache);
        await LookAsync();
        await KillAsync(cluster.Nodes[1], vault);
        await ReadBackAsync(vault, cache);
        await ComeBackAsync(cluster.Nodes[1]);
        await DrainAsync(cluster.Nodes[2], client, vault);
    }

    private async Task StartNodesAsync()
    {
        teller.Step("Start three nodes", "Each is a process with an address of its own; together they form one cluster. Persistent pages go to the PostgreSQL they share.");
        var clock = Stopwatch.StartNew();
        await cluster.StartAsync(node => teller.Say($"{node.Name} serves on {node.DataAddress} (process {node.Pid})"), cancellation);
        await UpAsync(cluster.Nodes.Count);
        teller.Check(true, Invariant($"three nodes are up after {clock.Elapsed.TotalSeconds:0.0} s"));
    }

    private async Task WriteAsync(DemoPages vault, DemoPages cache)
    {
        teller.Step("Write pages", $"Pool '{vault.Name}' is persistent: a put is answered when the page is on disk. Pool '{cache.Name}' is ephemeral: a cache in memory, whose pages may vanish but never come back stale.");
        foreach (var pages in (DemoPages[])[vault, cache])
        {
            var clock = Stopwatch.StartNew();
            var stored = await pages.WriteAsync(done => teller.Progress($"{pages.Name}: {done} of {pages.Count} pages"), cancellation);
            teller.Check(stored == pages.Count, Invariant($"{pages.Name}: {stored} of {pages.Count} pages in {pages.Objects} objects stored in {clock.Elapsed.TotalSeconds:0.0} s"));
        }
    }

    private async Task LookAsync()
    {
        teller.Step("Look", "grid status and grid shards, as an operator sees them. Objects are spread over shards, shards over nodes.");
        var report = await ReportAsync() ?? throw CliException.Failed("no node answers at its admin address");
        await teller.Output.Standard.WriteLineAsync();
        StatusView.Write(teller.Output, report);
        await teller.Output.Standard.WriteLineAsync();
        ShardsCommand.Write(teller.Output, ShardsCommand.MapOf(report), ranges: false);
    }

    private async Task KillAsync(LocalNode node, DemoPages vault)
    {
        teller.Step($"Kill {node.Name}", "SIGKILL: no goodbye, what it had in memory is lost. The others must notice, be sure that it serves no more, and open its shards from the journal; until then calls to its objects wait.");
        teller.Say(Invariant($"kill -9 {node.Pid}"));
        var clock = Stopwatch.StartNew();
        node.Kill();
        await node.EndAsync(cancellation);
        await vault.TouchAsync(done => teller.Progress(Invariant($"{done} of {vault.Objects} objects have answered, {clock.Elapsed.TotalSeconds:0.0} s")), cancellation);
        teller.Check(clock.Elapsed < Patience, Invariant($"every object answers again {clock.Elapsed.TotalSeconds:0.0} s after the kill"));
    }

    private async Task ReadBackAsync(DemoPages vault, DemoPages cache)
    {
        teller.Step("Read everything back", "Nothing that was acknowledged may be missing from the persistent pool. The cache has lost what the dead node held, and only that; what it gives must be right.");
        await CompareAsync(vault);
        var found = await cache.ReadAsync(done => teller.Progress($"{cache.Name}: {done} of {cache.Count} pages"), cancellation);
        teller.Check(found.Wrong == 0, $"{cache.Name}: {found.Equal} pages are equal, {found.Missing} are gone, {found.Wrong} are wrong");
    }

    private async Task CompareAsync(DemoPages vault)
    {
        var found = await vault.ReadAsync(done => teller.Progress($"{vault.Name}: {done} of {vault.Count} pages"), cancellation);
        teller.Check(found.Equal == vault.Count, $"{vault.Name}: {found.Equal} of {vault.Count} pages are equal, {found.Missing} are missing, {found.Wrong} are wrong");
    }

    private async Task ComeBackAsync(LocalNode node)
    {
        teller.Step($"Start {node.Name} again", "It joins as a new member and takes over a share of the shards.");
        var clock = Stopwatch.StartNew();
        await node.StartAsync(cancellation);
        await UpAsync(cluster.Nodes.Count);
        teller.Check(true, Invariant($"{node.Name} is back after {clock.Elapsed.TotalSeconds:0.0} s"));
    }

    private async Task DrainAsync(LocalNode node, GridClient client, DemoPages vault)
    {
        teller.Step($"Drain {node.Name} under load", "As in an upgrade: the node hands its shards over and sends its clients away before it ends. Nobody's call may fail.");
        var load = new DemoLoad(await client.CreatePoolAsync("load", new PoolOptions { Kind = PoolKind.Persistent }, cancellation), cancellation);
        await using (load)
        {
            await WaitAsync(() => Task.FromResult(load.Operations >= 100), "the load runs");
            using var http = new AdminClient(AdminClient.OthersTimeout);
            var clock = Stopwatch.StartNew();
            var answer = await http.DrainAsync(node.Admin, cancellation);
            teller.Say($"{node.Name} {Json.Text(answer["what"])}");
            var how = await node.EndAsync(cancellation).WaitAsync(Patience, cancellation);
            teller.Check(node.ExitCode == 0, Invariant($"{node.Name} is gone after {clock.Elapsed.TotalSeconds:0.0} s ({how})"));
            var before = load.Operations;
            await WaitAsync(() => Task.FromResult(load.Operations >= before + 100), "the load goes on");
        }

        var first = load.Failed > 0 ? $"; the first said: {load.FirstFailure}" : "";
        teller.Check(load.Failed == 0, Invariant($"{load.Operations} operations meanwhile, {load.Failed} failed, the longest took {load.Longest.TotalMilliseconds:0} ms{first}"));
        await CompareAsync(vault);
    }

    private Task UpAsync(int count) => WaitAsync(
        async () => await ReportAsync() is { } report && report.Nodes.Count == count && report.Nodes.All(node => node is { Status: "up", IsReachable: true, Figures: not null }), $"{count} nodes are up");

    private async Task<ClusterReport?> ReportAsync()
    {
        using var http = new AdminClient(AdminClient.OthersTimeout);
        return await http.ReportAsync(cluster.Nodes[0].Admin, cancellation);
    }

    private async Task WaitAsync(Func<Task<bool>> condition, string what)
    {
        var clock = Stopwatch.StartNew();
        while (!await condition())
        {
            if (clock.Elapsed > Patience) throw CliException.Failed($"not within {Patience.TotalSeconds:0} s: {what}");
            teller.Progress(Invariant($"waiting until {what}, {clock.Elapsed.TotalSeconds:0} s"));
            await Task.Delay(LookAgainAfter, cancellation);
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
