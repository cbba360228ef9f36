using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Grid.Client;

/// <summary>
/// Receives on a thread that waits in the kernel. The runtime's own blocking receive does that only on sockets that were never used asynchronously; on others it
/// waits for the runtime's socket thread, which costs a hop.
/// </summary>
internal static class ReadySocket
{
    private const int DontWait = 0x40;
    private const int DontWaitOnMac = 0x80;
    private const int Interrupted = 4;
    private const int TryAgain = 11;
    private const int TryAgainOnMac = 35;
    private const int ConnectionReset = 104;
    private const int ConnectionResetOnMac = 54;

    /// <summary>Waits until there is something, and receives it.</summary>
    /// <returns>Bytes received; 0 at the stream's end.</returns>
    /// <exception cref="SocketException">The connection broke.</exception>
    /// <exception cref="ObjectDisposedException">The socket was closed.</exception>
    public static int Receive(Socket socket, Span<byte> buffer)
    {
        // A thread may wait in a receive there while another sends asynchronously.
        if (OperatingSystem.IsWindows()) return socket.Receive(buffer);
        while (true)
        {
            socket.Poll(Timeout.InfiniteTimeSpan, SelectMode.SelectRead);
            var received = recv(socket.SafeHandle, ref MemoryMarshal.GetReference(buffer), buffer.Length, OperatingSystem.IsLinux() ? DontWait : DontWaitOnMac);
            if (received >= 0) return (int)received;
            var error = Marshal.GetLastPInvokeError();
            if (error is Interrupted or TryAgain or TryAgainOnMac) continue;
            throw new SocketException((int)(error is ConnectionReset or ConnectionResetOnMac ? SocketError.ConnectionReset : SocketError.SocketError), Marshal.GetPInvokeErrorMessage(error));
        }
    }

#pragma warning disable IDE1006 // The C library's name.
    [DllImport("libc", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern nint recv(SafeSocketHandle socket, ref byte buffer, nint length, int flags);
#pragma warning restore IDE1006
}
