using System.Text;
using Grid.Node.Frontends.Nbd;
using Xunit;
using static Grid.Tests.Frontends.Nbd.NbdBytes;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>The handshake, as the protocol's text says it must be.</summary>
public sealed class NegotiationTests
{
    internal static readonly ExportFacts[] Exports = [new("disk", 1 << 20, false, 4096, "a disk"), new("frozen", 64 << 10, true, 65536, "read only")];

    private const ushort DiskFlags = 0b1001_0110_1101;

    [Fact]
    public void An_export_is_entered_by_GO_with_all_that_was_asked_about_it()
    {
        var session = new PureSession(Exports);
        var answers = Ask(session, Option(NbdOption.Go, Info("disk", NbdInfo.Name, NbdInfo.Description, NbdInfo.BlockSize)));
        Assert.Equal([NbdOptionReply.Info, NbdOptionReply.Info, NbdOptionReply.Info, NbdOptionReply.Info, NbdOptionReply.Ack], answers.Select(answer => answer.Reply));
        Assert.Equal([.. Big((ushort)0), .. Big(1ul << 20), .. Big(DiskFlags)], answers[0].Data);
        Assert.Equal([.. Big((ushort)1), .. "disk"u8], answers[1].Data);
        Assert.Equal([.. Big((ushort)2), .. "a disk"u8], answers[2].Data);
        Assert.Equal([.. Big((ushort)3), .. Big(512u), .. Big(4096u), .. Big(32u << 20)], answers[3].Data);
        Assert.Equal(512, session.Terms?.MinBlockBytes);
        Assert.False(session.Terms?.Structured);
    }

    [Fact]
    public void INFO_tells_the_same_and_stays_in_the_handshake()
    {
        var session = new PureSession(Exports);
        Assert.Equal([NbdOptionReply.Info, NbdOptionReply.Ack], Ask(session, Option(NbdOption.Info, Info("frozen"))).Select(answer => answer.Reply));
        Assert.Null(session.Terms);
        // Read-only: no trim, no zeroes.
        Assert.Equal([.. Big((ushort)0), .. Big(64ul << 10), .. Big((ushort)0b1_0000_1111)], Ask(session, Option(NbdOption.Info, Info("frozen")))[0].Data);
        Assert.Equal(NbdOptionReply.Unknown, Assert.Single(Ask(session, Option(NbdOption.Info, Info("nothing")))).Reply);
        Assert.Contains("default export", Assert.Single(Ask(session, Option(NbdOption.Go, Info("")))).Text);
        Assert.Null(session.Terms);
    }

    [Theory]
    [InlineData(1u, 134)]
    [InlineData(3u, 10)]
    public void EXPORT_NAME_is_answered_with_or_without_its_zeroes(uint flags, int bytes)
    {
        var session = new PureSession(Exports);
        session.Feed([.. Flags(flags), .. Option(NbdOption.ExportName, "disk"u8.ToArray())]);
        var output = session.Output;
        Assert.Equal(bytes, output.Length);
        Assert.Equal([.. Big(1ul << 20), .. Big(DiskFlags)], output[..10]);
        Assert.Equal(1, session.Terms?.MinBlockBytes);
    }

    [Fact]
    public void What_cannot_be_answered_with_an_error_closes_the_connection()
    {
        Assert.True(After(Flags(), Option(NbdOption.ExportName, "nothing"u8.ToArray())).IsClosed);
        Assert.True(After(Flags(4)).IsClosed);
        Assert.True(After(Flags(), Big(0x4e42444d41474943ul), Big(1u), Big(0u)).IsClosed);
        Assert.True(After(Flags(), Big(NbdMagic.Option), Big(3u), Big(uint.MaxValue)).IsClosed);
        // Without the fixed newstyle there is but one option.
        Assert.True(After(Flags(0), Option(NbdOption.List)).IsClosed);
        Assert.False(After(Flags(0), Option(NbdOption.ExportName, "disk"u8.ToArray())).IsClosed);
        Assert.True(After([Flags(), .. Enumerable.Repeat(Option(NbdOption.List), NbdLimits.Options + 1)]).IsClosed);
    }

