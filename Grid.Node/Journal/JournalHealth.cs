using System.Globalization;
using Grid.Node.Admin;

namespace Grid.Node.Journal;

/// <summary>
/// Whether the journal works, for readiness and metrics: since when not, and what the database says. While it does not, a durable write is tried again
/// and again until one succeeds, so that the node turns ready by itself when the database is back. While nothing is written, a small read looks whether it is there.
/// </summary>
/// <param name="metrics">Where failures and the outage's length are shown.</param>
/// <param name="probeWrite">Commits something as large as an event.</param>
/// <param name="probeRead">Reads something tiny.</param>
/// <param name="time">The clock.</param>
internal sealed class JournalHealth(
    GridMetrics metrics, Func<CancellationToken, Task> probeWrite, Func<CancellationToken, Task> probeRead, TimeProvider? time = null) : IDisposable
{
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan IdleInterval = TimeSpan.FromSeconds(5);

    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private readonly CancellationTokenSource _stopping = new();
    private Outage? _outage;
    private long _lastSeenWell;

    /// <summary>What the database said last; null while it works.</summary>
    public string? Failure => Volatile.Read(ref _outage)?.What;

    /// <summary>For how long the journal has not worked; zero while it does.</summary>
    public TimeSpan Unavailable => Volatile.Read(ref _outage) is { } outage ? _time.GetElapsedTime(outage.StartedAt) : TimeSpan.Zero;

    /// <summary>Begins to look after the journal, whose tables must be there.</summary>
    public void Start()
    {
        metrics.ObserveJournal(() => Unavailable);
        Well();
        _ = WatchAsync();
    }

    /// <summary>An event was committed.</summary>
    public void Wrote(int bytes, TimeSpan duration)
    {
        metrics.JournalWritten(bytes, duration);
        Well();
    }

    /// <summary>An event could not be written.</summary>
    /// <param name="cause">Why.</param>
    /// <param name="startedAt">When the attempt began.</param>
    public void Failed(Exception cause, long startedAt)
    {
        metrics.JournalFailed();
        Down(cause, startedAt);
    }

    /// <summary>
    /// Something could not be read, or was not deleted: the database can't be used. What began before the journal was last seen to work says nothing new:
    /// what was kept waiting by an outage may be given up just after it ended.
    /// </summary>
    /// <param name="cause">Why.</param>
    /// <param name="startedAt">When the attempt began, a timestamp of the clock.</param>
    public void Down(Exception cause, long startedAt)
    {
        if (startedAt < Volatile.Read(ref _lastSeenWell)) return;
        var known = Volatile.Read(ref _outage);
        // That the circuit breaker is open says only that something failed before.
        var what = known is not null && WriteFailures.IsBreakerOpen(cause) ? known.What : FailureText.Of(cause);
        var outage = known is null ? new Outage(_time.GetUtcNow(), _time.GetTimestamp(), what) : known with { What = what };
        Interlocked.CompareExchange(ref _outage, outage, known);
    }

    /// <summary>The readiness check.</summary>
    public ReadinessResult Check() => Volatile.Read(ref _outage) is { } outage
        ? ReadinessResult.NotReady(string.Create(
            CultureInfo.InvariantCulture, $"the journal does not work since {outage.Since:yyyy-MM-ddTHH:mm:ssZ} ({_time.GetElapsedTime(outage.StartedAt).TotalSeconds:0} s): {outage.What}"))
        : ReadinessResult.Ok("writable");

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopping.Cancel();
        _stopping.Dispose();
    }

    private void Well()
    {
        Volatile.Write(ref _lastSeenWell, _time.GetTimestamp());
        Volatile.Write(ref _outage, null);
    }

    private async Task WatchAsync()
    {
        try
        {
            using var timer = new PeriodicTimer(ProbeInterval, _time);
            while (await timer.WaitForNextTickAsync(_stopping.Token).ConfigureAwait(false))
            {
                var isDown = Volatile.Read(ref _outage) is not null;
                if (isDown || _time.GetElapsedTime(Volatile.Read(ref _lastSeenWell)) >= IdleInterval) await ProbeAsync(isDown ? probeWrite : probeRead).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The node stops.
        }
        catch (ObjectDisposedException) when (_stopping.IsCancellationRequested)
        {
            // The node stops.
        }
    }

    private async Task ProbeAsync(Func<CancellationToken, Task> probe)
    {
        var startedAt = _time.GetTimestamp();
        try
        {
            await probe(_stopping.Token).ConfigureAwait(false);
            Well();
        }
        catch (Exception failure) when (failure is JournalUnavailableException or JournalCorruptException)
        {
            Down(failure, startedAt);
        }
    }

    /// <param name="Since">When it began.</param>
    /// <param name="StartedAt">The same on the monotonic clock.</param>
    /// <param name="What">What the database said last.</param>
    private sealed record Outage(DateTimeOffset Since, long StartedAt, string What);
}
