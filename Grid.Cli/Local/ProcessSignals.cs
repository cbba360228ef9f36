using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Grid.Cli.Local;

/// <summary>Signals to processes that this command started.</summary>
internal static partial class ProcessSignals
{
    private const int KillNumber = 9;
    private const int TerminateNumber = 15;

    /// <summary>Asks for a graceful stop.</summary>
    public static void Terminate(Process process) => Send(process, TerminateNumber);

    /// <summary>Ends it at once.</summary>
    public static void Kill(Process process) => Send(process, KillNumber);

    private static void Send(Process process, int signal)
    {
        const int NoSuchProcess = 3;
        if (process.HasExited || SendTo(process.Id, signal) == 0) return;
        var error = Marshal.GetLastPInvokeError();
        if (error != NoSuchProcess) throw CliException.Failed($"signal {signal} to process {process.Id} failed: {Marshal.GetPInvokeErrorMessage(error)}");
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendTo(int pid, int signal);
}