    [Fact]
    public void LIST_names_all_exports_and_ABORT_is_acknowledged_before_the_end()
    {
        var session = new PureSession(Exports);
        var answers = Ask(session, Option(NbdOption.List));
        Assert.Equal(["disk", "frozen"], answers.Where(answer => answer.Reply == NbdOptionReply.Server).Select(answer => Encoding.UTF8.GetString(answer.Data[4..])));
        Assert.Equal(NbdOptionReply.Ack, answers[^1].Reply);
        Assert.Equal(NbdOptionReply.Ack, Assert.Single(Ask(session, Option(NbdOption.Abort, 1, 2, 3))).Reply);
        Assert.True(session.IsClosed);
    }

    [Theory]
    [InlineData(4u, 0, 0x80000001u)]
    [InlineData(11u, 0, 0x80000001u)]
    [InlineData(4711u, 60_000, 0x80000001u)]
    [InlineData(4711u, 70_000, 0x80000009u)]
    [InlineData(3u, 1, 0x80000003u)]
    [InlineData(5u, 1, 0x80000003u)]
    [InlineData(8u, 1, 0x80000003u)]
    [InlineData(6u, 3, 0x80000003u)]
    [InlineData(7u, 70_000, 0x80000009u)]
    [InlineData(5u, 0, 0x80000002u)]
    [InlineData(9u, 4, 0x80000003u)]
    public void An_option_that_is_unknown_or_wrong_is_answered_and_the_next_one_is_understood(uint option, int bytes, uint reply)
    {
        var session = new PureSession(Exports);
        var answers = Ask(session, [.. Option((NbdOption)option, new byte[bytes]), .. Option(NbdOption.List)]);
        Assert.Equal(((NbdOption)option, (NbdOptionReply)reply), (answers[0].Option, answers[0].Reply));
        Assert.Equal((NbdOption.List, NbdOptionReply.Ack), (answers[^1].Option, answers[^1].Reply));
    }

    [Fact]
    public void A_metadata_context_is_selected_for_one_export_after_structured_replies()
    {
        var session = new PureSession(Exports);
        Assert.Equal(NbdOptionReply.Invalid, Ask(session, Option(NbdOption.SetMetaContext, Queries("disk", "base:allocation")))[^1].Reply);
        Ask(session, Option(NbdOption.StructuredReply));
        Assert.Equal([NbdOptionReply.MetaContext, NbdOptionReply.Ack], Ask(session, Option(NbdOption.ListMetaContext, Queries("disk"))).Select(answer => answer.Reply));
        Assert.Equal([NbdOptionReply.MetaContext, NbdOptionReply.Ack], Ask(session, Option(NbdOption.ListMetaContext, Queries("disk", "base:"))).Select(answer => answer.Reply));
        Assert.Equal([NbdOptionReply.Ack], Ask(session, Option(NbdOption.SetMetaContext, Queries("disk", "base:", "qemu:dirty-bitmap:x"))).Select(answer => answer.Reply));
        Assert.Equal([NbdOptionReply.Invalid], Ask(session, Option(NbdOption.SetMetaContext, Queries("disk", "nothing"))).Select(answer => answer.Reply));
        Assert.Equal([NbdOptionReply.Unknown], Ask(session, Option(NbdOption.SetMetaContext, Queries("nothing", "base:allocation"))).Select(answer => answer.Reply));
        var answers = Ask(session, Option(NbdOption.SetMetaContext, Queries("disk", "x:y", "base:allocation")));
        Assert.Equal([.. Big(Negotiation.ContextId), .. "base:allocation"u8], answers[0].Data);
        Ask(session, Option(NbdOption.Go, Info("disk")));
        Assert.True(session.Terms is { Allocation: true, Structured: true, MinBlockBytes: 1 });
    }

