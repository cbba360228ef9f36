using System.Diagnostics;
using System.Diagnostics.Metrics;
using System.Runtime.CompilerServices;
using Grid.Protocol;

namespace Grid.Node.Admin;

/// <summary>
/// The node's meter, "Grid". What happens per operation is counted in plain numbers, spread over the processors, and read only
/// when somebody asks for the metrics: counting an operation costs a few nanoseconds.
/// </summary>
public sealed class GridMetrics : IDisposable
{
    /// <summary>The meter's name.</summary>
    public const string MeterName = "Grid";

    /// <summary>One operation in so many has its latency measured.</summary>
    public const int LatencySampleRate = 64;

    private const int Opcodes = 128;
    private const int Statuses = 64;
    private static readonly Opcode[] KnownOpcodes = Enum.GetValues<Opcode>();
    private static readonly Status[] KnownStatuses = Enum.GetValues<Status>();

    private readonly Meter _meter = new(MeterName);
    private readonly StripedCounters _operations = new(Opcodes * Statuses);
    private readonly StripedCounters _plain = new((int)PlainCounter.Count);
    private readonly Histogram<double> _latency;
    private readonly Histogram<double> _journalLatency;

    /// <summary>Creates the meter and its instruments.</summary>
    public GridMetrics()
    {
        _meter.CreateObservableCounter("grid.operations", ObserveOperations, "{operation}", "Requests answered, by operation and result.");
        Observe("grid.gateway.received", PlainCounter.BytesIn, "By", "Bytes received from clients.");
        Observe("grid.gateway.sent", PlainCounter.BytesOut, "By", "Bytes sent to clients.");
        Observe("grid.gateway.connections.opened", PlainCounter.ConnectionsOpened, "{connection}", "Client connections accepted.");
        Observe("grid.gateway.connections.refused", PlainCounter.ConnectionsRefused, "{connection}", "Client connections closed for their number, their hello or a malformed frame.");
        Observe("grid.gateway.forwarded", PlainCounter.Forwarded, "{request}", "Requests of clients with a single address that were forwarded to the owning node; they are counted as operations there.");
        Observe("grid.journal.events", PlainCounter.JournalEvents, "{event}", "Events committed to the journal.");
        Observe("grid.journal.written", PlainCounter.JournalBytes, "By", "Bytes of events committed to the journal.");
        Observe("grid.journal.failures", PlainCounter.JournalFailures, "{event}", "Events whose write failed.");
        Observe("grid.journal.corrupt_pages", PlainCounter.CorruptPages, "{page}", "Pages whose checksum failed when they were read.");
        _meter.CreateObservableUpDownCounter("grid.gateway.connections", () => Connections, "{connection}", "Client connections open now.");
        _latency = _meter.CreateHistogram("grid.operation.duration", "s", $"Time from a request's last byte to its answer; one request in {LatencySampleRate}.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [10e-6, 25e-6, 50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 1, 5] });
        _journalLatency = _meter.CreateHistogram("grid.journal.write.duration", "s", "Time to commit one event.",
            advice: new InstrumentAdvice<double> { HistogramBucketBoundaries = [250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1, 2.5, 5, 10] });
    }

    /// <summary>Client connections open now.</summary>
    public long Connections => _plain.Sum((int)PlainCounter.ConnectionsOpened) - _plain.Sum((int)PlainCounter.ConnectionsClosed);

    /// <summary>Counts an answered request.</summary>
    /// <param name="operation">What was asked for.</param>
    /// <param name="result">How it ended.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public void Operation(Opcode operation, Status result)
    {
        _operations.Add((((int)operation & (Opcodes - 1)) * Statuses) + ((int)result & (Statuses - 1)), 1);
    }

    /// <summary>Requests of one kind and result so far.</summary>
    public long OperationCount(Opcode operation, Status result)
    {
        return _operations.Sum((((int)operation & (Opcodes - 1)) * Statuses) + ((int)result & (Statuses - 1)));
    }

    /// <summary>A timestamp for the one request in <see cref="LatencySampleRate"/> whose latency is measured, else 0.</summary>
    /// <param name="correlation">The request's number in its connection.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static long SampleStart(uint correlation)
    {
        return correlation % LatencySampleRate == 0 ? Stopwatch.GetTimestamp() : 0;
    }

    /// <summary>Records the latency of a sampled request; nothing when it was not sampled.</summary>
    /// <param name="operation">What was asked for.</param>
    /// <param name="startTimestamp">What <see cref="SampleStart"/> gave.</param>
    public void Latency(Opcode operation, long startTimestamp)
    {
        if (startTimestamp != 0)
            _latency.Record(Stopwatch.GetElapsedTime(startTimestamp).TotalSeconds, new KeyValuePair<string, object?>("operation", Name(operation)));
    }

    /// <summary>Counts bytes that came from clients.</summary>
    public void BytesIn(long bytes) => _plain.Add((int)PlainCounter.BytesIn, bytes);

    /// <summary>Counts bytes that went to clients.</summary>
    public void BytesOut(long bytes) => _plain.Add((int)PlainCounter.BytesOut, bytes);

    /// <summary>Counts an accepted connection.</summary>
    public void ConnectionOpened() => _plain.Add((int)PlainCounter.ConnectionsOpened, 1);

    /// <summary>Counts the end of a connection that was counted as opened.</summary>
    public void ConnectionClosed() => _plain.Add((int)PlainCounter.ConnectionsClosed, 1);

    /// <summary>Counts a connection that was closed for its number, its hello or a malformed frame.</summary>
    public void ConnectionRefused() => _plain.Add((int)PlainCounter.ConnectionsRefused, 1);

    /// <summary>Counts a request that was forwarded to another node.</summary>
    public void Forwarded() => _plain.Add((int)PlainCounter.Forwarded, 1);

    /// <summary>Counts a committed event.</summary>
    /// <param name="bytes">Its size.</param>
    /// <param name="duration">How long the commit took.</param>
    public void JournalWritten(long bytes, TimeSpan duration)
    {
        _plain.Add((int)PlainCounter.JournalEvents, 1);
        _plain.Add((int)PlainCounter.JournalBytes, bytes);
        _journalLatency.Record(duration.TotalSeconds);
    }

    /// <summary>Counts an event whose write failed.</summary>
    public void JournalFailed() => _plain.Add((int)PlainCounter.JournalFailures, 1);

    /// <summary>Counts a page whose checksum failed.</summary>
    public void CorruptPage() => _plain.Add((int)PlainCounter.CorruptPages, 1);

    /// <summary>Shows how long the journal has not worked. Once per node.</summary>
    /// <param name="unavailable">For how long; zero while it works.</param>
    public void ObserveJournal(Func<TimeSpan> unavailable)
    {
        _meter.CreateObservableGauge("grid.journal.unavailable", () => unavailable().TotalSeconds, "s", "For how long the journal's database has not worked; 0 while it does.");
    }

    /// <summary>Shows what the node sends to other nodes. Once per node.</summary>
    /// <param name="traffic">Where it is counted.</param>
    internal void ObserveTraffic(ClusterTraffic traffic)
    {
        _meter.CreateObservableCounter(
            "grid.cluster.message",
            () => Enum.GetValues<TrafficKind>().Select(kind => new Measurement<long>(traffic.Bytes(kind), new KeyValuePair<string, object?>("kind", Name(kind)))),
            "By", "Bytes of the Grid's own messages sent to other nodes over the control plane.");
        _meter.CreateObservableCounter("grid.cluster.page", () => traffic.PageBytes, "By", "Bytes of pages that were about to go over the control plane. Must be 0.");
        _meter.CreateObservableCounter("grid.cluster.refused", () => traffic.Refused, "{message}", "Messages that must not leave their node, and did not. Must be 0.");
    }

    /// <summary>Shows a node's gauges: memory, frames, evictions, pools, readiness. Once per node.</summary>
    /// <param name="source">Where they are read when somebody asks.</param>
    public void ObserveNode(INodeStatusSource source)
    {
        var memory = source.Memory;
        _meter.CreateObservableGauge("grid.memory.limit", () => memory().LimitBytes, "By", "Memory the process keeps to.");
        _meter.CreateObservableGauge("grid.memory.used", () => memory().UsedBytes, "By", "Memory counted against the limit.");
        _meter.CreateObservableGauge("grid.memory.resident", () => Environment.WorkingSet, "By", "Resident memory of the process.");
        _meter.CreateObservableGauge("grid.pages.stored", () => memory().StoredBytes, "By", "Bytes of the pages held, as stored.");
        _meter.CreateObservableGauge("grid.pages", () => memory().Pages, "{page}", "Pages held in memory.");
        _meter.CreateObservableGauge("grid.frames.used", () => memory().FramesUsed, "{frame}", "Frames that hold a page.");
        _meter.CreateObservableGauge("grid.frames", () => memory().Frames, "{frame}", "Frames there are.");
        _meter.CreateObservableCounter("grid.evictions", () => memory().Evictions, "{page}", "Ephemeral pages evicted for want of memory.");
        _meter.CreateObservableGauge("grid.objects", () => source.Objects(), "{object}", "Objects with an actor on this node.");
        _meter.CreateObservableGauge("grid.pools", () => source.Pools().Count, "{pool}", "Pools this node knows.");
        _meter.CreateObservableGauge("grid.cluster.members", () => source.Members().Count, "{node}", "Members of the cluster as this node sees them.");
    }

    /// <inheritdoc/>
    public void Dispose() => _meter.Dispose();

    /// <summary>Whether an instrument is one of this node's, not of another node in the process.</summary>
    internal bool Owns(Instrument instrument) => ReferenceEquals(instrument.Meter, _meter);

    private static string Name(Enum value) => JsonNames.Of(value);

    private void Observe(string name, PlainCounter counter, string unit, string description)
    {
        _meter.CreateObservableCounter(name, () => _plain.Sum((int)counter), unit, description);
    }

    private IEnumerable<Measurement<long>> ObserveOperations()
    {
        foreach (var opcode in KnownOpcodes)
            foreach (var status in KnownStatuses)
                if (OperationCount(opcode, status) is > 0 and var count)
                    yield return new Measurement<long>(count,
                        new KeyValuePair<string, object?>("operation", Name(opcode)), new KeyValuePair<string, object?>("result", Name(status)));
    }

    private enum PlainCounter
    {
        BytesIn,
        BytesOut,
        ConnectionsOpened,
        ConnectionsClosed,
        ConnectionsRefused,
        Forwarded,
        JournalEvents,
        JournalBytes,
        JournalFailures,
        CorruptPages,
        Count,
    }
}
