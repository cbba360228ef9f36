using System.Runtime.InteropServices;

namespace Grid.Node.Hosting;

/// <summary>SIGTERM and SIGINT: the first asks for a graceful stop, the second cuts it short. An operator may ask for the stop too, which hurries nothing.</summary>
internal sealed class StopSignals : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _hurry = new();
    private readonly TaskCompletionSource _requested = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PosixSignalRegistration[] _registrations;
    private int _signals;

    /// <summary>Listens from now on.</summary>
    public StopSignals()
    {
        _registrations = [PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal), PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal)];
    }

    /// <summary>Fires when a stop is asked for.</summary>
    public CancellationToken Stop => _stop.Token;

    /// <summary>Fires at the second.</summary>
    public CancellationToken Hurry => _hurry.Token;

    /// <summary>Completes when a stop is asked for.</summary>
    public Task StopRequested => _requested.Task;

    /// <summary>Asks for a graceful stop, as the first signal does; a signal that follows is still the first of its kind.</summary>
    public void RequestStop()
    {
        _requested.TrySetResult();
        _stop.Cancel();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
        _stop.Dispose();
        _hurry.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        // The process ends by returning from its main method, not by the signal.
        context.Cancel = true;
        if (Interlocked.Increment(ref _signals) == 1) RequestStop();
        else _hurry.Cancel();
    }
}
