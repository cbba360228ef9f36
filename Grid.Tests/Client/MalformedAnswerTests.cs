using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Client.Support;
using Xunit;

namespace Grid.Tests.Client;

/// <summary>Answers that break the protocol: the connection is closed, every call ends with what is true about it, nothing is written where it must not be.</summary>
public sealed class MalformedAnswerTests : ClientTest
{
    public static TheoryData<string> Nonsense => ["length", "request", "unasked", "twice", "unasked operation", "error without a request"];

    [Theory]
    [MemberData(nameof(Nonsense))]
    public async Task A_node_that_breaks_the_protocol_is_left_and_what_was_sent_is_unknown(string kind)
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        var held = new Held(node, Opcode.Put, Opcode.FlushPage);
        var put = pool.PutAsync(Object, 0, Pages.Random(1)).AsTask();
        var flush = pool.FlushPageAsync(Object, 0).AsTask();
        await Until(() => held.Count == 2, "both to arrive");
        held.IsOpen = true;
        var first = held.Take()[0];
        switch (kind)
        {
            case "length":
                await first.Connection.SendRawAsync(new byte[] { 0xFF, 0xFF, 0xFF, 0x7F });
                break;
            case "request":
                await first.Connection.SendAsync(FrameHeader.Request(Opcode.Put, first.Header.Correlation, 0), default);
                break;
            case "unasked":
                await first.Connection.SendAsync(FrameHeader.Answer(Opcode.Put, first.Header.Correlation + (1ul << 40), Status.Ok, 16), new byte[16]);
                break;
            case "twice":
                await first.ServeAsync();
                Assert.True((await put).Stored);
                await first.ServeAsync();
                break;
            case "unasked operation":
                await first.Connection.SendAsync(FrameHeader.Answer(Opcode.Put, 0, Status.Ok, 16), new byte[16]);
                break;
            default:
                await first.Connection.SendAsync(FrameHeader.Answer(Opcode.Hello, 0, Status.Malformed, 3), "bad"u8.ToArray());
                break;
        }

        await FailureOf<OutcomeUnknownException>(flush);
        if (kind != "twice") await FailureOf<OutcomeUnknownException>(put);
        Assert.True((await pool.PutAsync(Object, 1, Pages.Random(1))).Stored);
        Assert.Equal(2, node.Hellos.Count);
    }

    [Theory]
    [InlineData(Status.Ok, 16 + 4095)]
    [InlineData(Status.Ok, 16 + 4097)]
    [InlineData(Status.Ok, 16)]
    [InlineData(Status.Ok, 3)]
    [InlineData(Status.Miss, 16 + 4096)]
    [InlineData(Status.Refused, 16)]
    public async Task A_get_answered_with_nonsense_fails_and_its_buffer_is_untouched(Status status, int bodyBytes)
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        node.Script = async request =>
        {
            if (request.Opcode != Opcode.Get) return false;
            await request.AnswerAsync(status, Pages.Filled(1, bodyBytes));
            return true;
        };
        var buffer = Pages.Filled(0xEE);
        var failure = await FailureOf<GridProtocolException>(pool.GetAsync(Object, 0, buffer).AsTask());
        Assert.Equal(CallOutcome.NotApplied, failure.Outcome);
        Assert.Equal(Pages.Filled(0xEE), buffer);
    }

    [Fact]
    public async Task A_batch_with_more_hits_than_indexes_fails()
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        node.Script = async request =>
        {
            if (request.Opcode != Opcode.GetBatch) return false;
            var rest = new byte[BatchAnswer.BitsBytes + (2 * 4096)];
            rest[0] = 0b101;
            await request.AnswerObjectAsync(Status.Ok, default, rest);
            return true;
        };
        var take = pool.GetBatchAsync(Object, new uint[] { 1, 2 }, new byte[2 * 4096], GetMode.Take).AsTask();
        Assert.Equal(CallOutcome.Unknown, (await FailureOf<GridProtocolException>(take)).Outcome);
    }

    [Fact]
    public async Task A_control_answer_that_makes_no_sense_fails()
    {
        var node = StartNode();
        var client = await ConnectAsync(node);
        node.Script = async request =>
        {
            if (request.Opcode != Opcode.PoolCreate) return false;
            await request.AnswerAsync(Status.Ok, new byte[] { 1, 2, 3 });
            return true;
        };
        Assert.Equal(CallOutcome.Unknown, (await FailureOf<GridProtocolException>(client.CreatePoolAsync("p", Keeping).AsTask())).Outcome);
    }

    [Fact]
    public async Task Answers_cut_into_single_bytes_are_put_together()
    {
        var node = StartNode();
        var pool = await PoolAsync(node);
        var held = new Held(node, Opcode.Get);
        var buffer = Pages.Filled(0);
        var get = pool.GetAsync(Object, 0, buffer).AsTask();
        await Until(() => held.Count == 1, "the get to arrive");
        var request = held.Take()[0];
        var frame = new byte[ProtocolLimits.HeaderBytes + 16 + 4096];
        FrameHeader.Answer(Opcode.Get, request.Header.Correlation, Status.Ok, 16 + 4096).Write(frame);
        Pages.Random(9).CopyTo(frame, 32);
        for (var i = 0; i < 64; i++) await request.Connection.SendRawAsync(frame.AsMemory(i, 1));
        await request.Connection.SendRawAsync(frame.AsMemory(64));
        Assert.True((await get.WaitAsync(Patience)).Hit);
        Assert.Equal(Pages.Random(9), buffer);
    }
}
