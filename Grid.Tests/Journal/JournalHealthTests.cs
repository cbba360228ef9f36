using Grid.Node.Admin;
using Grid.Node.Journal;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Grid.Tests.Journal;

public sealed class JournalHealthTests : IDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly GridMetrics _metrics = new();
    private readonly JournalHealth _health;

    public JournalHealthTests()
    {
        _health = new JournalHealth(_metrics, _ => Task.CompletedTask, _ => Task.CompletedTask, _time);
        _health.Start();
    }

    public void Dispose()
    {
        _health.Dispose();
        _metrics.Dispose();
    }

    [Fact]
    public void An_outage_lasts_from_its_first_failure_to_the_next_write()
    {
        var begun = Pass(0.1);
        _health.Failed(new JournalUnavailableException("locked"), begun);
        Pass(0.2);
        _health.Failed(new JournalUnavailableException("disk full"), begun);
        Assert.Equal(TimeSpan.FromSeconds(0.2), _health.Unavailable);
        Assert.Equal("disk full", _health.Failure);
        Assert.False(_health.Check().Ready);
        Pass(0.1);
        _health.Wrote(1, TimeSpan.FromSeconds(0.1));
        Assert.Equal(TimeSpan.Zero, _health.Unavailable);
        Assert.Null(_health.Failure);
        Assert.True(_health.Check().Ready);
    }

    [Fact]
    public void What_was_kept_waiting_by_an_outage_and_fails_after_its_end_begins_no_other()
    {
        var begun = Pass(0.1);
        Pass(0.5);
        _health.Wrote(1, TimeSpan.FromSeconds(0.1));
        Pass(0.1);
        _health.Failed(new JournalUnavailableException("locked"), begun);
        _health.Down(new JournalUnavailableException("locked"), begun);
        Assert.True(_health.Check().Ready);
        Assert.Equal(TimeSpan.Zero, _health.Unavailable);

        _health.Down(new JournalUnavailableException("locked"), Pass(0.1));
        Assert.False(_health.Check().Ready);
    }

    /// <returns>The time then.</returns>
    private long Pass(double seconds)
    {
        _time.Advance(TimeSpan.FromSeconds(seconds));
        return _time.GetTimestamp();
    }
}
