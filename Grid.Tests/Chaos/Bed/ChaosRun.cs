using System.Diagnostics;
using System.Globalization;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit.Abstractions;

namespace Grid.Tests.Chaos.Bed;

/// <summary>
/// Breaks and mends the bed by a schedule that follows from a seed, under load, and judges everything that callers were answered. Objects live for some faults, then new ones are taken, so that no
/// history grows without bound.
/// </summary>
internal sealed class ChaosRun(ChaosBed bed, int seed, ITestOutputHelper output)
{
    private const int FaultsPerHistory = 5;

    /// <summary>All objects must be served again so long after a fault's end.</summary>
    private static readonly TimeSpan HealsWithin = TimeSpan.FromSeconds(15);

    /// <summary>After that it is a finding, and is watched on to see whether it heals at all.</summary>
    private static readonly TimeSpan WatchedFor = TimeSpan.FromSeconds(120);

    /// <summary>What a call may take beyond its deadline on a machine that is busy with restarts.</summary>
    private static readonly TimeSpan Tolerance = TimeSpan.FromSeconds(1);
    private readonly Random _random = new(seed);
    private readonly Numbers _numbers = new();
    private readonly List<FaultReport> _reports = [];
    private readonly List<string> _violations = [];
    private int _histories;

    public IReadOnlyList<FaultReport> Reports => _reports;

    /// <summary>What was found wrong; the run ends with the first history that shows something.</summary>
    public IReadOnlyList<string> Violations => _violations;

    /// <summary>Goes through a schedule until it ends or something is wrong.</summary>
    public async Task RunAsync(IEnumerable<ChaosFault> schedule)
    {
        await using var callers = await ChaosCallers.ConnectAsync(bed);
        using var faults = schedule.GetEnumerator();
        for (var goesOn = faults.MoveNext(); goesOn;)
        {
            try
            {
                goesOn = await RunHistoryAsync(callers, faults);
            }
            catch (Exception e) when (e is not OutOfMemoryException)
            {
                _violations.Add($"the run itself failed: {e}");
            }

            JudgeOwners();
            if (_violations.Count == 0) continue;
            Artifacts.Keep(bed, seed, _violations, Summary());
            return;
        }
    }

    public string Summary() => string.Create(
        CultureInfo.InvariantCulture,
        $"chaos, seed {seed}: {_reports.Count} faults, {_reports.Sum(report => report.Operations)} operations, {_reports.Sum(report => report.Unknown)} unknown, {bed.Supervisor.Restarts} starts by the supervisor, violations {_violations.Count}\n{FaultReport.Table(_reports)}");

    /// <summary>Some faults of the schedule on the same objects, and the judgement; whether the schedule goes on.</summary>
    private async Task<bool> RunHistoryAsync(ChaosCallers callers, IEnumerator<ChaosFault> faults)
    {
        var goesOn = true;
        var path = Path.Combine(bed.Folder, string.Create(CultureInfo.InvariantCulture, $"history-{++_histories}.jsonl"));
        var spans = new List<(ChaosFault Fault, long FromNs, long ToNs, TimeSpan Healed, TimeSpan Whole)>();
        await using (var history = new HistoryWriter(path))
        {
            using var stop = new CancellationTokenSource();
            var workload = await Workload.BeginAsync(history, _random);
            var calling = callers.RunAsync(workload, history, _numbers, new Random(_random.Next()), stop.Token);
            try
            {
                while (goesOn && spans.Count < FaultsPerHistory)
                {
                    var fault = faults.Current;
                    var fromNs = history.NowNs;
                    await Task.Delay(TimeSpan.FromSeconds(1));
                    await history.AddFaultAsync($"{fault.Name} begins");
                    await fault.RunAsync(new FaultRun(bed, history, _random.Next()));
                    await history.AddFaultAsync($"{fault.Name} is over");
                    var (healed, whole) = await HealAsync(callers, workload, history, fault);
                    spans.Add((fault, fromNs, history.NowNs, healed, whole));
                    await Console.Error.WriteLineAsync($"{DateTime.UtcNow:HH:mm:ss} {fault.Name}: healed after {healed.TotalSeconds:0.0} s, whole after {whole.TotalSeconds:0.0} s");
                    goesOn = faults.MoveNext();
                }
            }
            finally
            {
                await stop.CancelAsync();
                await calling;
            }

            // What everything holds in the end.
            await ForEachObjectAsync(workload, async item =>
            {
                var auditor = callers.Another(history, _numbers, HealsWithin);
                foreach (var index in Workload.Indexes) await auditor.CallAsync(CallKind.Get, item.Pool, item.Object, [index], []);
            });
        }

        var read = await RecordedHistory.ReadAsync(path);
        foreach (var (fault, fromNs, toNs, healed, whole) in spans)
        {
            var during = read.Calls.Where(call => call.EndNs >= fromNs && call.EndNs <= toNs).ToArray();
            var report = new FaultReport(
                fault.Name, during.Length, during.Count(call => call.Outcome == EntryType.Fail), during.Count(call => call.Outcome == EntryType.Info), Outages.Longest(read.Calls, fromNs, toNs), healed, whole);
            _reports.Add(report);
            output.WriteLine(report.ToString());
            // What an operator does may make callers wait a moment; nobody is left without an answer.
            var unknown = during.Where(call => call.Outcome == EntryType.Info).ToArray();
            if (fault.IsPlanned && unknown.Length > 0) _violations.Add(new Violation("planned", $"{fault.Name} leaves outcomes unknown ({Path.GetFileName(path)})", unknown).ToString());
        }

        var clock = Stopwatch.StartNew();
        var found = HistoryChecker.Check(read, Tolerance);
        output.WriteLine($"{read.Calls.Count} calls judged in {clock.Elapsed.TotalSeconds:0.0} s, {found.Count} violations");
        _violations.AddRange(found.Select(violation => $"{Path.GetFileName(path)}: {violation}"));
        return goesOn;
    }

