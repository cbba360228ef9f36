using System.Runtime.InteropServices;

namespace Grid.Cli.Local;

/// <summary>Ctrl-C and SIGTERM for a command that has processes to stop: the first begins the stop, the second hurries it.</summary>
internal sealed class Interrupts : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly CancellationTokenSource _hurry = new();
    private readonly PosixSignalRegistration[] _registrations;
    private int _signals;

    /// <summary>Listens from now on.</summary>
    public Interrupts()
    {
        _registrations =
        [
            PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal),
            PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal),
            PosixSignalRegistration.Create(PosixSignal.SIGHUP, OnSignal),
        ];
    }

    /// <summary>Fires at the first signal.</summary>
    public CancellationToken Stop => _stop.Token;

    /// <summary>Fires at the second.</summary>
    public CancellationToken Hurry => _hurry.Token;

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
        _stop.Dispose();
        _hurry.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        context.Cancel = true;
        if (Interlocked.Increment(ref _signals) == 1) _stop.Cancel();
        else _hurry.Cancel();
    }
}
