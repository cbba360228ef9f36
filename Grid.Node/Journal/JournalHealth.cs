using Grid.Node.Admin;

namespace Grid.Node.Journal;

/// <summary>
/// Whether the journal can be written, for readiness and metrics. After a failure a small durable write is tried again and again until one succeeds, so that
/// the node turns ready by itself when the database is back.
/// </summary>
internal sealed class JournalHealth(GridMetrics metrics, Func<CancellationToken, Task> probe) : IDisposable
{
    private static readonly TimeSpan ProbeInterval = TimeSpan.FromSeconds(1);
    private readonly CancellationTokenSource _stopping = new();
    private string? _failure;
    private int _isProbing;

    /// <summary>An event was committed.</summary>
    public void Wrote(int bytes, TimeSpan duration)
    {
        metrics.JournalWritten(bytes, duration);
        Volatile.Write(ref _failure, null);
    }

    /// <summary>An event could not be written.</summary>
    public void Failed(Exception cause)
    {
        metrics.JournalFailed();
        Volatile.Write(ref _failure, cause.GetBaseException().Message);
        if (Interlocked.Exchange(ref _isProbing, 1) == 0) _ = ProbeAsync();
    }

    /// <summary>The readiness check.</summary>
    public ReadinessResult Check() => Volatile.Read(ref _failure) is { } failure
        ? ReadinessResult.NotReady($"the journal can't be written: {failure}")
        : ReadinessResult.Ok("writable");

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopping.Cancel();
        _stopping.Dispose();
    }

    private async Task ProbeAsync()
    {
        try
        {
            while (Volatile.Read(ref _failure) is not null)
            {
                await Task.Delay(ProbeInterval, _stopping.Token).ConfigureAwait(false);
                try
                {
                    await probe(_stopping.Token).ConfigureAwait(false);
                    Volatile.Write(ref _failure, null);
                }
                catch (JournalUnavailableException stillDown)
                {
                    Volatile.Write(ref _failure, stillDown.Message);
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The node stops.
        }
        finally
        {
            Interlocked.Exchange(ref _isProbing, 0);
        }
    }
}
