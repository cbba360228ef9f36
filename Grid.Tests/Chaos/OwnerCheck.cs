using System.Globalization;
using System.Text.RegularExpressions;

namespace Grid.Tests.Chaos;

/// <summary>
/// Whether a shard was ever served by two nodes at the same instant, by what the nodes wrote in their logs (category Grid.Shards, level debug). Their times are the machine's monotonic clock, so those
/// of one machine's nodes can be compared. A node serves a shard from its opening until its last object has ended, and only while its lease runs.
/// </summary>
internal static partial class OwnerCheck
{
    /// <summary>The clock's resolution, and what lies between its reading and the line.</summary>
    private const long ToleranceMs = 15;

    /// <summary>How often a shard was served by a node, and what of that overlaps.</summary>
    /// <param name="logs">The nodes' logs, one each over all its starts.</param>
    public static (int Spans, IReadOnlyList<string> Overlaps) Check(IEnumerable<IEnumerable<string>> logs)
    {
        var spans = logs.SelectMany((log, node) => SpansOf(log).Select(span => span with { Node = node })).ToArray();
        var overlaps = new List<string>();
        foreach (var ofShard in spans.GroupBy(span => span.Shard))
        {
            Span? latest = null;
            foreach (var span in ofShard.OrderBy(span => span.FromMs))
            {
                if (latest is { } before && before.Node != span.Node && span.FromMs + ToleranceMs < before.ToMs)
                {
                    overlaps.Add(string.Create(
                        CultureInfo.InvariantCulture,
                        $"shard {ofShard.Key} was served by node {before.Node + 1} from {before.FromMs} to {before.ToMs} ms and by node {span.Node + 1} from {span.FromMs} to {span.ToMs} ms"));
                }

                if (latest is null || span.ToMs > latest.Value.ToMs) latest = span;
            }
        }

        return (spans.Length, overlaps);
    }

    private static List<Span> SpansOf(IEnumerable<string> log)
    {
        var spans = new List<Span>();
        var open = new Dictionary<int, long>();
        // While it is not over: since when the present lease runs, and until when by the last word on it.
        var (leaseFromMs, deadlineMs) = (long.MaxValue, long.MinValue);
        foreach (var line in log)
        {
            if (Line().Match(line) is not { Success: true } said) continue;
            var atMs = long.Parse(said.Groups["at"].Value, CultureInfo.InvariantCulture);
            if (said.Groups["opens"].Success)
            {
                open[int.Parse(said.Groups["opens"].Value, CultureInfo.InvariantCulture)] = atMs;
            }
            else if (said.Groups["ended"].Success)
            {
                var shard = int.Parse(said.Groups["ended"].Value, CultureInfo.InvariantCulture);
                if (open.Remove(shard, out var sinceMs)) Add(shard, sinceMs, atMs);
            }
            else if (said.Groups["until"].Success)
            {
                var untilMs = long.Parse(said.Groups["until"].Value, CultureInfo.InvariantCulture);
                // Over, or given up: the shards that are open stay so, and are served again if there is another lease.
                if (Math.Min(deadlineMs, untilMs) <= atMs)
                {
                    EndLease(Math.Min(deadlineMs, atMs));
                    leaseFromMs = atMs;
                }

                deadlineMs = untilMs;
            }
            else
            {
                // Another process: what was open in the one before ended with it, at the latest with its lease.
                EndLease(Math.Min(deadlineMs, atMs));
                open.Clear();
                (leaseFromMs, deadlineMs) = (long.MaxValue, long.MinValue);
            }
        }

        EndLease(deadlineMs);
        return spans;

        void EndLease(long toMs)
        {
            foreach (var (shard, sinceMs) in open) Add(shard, sinceMs, toMs);
        }

        void Add(int shard, long fromMs, long toMs)
        {
            var span = new Span(0, shard, Math.Max(fromMs, leaseFromMs), Math.Min(toMs, deadlineMs));
            if (span.ToMs > span.FromMs) spans.Add(span);
        }
    }

    [GeneratedRegex(@"Grid\.Shards\[0\] at (?<at>\d+) ms: (shard (?<opens>\d+) opens|shard (?<ended>\d+) has ended|serves until (?<until>-?\d+) ms|begins)$")]
    private static partial Regex Line();

    private readonly record struct Span(int Node, int Shard, long FromMs, long ToMs);
}
