using System.Net;
using System.Net.Sockets;
using Grid.Client;
using Grid.Node.Frontends.Nbd;
using Grid.Node.Frontends.Nbd.Origins;
using Grid.Tests.Harness;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using Xunit.Abstractions;
using static Grid.Tests.Frontends.Nbd.NbdBytes;

namespace Grid.Tests.Frontends.Nbd.Origins;

/// <summary>The node as a client of another server: what it asks, and what it makes of answers that are late, broken or missing.</summary>
public sealed class NbdDeviceOriginTests(ITestOutputHelper output)
{
    private const int Bytes = 4 << 20;

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Many_requests_in_flight_are_answered_in_any_order_with_their_own_bytes(bool structured)
    {
        await using var server = new OriginServer(Bytes) { IsStructured = structured, Before = WaitAsync };
        using var origin = await OpenAsync(server);
        Assert.Equal(Bytes, origin.SizeBytes);
        var model = new byte[Bytes];
        const int Lanes = 24, LaneBytes = Bytes / Lanes / 512 * 512;
        await Task.WhenAll(Enumerable.Range(0, Lanes).Select(lane => Task.Run(async () =>
        {
            var random = new Random(lane);
            for (var i = 0; i < 60; i++)
            {
                var length = random.Next(1, 100) * 512;
                var at = (lane * LaneBytes) + (random.Next(0, (LaneBytes - length) / 512) * 512);
                var data = new byte[length];
                switch (random.Next(4))
                {
                    case 0:
                        random.NextBytes(data);
                        data.CopyTo(model, at);
                        await origin.WriteAsync(at, data, Clock());
                        break;
                    case 1:
                        data.CopyTo(model, at);
                        await origin.ZeroAsync(at, length, random.Next(2) == 0, Clock());
                        break;
                    default:
                        data.AsSpan().Fill(0xA5);
                        await origin.ReadAsync(at, data, Clock(), default);
                        PoolAssertions.AssertSame(model.AsSpan(at, length), data, $"{length} bytes at {at}");
                        break;
                }
            }
        })));
        await origin.FlushAsync(Clock(), default);
        Assert.Equal(1, server.Asked(NbdCommand.Flush));
        Assert.Equal([new Extent(65536, ExtentState.Allocated)], await origin.StatusAsync(0, 65536, Clock(), default));
        Assert.Equal(structured ? 1 : 0, server.Asked(NbdCommand.BlockStatus));

        static async Task<NbdError> WaitAsync(NbdRequest request)
        {
            if (Random.Shared.Next(3) == 0) await Task.Delay(Random.Shared.Next(5));
            return NbdError.None;
        }
    }

    [Fact]
    public async Task Requests_are_asked_again_when_the_connection_is_lost_and_the_server_comes_back()
    {
        await using var server = new OriginServer(Bytes);
        new Random(1).NextBytes(server.Content);
        using var origin = await OpenAsync(server);
        using var done = new CancellationTokenSource(TimeSpan.FromSeconds(4));
        var reads = 0;
        var readers = Enumerable.Range(0, 8).Select(reader => Task.Run(async () =>
        {
            var random = new Random(reader);
            while (!done.IsCancellationRequested)
            {
                var at = random.Next(Bytes / 4096) * 4096;
                var page = new byte[4096];
                await origin.ReadAsync(at, page, Clock(), default);
                PoolAssertions.AssertSame(server.Content.AsSpan(at, 4096), page, $"page at {at}");
                Interlocked.Increment(ref reads);
            }
        })).ToArray();
        for (var i = 0; i < 6; i++)
        {
            await Task.WhenAny([Task.Delay(400), .. readers]);
            if (i % 2 == 0) server.Cut();
            else
            {
                await server.StopAsync();
                await Task.WhenAny([Task.Delay(300), .. readers]);
                server.Start();
            }
        }

        await Task.WhenAll(readers);
        output.WriteLine($"{reads} reads");
    }

    [Fact]
    public async Task One_that_is_gone_is_an_error_when_the_time_is_over()
    {
        var server = new OriginServer(Bytes);
        using var origin = await OpenAsync(server);
        await server.StopAsync();
        var failure = await Assert.ThrowsAsync<NbdException>(() => origin.ReadAsync(0, new byte[4096], new RequestClock(TimeSpan.FromSeconds(1)), default).AsTask());
        Assert.Equal(NbdError.Io, failure.Error);
        Assert.Contains("cannot be reached", failure.Message);
        Assert.Contains(server.Uri, failure.Message);
        await Assert.ThrowsAsync<IOException>(() => OpenAsync(server));
    }

