using System.Buffers.Binary;
using System.Text;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Contract;

/// <summary>What a client of one's own may get wrong on the wire: a typed error or a closed connection, and nobody else notices.</summary>
public sealed class WireTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    private int Port => Shared.Node.Ports.Data;

    [Fact]
    public async Task A_hello_of_an_unknown_version_is_told_so_and_the_connection_closed()
    {
        await using var connection = await RawConnection.OpenAsync(Port);
        var answer = await connection.AskAsync(RawConnection.Hello(min: 900, max: 901));
        Assert.Equal(Status.UnsupportedVersion, answer.Header.Status);
        Assert.NotEmpty(answer.Text);
        Assert.Null(await connection.ReadAsync());
    }

    [Fact]
    public async Task A_hello_that_offers_newer_versions_too_is_spoken_to_in_this_one()
    {
        await using var connection = await RawConnection.OpenAsync(Port);
        Assert.Equal(Status.Ok, (await connection.AskAsync(RawConnection.Hello(min: 1, max: 900))).Header.Status);
        Assert.Equal(Status.Ok, (await connection.AskAsync(RawConnection.Frame(Opcode.Ping, 2, []))).Header.Status);
    }

    [Fact]
    public async Task Anything_before_the_hello_closes_the_connection()
    {
        byte[][] beginnings =
        [
            RawConnection.Frame(Opcode.Ping, 1, []),
            "GET / HTTP/1.1\r\nHost: grid\r\n\r\n"u8.ToArray(),
            [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0xFF, 0xFF, 0xFF, 0xFF, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            RawConnection.Frame(Opcode.Hello, 1, "not a hello"u8),
            RawConnection.Frame(Opcode.Hello, 1, new byte[ProtocolLimits.MaxHelloBodyBytes + 1]),
        ];
        foreach (var beginning in beginnings)
        {
            await using var connection = await RawConnection.OpenAsync(Port);
            await connection.SendAsync(beginning);
            while (await connection.ReadAsync() is { } answer) Assert.True(answer.Header.Status.IsError(), $"{answer.Header}");
        }
    }

    [Fact]
    public async Task A_second_hello_is_an_error()
    {
        await using var connection = await RawConnection.OpenGreetedAsync(Port);
        Assert.True((await connection.AskAsync(RawConnection.Hello())).Header.Status.IsError());
    }

    [Fact]
    public async Task A_frame_longer_than_the_limit_closes_the_connection_before_it_is_read()
    {
        await using var connection = await RawConnection.OpenGreetedAsync(Port);
        var header = new byte[ProtocolLimits.HeaderBytes];
        FrameHeader.Request(Opcode.Put, 7, ProtocolLimits.MaxBodyBytes + 1).Write(header);
        await connection.SendAsync(header);
        while (await connection.ReadAsync() is { } answer) Assert.Equal(Status.Malformed, answer.Header.Status);
    }

    [Fact]
    public async Task An_unknown_operation_is_an_error_and_the_connection_goes_on()
    {
        await using var connection = await RawConnection.OpenGreetedAsync(Port);
        foreach (var opcode in (byte[])[0, 5, 15, 23, 60, 127])
        {
            var answer = await connection.AskAsync(RawConnection.Frame((Opcode)opcode, opcode, []));
            Assert.Equal(Status.UnknownOperation, answer.Header.Status);
            Assert.Equal(opcode, answer.Header.Correlation);
        }

        Assert.Equal(Status.Ok, (await connection.AskAsync(RawConnection.Frame(Opcode.Ping, 2, []))).Header.Status);
    }

    [Fact]
    public async Task An_unknown_pool_is_named_in_the_error()
    {
        await using var connection = await RawConnection.OpenGreetedAsync(Port);
        var head = new ObjectRequestHead(new PoolId(987654321), Names.Object(), 0, 0);
        var answer = await connection.AskAsync(RawConnection.ObjectFrame(Opcode.Get, 5, head));
        Assert.Equal((Status.NoSuchPool, 5ul), (answer.Header.Status, answer.Header.Correlation));
        Assert.Contains("987654321", answer.Text, StringComparison.Ordinal);

        answer = await connection.AskAsync(RawConnection.Frame(Opcode.PoolStat, 6, StringBody("nowhere")));
        Assert.Equal(Status.NoSuchPool, answer.Header.Status);
        Assert.Contains("nowhere", answer.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_put_of_the_wrong_page_size_is_a_bad_argument_that_names_both_sizes()
    {
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        var id = Names.Object();
        await pool.StoreAsync(id, 1, PageBytes.Random(1));
        await using var connection = await RawConnection.OpenGreetedAsync(Port);
        foreach (var size in (int[])[8192, 4095, 65536, 1])
        {
            var head = new ObjectRequestHead(pool.Id, id, 1, size);
            var answer = await connection.AskAsync(RawConnection.ObjectFrame(Opcode.Put, 5, head, new byte[size]));
            Assert.Equal(Status.BadArgument, answer.Header.Status);
            Assert.Contains("4096", answer.Text, StringComparison.Ordinal);
            Assert.Contains(size.ToString(System.Globalization.CultureInfo.InvariantCulture), answer.Text, StringComparison.Ordinal);
        }

        await pool.AssertHoldsAsync(id, 1, PageBytes.Random(1));
    }

    [Fact]
    public async Task A_put_whose_count_and_body_disagree_changes_nothing()
    {
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        var id = Names.Object();
        await pool.StoreAsync(id, 1, PageBytes.Random(1));
        foreach (var (count, bytes) in ((int, int)[])[(4096, 0), (4096, 4095), (4096, 4097), (0, 4096), (-1, 4096), (int.MaxValue, 4096)])
        {
            await using var connection = await RawConnection.OpenGreetedAsync(Port);
            var answer = await connection.AskAsync(
                RawConnection.ObjectFrame(Opcode.Put, 5, new ObjectRequestHead(pool.Id, id, 1, count), new byte[bytes]));
            Assert.True(answer.Header.Status is Status.BadArgument or Status.Malformed, $"count {count}, {bytes} bytes: {answer.Header}");
            await pool.AssertHoldsAsync(id, 1, PageBytes.Random(1));
        }
    }

    [Fact]
    public async Task Batches_out_of_range_change_nothing()
    {
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        var id = Names.Object();
        await pool.StoreAsync(id, 1, PageBytes.Random(1));
        var twice = new byte[2 * BatchEntry.SizeBytes];
        new BatchEntry(1, true).Write(twice);
        new BatchEntry(1, true).Write(twice.AsSpan(BatchEntry.SizeBytes));
        var unknownKind = new byte[BatchEntry.SizeBytes];
        BinaryPrimitives.WriteUInt32LittleEndian(unknownKind, 1);
        unknownKind[4] = 2;
        (Opcode Opcode, int Count, byte[] Entries)[] bad =
        [
            (Opcode.WriteBatch, 2, twice), (Opcode.WriteBatch, 1, unknownKind), (Opcode.WriteBatch, 257, new byte[257 * BatchEntry.SizeBytes]),
            (Opcode.WriteBatch, -1, []), (Opcode.WriteBatch, 3, twice), (Opcode.WriteBatch, 1, twice), (Opcode.WriteBatch, int.MaxValue, twice),
            (Opcode.GetBatch, 2, [1, 0, 0, 0, 1, 0, 0, 0]), (Opcode.GetBatch, 2, [1, 0, 0, 0]), (Opcode.GetBatch, -1, []),
            (Opcode.GetBatch, 257, new byte[257 * 4]), (Opcode.GetBatch, int.MinValue, [1, 0, 0, 0]),
        ];
        foreach (var (opcode, count, rest) in bad)
        {
            await using var connection = await RawConnection.OpenGreetedAsync(Port);
            var answer = await connection.AskAsync(RawConnection.ObjectFrame(opcode, 5, new ObjectRequestHead(pool.Id, id, 0, count), rest));
            Assert.True(answer.Header.Status is Status.BadArgument or Status.Malformed, $"{opcode} of {count}: {answer.Header}");
            await pool.AssertHoldsAsync(id, 1, PageBytes.Random(1));
        }
    }

    [Fact]
    public async Task Contradictory_flags_are_refused()
    {
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        var id = Names.Object();
        await pool.StoreAsync(id, 1, PageBytes.Random(1));
        foreach (var (opcode, flags) in ((Opcode, RequestFlags)[])
            [(Opcode.Get, RequestFlags.Keep | RequestFlags.Take), (Opcode.Get, RequestFlags.Conditional), (Opcode.FlushPage, RequestFlags.Conditional), (Opcode.FlushPage, RequestFlags.Take)])
        {
            await using var connection = await RawConnection.OpenGreetedAsync(Port);
            var answer = await connection.AskAsync(
                RawConnection.ObjectFrame(opcode, 5, new ObjectRequestHead(pool.Id, id, 1, 0), flags: flags));
            Assert.True(answer.Header.Status is Status.BadArgument or Status.Malformed, $"{opcode} {flags}: {answer.Header}");
        }

        await pool.AssertHoldsAsync(id, 1, PageBytes.Random(1));
    }

    [Fact]
    public async Task Only_nodes_forward()
    {
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        var id = Names.Object();
        var put = RawConnection.ObjectFrame(
            Opcode.Put, 5, new ObjectRequestHead(pool.Id, id, 1, 4096, Session: Guid.NewGuid(), Epoch: 1), PageBytes.Random(1), RequestFlags.Forwarded);
        await using var client = await RawConnection.OpenGreetedAsync(Port);
        Assert.Equal(Status.BadArgument, (await client.AskAsync(put)).Header.Status);
        await pool.AssertMissAsync(id, 1);
        await using var node = await RawConnection.OpenGreetedAsync(Port, Grid.Node.Objects.PeerAgent.Name);
        Assert.Equal(Status.Ok, (await node.AskAsync(put)).Header.Status);
        await pool.AssertHoldsAsync(id, 1, PageBytes.Random(1));
    }

    [Fact]
    public async Task Every_pipelined_request_is_answered_once_under_its_correlation_id()
    {
        var pool = await NewPoolAsync(PoolKind.Persistent, PoolSharing.Shared);
        await using var connection = await RawConnection.OpenGreetedAsync(Port);
        var expected = new HashSet<ulong>();
        var stream = new List<byte>();
        for (var i = 0u; i < 200; i++)
        {
            // Correlation ids are the client's: any 64 bits, in any order.
            var correlation = ulong.MaxValue - (i * 0x9E3779B97F4A7C15);
            expected.Add(correlation);
            var head = new ObjectRequestHead(pool.Id, ObjectId.FromUInt64(i % 7), i, i % 3 == 0 ? 4096 : 0);
            stream.AddRange(i % 3 == 0
                ? RawConnection.ObjectFrame(Opcode.Put, correlation, head, PageBytes.Random(i))
                : RawConnection.ObjectFrame(i % 3 == 1 ? Opcode.Get : Opcode.FlushPage, correlation, head));
        }

        var sending = connection.SendAsync(stream.ToArray());
        while (expected.Count > 0)
        {
            var answer = await connection.ReadAsync() ?? throw new InvalidOperationException($"closed with {expected.Count} answers missing");
            Assert.True(expected.Remove(answer.Header.Correlation), $"nobody asked {answer.Header}");
            Assert.True(answer.Header.IsAnswer);
            Assert.False(answer.Header.Status.IsError(), answer.Text);
        }

        await sending;
    }

    [Fact]
    public async Task A_truncated_frame_and_a_vanished_client_harm_nobody()
    {
        var pool = await NewPoolAsync(PoolKind.Persistent, PoolSharing.Shared);
        var id = Names.Object();
        var whole = RawConnection.ObjectFrame(Opcode.Put, 5, new ObjectRequestHead(pool.Id, id, 1, 4096), PageBytes.Random(1));
        foreach (var cut in (int[])[1, 4, 15, 16, 40, 56, 57, 4000, whole.Length - 1])
        {
            await using var connection = await RawConnection.OpenGreetedAsync(Port);
            await connection.SendAsync(whole.AsMemory(0, cut));
            connection.CloseOutput();
            while (await connection.ReadAsync() is { } answer) Assert.True(answer.Header.Status.IsError());
        }

        await pool.AssertMissAsync(id, 1);
        await pool.StoreAsync(id, 1, PageBytes.Random(2));
        await pool.AssertHoldsAsync(id, 1, PageBytes.Random(2));
    }

    private static byte[] StringBody(string text)
    {
        var body = new byte[2 + Encoding.UTF8.GetByteCount(text)];
        BinaryPrimitives.WriteUInt16LittleEndian(body, (ushort)(body.Length - 2));
        Encoding.UTF8.GetBytes(text, body.AsSpan(2));
        return body;
    }
}
