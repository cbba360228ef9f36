using System.Diagnostics;
using Grid.Node.Hosting;
using Xunit;

namespace Grid.Tests.Hosting;

public sealed class StopSignalsTests
{
    [Fact]
    public async Task The_first_signal_asks_the_second_hurries()
    {
        using var signals = new StopSignals();
        await SignalAsync();
        await signals.StopRequested.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.False(signals.Hurry.IsCancellationRequested);

        var hurried = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        signals.Hurry.Register(() => hurried.TrySetResult());
        await SignalAsync();
        await hurried.Task.WaitAsync(TimeSpan.FromSeconds(10));
        Assert.True(signals.Stop.IsCancellationRequested);
    }

    // To this very process: nobody else listens to the signal here.
    private static async Task SignalAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", Environment.ProcessId.ToString()]);
        await kill.WaitForExitAsync();
    }
}
