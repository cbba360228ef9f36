using Grid.Node.Frontends.Nbd;
using Xunit;
using static Grid.Tests.Frontends.Nbd.NbdBytes;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>Requests and their replies, as the protocol's text says they must be.</summary>
public sealed class RequestTests
{
    private const uint Size = 1 << 20;

    public static TheoryData<int, int, ulong, uint, int> Wrong { get; } = new()
    {
        // command, flags, offset, length, error
        { 8, 0, 0, 512, 22 },
        { 5, 0, 0, 512, 22 },
        { 0, 0, Size, 512, 22 },
        { 0, 0, Size - 512, 1024, 22 },
        { 0, 0, ulong.MaxValue - 511, 512, 22 },
        { 0, 0, 0, 0, 22 },
        { 0, 0, 1, 512, 22 },
        { 0, 0, 0, 513, 22 },
        { 0, 2, 0, 512, 22 },
        { 0, 64, 0, 512, 22 },
        { 1, 0, Size - 512, 1024, 28 },
        { 1, 4, 0, 512, 22 },
        { 1, 0, 100, 512, 22 },
        { 3, 0, 512, 0, 22 },
        { 3, 0, 0, 512, 22 },
        { 4, 0, Size, 512, 22 },
        { 4, 2, 0, 512, 22 },
        { 6, 0, Size, 512, 28 },
        { 6, 4, 0, 512, 22 },
        { 7, 4, 0, 512, 22 },
        { 7, 0, Size, 512, 22 },
    };

    [Theory]
    [MemberData(nameof(Wrong))]
    public void A_wrong_request_gets_its_error_and_the_next_one_is_understood(int command, int flags, ulong offset, uint length, int error)
    {
        foreach (var structured in (bool[])[false, true])
        {
            var session = Begin("disk", structured);
            var data = command == 1 ? new byte[length] : [];
            session.Feed([.. Request((NbdCommand)command, 77, offset, length, (CommandFlags)flags, data), .. Request(NbdCommand.Flush, 78)]);
            var answers = RequestAnswers(session.Output, _ => 0);
            // Block status needs structured replies to be agreed on at all.
            Assert.Equal((77ul, command == 7 && !structured ? NbdError.Invalid : (NbdError)error), (answers[0].Cookie, answers[0].Error));
            Assert.Equal((78ul, NbdError.None), (answers[1].Cookie, answers[1].Error));
        }
    }

    [Theory]
    [InlineData(1, 512u)]
    [InlineData(4, 512u)]
    [InlineData(6, 512u)]
    public void A_read_only_export_permits_no_writes(int command, uint length)
    {
        var session = Begin("frozen", structured: true);
        session.Feed([.. Request((NbdCommand)command, 1, 0, length, data: command == 1 ? new byte[length] : []), .. Request(NbdCommand.Read, 2, 0, 512)]);
        var answers = RequestAnswers(session.Output, _ => 0);
        Assert.Equal([NbdError.Perm, NbdError.None], answers.Select(answer => answer.Error));
        Assert.Equal("the export is read-only"u8.ToArray(), answers[0].Data[6..]);
    }

    [Fact]
    public void A_read_longer_than_a_payload_is_too_large_and_a_write_that_long_is_read_over()
    {
        ExportFacts[] big = [new("big", 80u << 20, false, 4096, "")];
        var session = Begin("big", structured: true, big);
        session.Feed(Request(NbdCommand.Read, 1, 0, NbdLimits.PayloadBytes + 512));
        session.Feed(Request(NbdCommand.Write, 2, 0, NbdLimits.PayloadBytes + 512, data: new byte[NbdLimits.PayloadBytes + 512]));
        session.Feed(Request(NbdCommand.Flush, 3));
        Assert.Equal([NbdError.Overflow, NbdError.Invalid, NbdError.None], RequestAnswers(session.Output, _ => 0).Select(answer => answer.Error));
        session.Feed(Request(NbdCommand.Write, 4, 0, NbdLimits.PayloadBytesRefused + 512));
        Assert.True(session.IsClosed);
    }

    [Fact]
    public void Without_block_sizes_any_byte_may_be_written()
    {
        var session = new PureSession(NegotiationTests.Exports);
        session.Feed([.. Flags(), .. Option(NbdOption.Go, Info("disk"))]);
        _ = session.Output;
        session.Feed([.. Request(NbdCommand.Write, 1, 7, 3, data: "abc"u8.ToArray()), .. Request(NbdCommand.Read, 2, 6, 5)]);
        var answers = RequestAnswers(session.Output, cookie => cookie == 2 ? 5 : 0);
        Assert.Equal([0, .. "abc"u8, 0], answers[1].Data);
    }

    [Fact]
    public void What_is_zero_is_a_hole_unless_the_reply_must_be_whole()
    {
        var session = Begin("disk", structured: true);
        session.Feed([.. Request(NbdCommand.Read, 1, 4096, 8192), .. Request(NbdCommand.Read, 2, 4096, 8192, CommandFlags.Df)]);
        var answers = RequestAnswers(session.Output, _ => 0);
        Assert.Equal((ChunkType.OffsetHole, 12), (answers[0].Type, answers[0].Data.Length));
        Assert.Equal([.. Big(4096ul), .. Big(8192u)], answers[0].Data);
        Assert.Equal(ChunkType.OffsetData, answers[1].Type);
        Assert.Equal([.. Big(4096ul), .. new byte[8192]], answers[1].Data);
    }

    [Fact]
    public void A_goodbye_and_nonsense_end_the_connection()
    {
        var session = Begin("disk", structured: false);
        session.Feed(Request(NbdCommand.Disconnect, 1));
        Assert.True(session.IsClosed);
        Assert.Empty(session.Output);
        session = Begin("disk", structured: false);
        session.Feed([.. Big(0x12560953u), .. new byte[24]]);
        Assert.True(session.IsClosed);
    }

    private static PureSession Begin(string export, bool structured, ExportFacts[]? exports = null)
    {
        var session = new PureSession(exports ?? NegotiationTests.Exports);
        session.Feed(Flags());
        if (structured) session.Feed([.. Option(NbdOption.StructuredReply), .. Option(NbdOption.SetMetaContext, Queries(export, "base:allocation"))]);
        session.Feed(Option(NbdOption.Go, Info(export, NbdInfo.BlockSize)));
        _ = session.Output;
        Assert.NotNull(session.Terms);
        return session;
    }
}