    /// <summary>Whether two nodes served one shard at the same instant, by their own logs so far. The fourth one's too, where there was one.</summary>
    private void JudgeOwners()
    {
        var logs = Enumerable.Range(0, ChaosBed.NodeCount + 1).Select(bed.LogOf).Where(File.Exists).Select(path => File.ReadLines(path));
        var (spans, overlaps) = OwnerCheck.Check(logs);
        output.WriteLine($"{spans} times a shard was served by a node, {overlaps.Count} overlaps");
        if (spans == 0) _violations.Add("the nodes' logs tell of no shard that was served: nothing was checked");
        _violations.AddRange(overlaps.Select(overlap => $"owners: {overlap}"));
    }

    /// <summary>Waits until every object has answered a get and a put, and then until the cluster is whole: how long after the fault's end.</summary>
    private async Task<(TimeSpan Healed, TimeSpan Whole)> HealAsync(ChaosCallers callers, Workload workload, HistoryWriter history, ChaosFault fault)
    {
        var clock = Stopwatch.StartNew();
        await ForEachObjectAsync(workload, async item =>
        {
            var auditor = callers.Another(history, _numbers, HealsWithin);
            await Eventually.TrueAsync(() => auditor.CallAsync(CallKind.Get, item.Pool, item.Object, [0], []), $"{item.Pool}/{item.Object} answers a get", WatchedFor);
            await Eventually.TrueAsync(() => auditor.CallAsync(CallKind.Put, item.Pool, item.Object, [1], [_numbers.NextValue()]), $"{item.Pool}/{item.Object} answers a put", WatchedFor);
        });
        var healed = clock.Elapsed;
        if (healed > HealsWithin)
            _violations.Add(string.Create(CultureInfo.InvariantCulture, $"{fault.Name}: all objects were served again only after {healed.TotalSeconds:0.0} s, {HealsWithin.TotalSeconds:0} s is the bound"));
        await history.AddFaultAsync("healed");
        await Eventually.TrueAsync(() => bed.IsWholeAsync(), "every node serves and sees all others", WatchedFor);
        await history.AddFaultAsync("whole");
        for (var node = 0; node < ChaosBed.NodeCount; node++)
        {
            var rssBytes = bed.Cluster.Nodes[node].RssBytes();
            if (rssBytes > ChaosBed.RssMaxBytes) _violations.Add($"{fault.Name}: node {node + 1} takes {rssBytes >> 20} MiB of memory, {ChaosBed.RssMaxBytes >> 20} MiB is the bound");
        }

        return (healed, clock.Elapsed);
    }

    private static Task ForEachObjectAsync(Workload workload, Func<(string Pool, ObjectId Object), Task> doAsync) => Task.WhenAll([.. workload.Objects.Select(doAsync)]);
}