    [Fact]
    public async Task Who_has_given_up_waiting_is_not_written_to_any_more()
    {
        var goOn = new TaskCompletionSource();
        await using var server = new OriginServer(Bytes)
        {
            Before = async request =>
            {
                if (request.Offset == 0) await goOn.Task;
                return NbdError.None;
            },
        };
        new Random(1).NextBytes(server.Content);
        using var origin = await OpenAsync(server);
        var page = new byte[4096];
        var slow = origin.ReadAsync(0, page, new RequestClock(TimeSpan.FromSeconds(1)), default).AsTask();
        var other = new byte[4096];
        while (!slow.IsCompleted)
        {
            // The connection is alive: it is the one request that is slow.
            await origin.ReadAsync(8192, other, Clock(), default);
            await Task.Delay(20);
        }

        Assert.Contains("no answer within", (await Assert.ThrowsAsync<NbdException>(() => slow)).Message);
        goOn.SetResult();
        for (var i = 0; i < 20; i++) await origin.ReadAsync(8192, other, Clock(), default);
        Assert.Equal(new byte[4096], page);
        PoolAssertions.AssertSame(server.Content.AsSpan(8192, 4096), other, "the other page");
    }

    [Fact]
    public async Task A_server_that_says_nothing_any_more_is_left()
    {
        var isHung = true;
        await using var server = new OriginServer(Bytes)
        {
            Before = async _ =>
            {
                if (isHung) await Task.Delay(TimeSpan.FromSeconds(30));
                return NbdError.None;
            },
        };
        using var origin = await OpenAsync(server);
        var failure = await Assert.ThrowsAsync<NbdException>(() => origin.ReadAsync(0, new byte[4096], new RequestClock(TimeSpan.FromSeconds(1)), default).AsTask());
        Assert.Contains("no answer within", failure.Message);
        isHung = false;
        await origin.ReadAsync(0, new byte[4096], Clock(), default);
    }

    [Fact]
    public async Task Errors_of_the_server_are_the_request_s_and_the_connection_goes_on()
    {
        await using var server = new OriginServer(Bytes)
        {
            Before = request => Task.FromResult(request.Offset switch { 4096 => NbdError.NoSpace, 8192 => NbdError.Perm, 12288 => (NbdError)77, _ => NbdError.None }),
        };
        foreach (var structured in (bool[])[true, false])
        {
            server.IsStructured = structured;
            using var origin = await OpenAsync(server);
            Assert.Equal(NbdError.NoSpace, (await Assert.ThrowsAsync<NbdException>(() => origin.WriteAsync(4096, new byte[512], Clock()).AsTask())).Error);
            Assert.Equal(NbdError.Perm, (await Assert.ThrowsAsync<NbdException>(() => origin.ReadAsync(8192, new byte[512], Clock(), default).AsTask())).Error);
            Assert.Equal(NbdError.Io, (await Assert.ThrowsAsync<NbdException>(() => origin.ReadAsync(12288, new byte[512], Clock(), default).AsTask())).Error);
            await origin.ReadAsync(0, new byte[4096], Clock(), default);
        }
    }

    [Fact]
    public async Task A_server_that_cannot_be_the_origin_of_such_a_device_is_refused_with_the_reason()
    {
        await using var server = new OriginServer(Bytes) { IsReadOnly = true };
        Assert.Contains("read-only", (await Assert.ThrowsAsync<NbdPeerException>(() => OpenAsync(server))).Message);
        using (await NbdDeviceOrigin.OpenAsync(new NbdOrigin(server.Uri), false, TimeSpan.FromSeconds(10), NullLogger.Instance, default))
        {
        }

        var none = await Assert.ThrowsAsync<NbdPeerException>(() => NbdDeviceOrigin.OpenAsync(new NbdOrigin(server.Uri + "s"), false, TimeSpan.FromSeconds(10), NullLogger.Instance, default));
        Assert.Contains("no export 'images'", none.Message);
    }

