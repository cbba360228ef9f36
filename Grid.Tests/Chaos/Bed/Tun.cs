using System.Runtime.InteropServices;
using System.Text;

namespace Grid.Tests.Chaos.Bed;

/// <summary>
/// A network interface whose other end is this process: what the kernel sends through it is read here, what is written here the kernel receives. It may be moved into another network namespace
/// and stays connected to this process; when this process lets go of it, or ends, the interface is gone.
/// </summary>
internal sealed partial class Tun : IDisposable
{
    /// <summary>O_RDWR, O_NONBLOCK, and O_CLOEXEC: a child that had it too would keep the interface alive.</summary>
    private const int OpenFlags = 0x0002 | 0x0800 | 0x80000;
    private const uint SetInterface = 0x400454CA;
    private const short LayerThreeWithoutHeader = 0x0001 | 0x1000;
    private const short Readable = 1;
    private const int TryAgain = 11;
    private readonly int _fd;

    public Tun(string name)
    {
        Name = name;
        _fd = open("/dev/net/tun", OpenFlags);
        if (_fd < 0) throw new InvalidOperationException($"/dev/net/tun cannot be opened, errno {Marshal.GetLastPInvokeError()}: the tests that break the network run as root on a kernel with TUN");
        // struct ifreq: 16 bytes of name, then the flags.
        Span<byte> request = stackalloc byte[40];
        request.Clear();
        Encoding.ASCII.GetBytes(name, request[..15]);
        MemoryMarshal.Write(request[16..], LayerThreeWithoutHeader);
        if (ioctl(_fd, SetInterface, request) < 0)
        {
            var error = Marshal.GetLastPInvokeError();
            _ = close(_fd);
            throw new InvalidOperationException($"the interface {name} cannot be made, errno {error}");
        }
    }

    public string Name { get; }

    /// <summary>The next packet's length, waited for so many milliseconds; 0: none came.</summary>
    public int Read(Span<byte> packet, int timeoutMs)
    {
        while (true)
        {
            var length = read(_fd, packet, packet.Length);
            if (length > 0) return (int)length;
            var ready = new PollFd { Fd = _fd, Events = Readable };
            if (Marshal.GetLastPInvokeError() != TryAgain || poll(ref ready, 1, timeoutMs) <= 0) return 0;
        }
    }

    /// <summary>Hands a packet to the kernel, which drops it where the interface is down.</summary>
    public void Write(ReadOnlySpan<byte> packet) => _ = write(_fd, packet, packet.Length);

    public void Dispose() => _ = close(_fd);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int open(string path, int flags);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int ioctl(int fd, nuint request, Span<byte> argument);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint read(int fd, Span<byte> buffer, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint write(int fd, ReadOnlySpan<byte> buffer, nint count);

    [LibraryImport("libc", SetLastError = true)]
    private static partial int poll(ref PollFd fds, nuint count, int timeoutMs);

    [LibraryImport("libc")]
    private static partial int close(int fd);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollFd
    {
        public int Fd;
        public short Events;
        public short Returned;
    }
}
