using System.Diagnostics.Metrics;
using Grid.Node.Admin;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Hosting;

public sealed class GridMetricsTests
{
    [Fact]
    public async Task Operations_counted_from_many_threads_all_count_once()
    {
        using var metrics = new GridMetrics();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 100_000; i++)
            {
                metrics.Operation(Opcode.Get, i % 4 == 0 ? Status.Miss : Status.Ok);
                metrics.BytesIn(3);
            }
        })));
        Assert.Equal(600_000, metrics.OperationCount(Opcode.Get, Status.Ok));
        Assert.Equal(200_000, metrics.OperationCount(Opcode.Get, Status.Miss));
        Assert.Equal(0, metrics.OperationCount(Opcode.Put, Status.Ok));
        Assert.Equal(2_400_000, Observe(metrics, "grid.gateway.received").Single().Value);
    }

    [Fact]
    public void Every_opcode_and_status_has_a_counter_of_its_own()
    {
        using var metrics = new GridMetrics();
        var expected = new List<string>();
        var count = 0;
        foreach (var opcode in Enum.GetValues<Opcode>())
            foreach (var status in Enum.GetValues<Status>())
            {
                count++;
                for (var i = 0; i < count; i++) metrics.Operation(opcode, status);
                expected.Add($"{JsonNames.Of(opcode)} {JsonNames.Of(status)} {count}");
            }
        var seen = Observe(metrics, "grid.operations").Select(found => $"{found.Tags["operation"]} {found.Tags["result"]} {found.Value}");
        Assert.Equal(expected.Order(), seen.Order());
    }

    [Fact]
    public void Open_connections_are_those_opened_and_not_closed()
    {
        using var metrics = new GridMetrics();
        metrics.ConnectionOpened();
        metrics.ConnectionOpened();
        metrics.ConnectionClosed();
        Assert.Equal(1, metrics.Connections);
        Assert.Equal(1, Observe(metrics, "grid.gateway.connections").Single().Value);
        Assert.Equal(2, Observe(metrics, "grid.gateway.connections.opened").Single().Value);
    }

    [Fact]
    public void One_request_in_so_many_is_timed()
    {
        Assert.Equal(10, Enumerable.Range(0, 10 * GridMetrics.LatencySampleRate).Count(correlation => GridMetrics.SampleStart((uint)correlation) != 0));
    }

    [Fact]
    public void Counting_an_operation_allocates_nothing()
    {
        using var metrics = new GridMetrics();
        metrics.Operation(Opcode.Put, Status.Ok);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            metrics.Operation(Opcode.Put, Status.Ok);
            metrics.BytesIn(1);
            metrics.Latency(Opcode.Put, 0);
        }
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    internal static List<(long Value, Dictionary<string, object?> Tags)> Observe(GridMetrics metrics, string name)
    {
        var found = new List<(long, Dictionary<string, object?>)>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, self) =>
            {
                if (instrument.Name == name && metrics.Owns(instrument)) self.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<long>((_, value, tags, _) => found.Add((value, tags.ToArray().ToDictionary(tag => tag.Key, tag => tag.Value))));
        listener.Start();
        listener.RecordObservableInstruments();
        return found;
    }
}
