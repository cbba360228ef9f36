using System.Net;
using System.Net.Sockets;
using Grid.Node.Frontends.Nbd;
using Xunit;
using static Grid.Tests.Frontends.Nbd.NbdBytes;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>A bare NBD client: sends what a test likes, and reads and writes one request after the other with simple replies.</summary>
internal sealed class NbdPeer : IAsyncDisposable
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(90);
    private readonly NetworkStream _stream;
    private readonly Socket _socket;
    private ulong _cookie;

    private NbdPeer(Socket socket) => (_socket, _stream) = (socket, new NetworkStream(socket, ownsSocket: true));

    /// <summary>Connects and reads the greeting.</summary>
    public static async Task<NbdPeer> OpenAsync(string host, int port)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(new IPEndPoint(IPAddress.Parse(host), port));
        var peer = new NbdPeer(socket);
        Assert.Equal([.. Big(NbdMagic.Init), .. Big(NbdMagic.Option), 0, 3], await peer.ReadAsync(18));
        return peer;
    }

    /// <summary>Connects and enters an export.</summary>
    public static async Task<NbdPeer> OpenAsync(string host, int port, string export)
    {
        var peer = await OpenAsync(host, port);
        await peer.SendAsync([.. Flags(), .. Option(NbdOption.ExportName, System.Text.Encoding.UTF8.GetBytes(export))]);
        await peer.ReadAsync(10);
        return peer;
    }

    public async Task SendAsync(byte[] bytes)
    {
        using var timeout = new CancellationTokenSource(Deadline);
        await _stream.WriteAsync(bytes, timeout.Token);
    }

    public async Task<byte[]> ReadAsync(int bytes)
    {
        using var timeout = new CancellationTokenSource(Deadline);
        var read = new byte[bytes];
        await _stream.ReadExactlyAsync(read, timeout.Token);
        return read;
    }

    /// <summary>Says that nothing more comes, and reads until the server closes; false where it was cut.</summary>
    public async Task<bool> ReadToEndAsync()
    {
        using var timeout = new CancellationTokenSource(Deadline);
        var buffer = new byte[64 << 10];
        try
        {
            _socket.Shutdown(SocketShutdown.Send);
            while (await _stream.ReadAsync(buffer, timeout.Token) > 0)
            {
            }

            return true;
        }
        catch (Exception e) when (e is IOException or SocketException)
        {
            return false;
        }
    }

    public Task<(NbdError Error, byte[] Data)> ReadAtAsync(ulong offset, int bytes) => AskAsync(NbdCommand.Read, offset, (uint)bytes);

    public async Task WriteAtAsync(ulong offset, byte[] data) => Assert.Equal(NbdError.None, (await AskAsync(NbdCommand.Write, offset, (uint)data.Length, data)).Error);

    public async Task<(NbdError Error, byte[] Data)> AskAsync(NbdCommand command, ulong offset, uint length, byte[]? data = null)
    {
        await SendAsync(Request(command, ++_cookie, offset, length, data: data));
        var head = await ReadAsync(16);
        Assert.Equal((NbdMagic.SimpleReply, _cookie), (UInt32(head), UInt64(head.AsSpan(8))));
        var error = (NbdError)UInt32(head.AsSpan(4));
        return (error, error == NbdError.None && command == NbdCommand.Read ? await ReadAsync((int)length) : []);
    }

    public ValueTask DisposeAsync() => _stream.DisposeAsync();
}