    [Theory]
    [InlineData("disk", "nothing-else", false)]
    [InlineData("frozen", "base:allocation", false)]
    [InlineData("disk", "base:allocation", true)]
    public void The_last_selection_counts_and_only_for_its_export(string export, string query, bool allocation)
    {
        var session = new PureSession(Exports);
        Ask(session, Option(NbdOption.StructuredReply));
        Ask(session, Option(NbdOption.SetMetaContext, Queries("disk", "base:allocation")));
        Ask(session, Option(NbdOption.SetMetaContext, Queries(export, query)));
        Ask(session, Option(NbdOption.Go, Info("disk")));
        Assert.Equal(allocation, session.Terms?.Allocation);
    }

    [Fact]
    public void With_a_certificate_nothing_goes_without_TLS_and_what_was_agreed_before_it_is_forgotten()
    {
        var session = new PureSession(Exports, hasTls: true);
        foreach (var option in (NbdOption[])[NbdOption.List, NbdOption.Go, NbdOption.StructuredReply, (NbdOption)99])
            Assert.Equal(NbdOptionReply.TlsRequired, Assert.Single(Ask(session, Option(option))).Reply);
        Assert.Equal(NbdOptionReply.Invalid, Assert.Single(Ask(session, Option(NbdOption.StartTls, 1))).Reply);
        Assert.Equal(NbdOptionReply.Ack, Assert.Single(Ask(session, Option(NbdOption.StartTls))).Reply);
        Assert.True(session.IsAtTls);
        Assert.Equal(NbdOptionReply.Invalid, Assert.Single(Ask(session, Option(NbdOption.StartTls))).Reply);
        Assert.Equal(NbdOptionReply.Ack, Ask(session, Option(NbdOption.List))[^1].Reply);
        Ask(session, Option(NbdOption.Go, Info("disk")));
        Assert.False(session.Terms?.Structured);

        var plain = new PureSession(Exports, hasTls: true);
        plain.Feed([.. Flags(), .. Option(NbdOption.ExportName, "disk"u8.ToArray())]);
        Assert.True(plain.IsClosed);
        Assert.Empty(plain.Output);
    }

    [Fact]
    public void It_makes_no_difference_how_the_bytes_come()
    {
        byte[] all =
        [
            .. Flags(), .. Option((NbdOption)77, new byte[70_000]), .. Option(NbdOption.StructuredReply), .. Option(NbdOption.Go, Info("disk", NbdInfo.BlockSize)),
            .. Request(NbdCommand.Write, 1, 512, 1024, data: [.. Enumerable.Repeat((byte)7, 1024)]), .. Request(NbdCommand.Write, 2, 1ul << 30, 512, data: new byte[512]), .. Request(NbdCommand.Read, 3, 0, 4096),
        ];
        var whole = new PureSession(Exports);
        whole.Feed(all);
        var pieces = new PureSession(Exports);
        var random = new Random(1);
        for (var at = 0; at < all.Length;)
        {
            var bytes = Math.Min(random.Next(1, 700), all.Length - at);
            pieces.Feed(all.AsSpan(at, bytes).ToArray());
            at += bytes;
        }

        Assert.Equal(whole.Output, pieces.Output);
        Assert.Equal(3, whole.Requests);
    }

    private static PureSession After(params byte[][] bytes)
    {
        var session = new PureSession(Exports);
        session.Feed([.. bytes.SelectMany(part => part)]);
        return session;
    }

    private static List<OptionAnswer> Ask(PureSession session, byte[] option)
    {
        session.Feed(session.Options == 0 ? [.. Flags(), .. option] : option);
        ReadOnlySpan<byte> output = session.Output;
        var answers = OptionAnswers(ref output);
        Assert.Equal(0, output.Length);
        return answers;
    }
}