    [Fact]
    public async Task A_server_that_comes_back_with_another_size_is_not_believed()
    {
        await using var server = new OriginServer(Bytes);
        using var origin = await OpenAsync(server);
        server.Shrink(Bytes / 2);
        server.Cut();
        var failure = await Assert.ThrowsAsync<NbdException>(() => origin.ReadAsync(0, new byte[4096], Clock(), default).AsTask());
        Assert.Contains($"it had {Bytes}", failure.Message);
    }

    public static TheoryData<string, byte[]> Greetings { get; } = new()
    {
        { "no NBD server", new byte[200] },
        { "old style", [.. Big(NbdMagic.Init), .. Big(0x00420281861253UL), .. new byte[200]] },
        { "fixed newstyle", [.. Big(NbdMagic.Init), .. Big(NbdMagic.Option), 0, 2, .. new byte[200]] },
        { "something else", [.. Hello, .. Answer(NbdOption.Go, 1)] },
        { "something else", [.. Hello, .. new byte[200]] },
        { "has 16777216 bytes", [.. Hello, .. Big(NbdMagic.OptionReply), .. Big((uint)NbdOption.StructuredReply), .. Big(1u), .. Big(16u << 20)] },
        { "did not say how large", [.. Hello, .. Answer(NbdOption.StructuredReply, 0x80000001), .. Answer(NbdOption.Go, 1)] },
        { "does not know the option GO", [.. Hello, .. Answer(NbdOption.StructuredReply, 0x80000001), .. Answer(NbdOption.Go, 0x80000001)] },
        { "TLS", [.. Hello, .. Answer(NbdOption.StructuredReply, 0x80000005)] },
        { "wrong length", [.. Hello, .. Answer(NbdOption.StructuredReply, 0x80000001), .. Answer(NbdOption.Go, 3, 0, 0, 1, 2, 3)] },
        { "larger than 8 EiB", [.. Hello, .. Answer(NbdOption.StructuredReply, 0x80000001), .. Answer(NbdOption.Go, 3, [0, 0, .. Big(ulong.MaxValue), 0, 1])] },
        { "make no sense", [.. Hello, .. Answer(NbdOption.StructuredReply, 0x80000001), .. Answer(NbdOption.Go, 3, [0, 3, .. Big(3u), .. Big(4096u), .. Big(4096u)])] },
        { "answers to options", [.. Hello, .. Answer(NbdOption.StructuredReply, 0x80000001), .. Enumerable.Range(0, 300).SelectMany(_ => Answer(NbdOption.Go, 3, 0, 9))] },
        { "end of the stream", [.. Hello] },
    };

    private static byte[] Hello => [.. Big(NbdMagic.Init), .. Big(NbdMagic.Option), 0, 3];

    [Theory]
    [MemberData(nameof(Greetings))]
    public async Task A_handshake_that_makes_no_sense_is_an_error_that_says_what(string what, byte[] bytes)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var serving = Task.Run(async () =>
        {
            using var client = await listener.AcceptTcpClientAsync();
            var stream = client.GetStream();
            await stream.WriteAsync(bytes);
            client.Client.Shutdown(SocketShutdown.Send);
            // Until the other side has had enough.
            try
            {
                while (await stream.ReadAsync(new byte[4096]) > 0)
                {
                }
            }
            catch (IOException)
            {
                // It was cut.
            }
        });
        var uri = $"nbd://127.0.0.1:{((IPEndPoint)listener.LocalEndpoint).Port}/x";
        var failure = await Assert.ThrowsAnyAsync<IOException>(() => NbdDeviceOrigin.OpenAsync(new NbdOrigin(uri), true, TimeSpan.FromSeconds(10), NullLogger.Instance, default));
        Assert.Contains(what, failure.Message);
        await serving;
    }

    private static byte[] Answer(NbdOption option, uint reply, params byte[] data) => [.. Big(NbdMagic.OptionReply), .. Big((uint)option), .. Big(reply), .. Big((uint)data.Length), .. data];

    private static RequestClock Clock() => new(TimeSpan.FromSeconds(20));

    private static Task<NbdDeviceOrigin> OpenAsync(OriginServer server) => NbdDeviceOrigin.OpenAsync(new NbdOrigin(server.Uri), true, TimeSpan.FromSeconds(10), NullLogger.Instance, default);
}
