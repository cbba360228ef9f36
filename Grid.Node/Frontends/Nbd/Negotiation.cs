using System.Buffers;

namespace Grid.Node.Frontends.Nbd;

/// <summary>What <see cref="Negotiation.TryRead"/> found.</summary>
internal enum NegotiationRead
{
    /// <summary>Nothing whole yet.</summary>
    NeedMore,

    /// <summary>An option.</summary>
    Option,

    /// <summary>Something that no client may send: the connection is to be closed.</summary>
    Broken,
}

/// <summary>What follows an option.</summary>
internal enum NegotiationStep
{
    /// <summary>The next option.</summary>
    Haggle,

    /// <summary>TLS: everything from here on is its bytes.</summary>
    StartTls,

    /// <summary>Requests, on <see cref="Negotiation.Terms"/>.</summary>
    Transmission,

    /// <summary>The end of the connection, after what is in the output has been sent.</summary>
    Close,
}

/// <summary>
/// The server's side of the fixed newstyle handshake: bytes in, options out; options in, answers out. It knows no socket and no grid: which exports there are it is told.
/// </summary>
/// <param name="hasTls">Whether there is a certificate. Then everything but STARTTLS and ABORT must wait for TLS (the protocol's FORCEDTLS), else STARTTLS is against the policy (NOTLS).</param>
internal sealed class Negotiation(bool hasTls)
{
    private const string Context = "base:allocation";
    private const string ContextWildcard = "base:";
    private const int FlagsBytes = 4;
    private const int HeadBytes = 16;
    private HandshakeFlags? _client;
    private int _options;
    private bool _isSecure;
    private bool _structured;
    private string? _contextFor;
    private NbdOption _skipped;
    private uint _skip;

    /// <summary>The number under which block status is told.</summary>
    public const uint ContextId = 1;

    /// <summary>What was agreed on, once the step is <see cref="NegotiationStep.Transmission"/>.</summary>
    public TransmissionTerms? Terms { get; private set; }

    /// <summary>Why the connection is to be closed.</summary>
    public string Trouble { get; private set; } = "";

    /// <summary>Takes the next option off the input.</summary>
    /// <param name="input">What has come; advanced past what was read.</param>
    /// <param name="option">The option.</param>
    public NegotiationRead TryRead(ref ReadOnlySequence<byte> input, out OptionRequest option)
    {
        option = default;
        var reader = new SequenceReader<byte>(input);
        if (_client is null)
        {
            if (input.Length < FlagsBytes) return NegotiationRead.NeedMore;
            reader.TryReadBigEndian(out int flags);
            input = input.Slice(reader.Position);
            if (((HandshakeFlags)flags & ~HandshakeFlags.All) != 0) return Broken($"unknown client flags {flags:x}");
            _client = (HandshakeFlags)flags;
        }

        if (_skip == 0)
        {
            if (input.Length < HeadBytes) return NegotiationRead.NeedMore;
            reader = new SequenceReader<byte>(input);
            reader.TryReadBigEndian(out long magic);
            reader.TryReadBigEndian(out int number);
            reader.TryReadBigEndian(out int signedLength);
            if ((ulong)magic != NbdMagic.Option) return Broken($"{magic:x} stands where an option must begin");
            var length = (uint)signedLength;
            if (length > NbdLimits.OptionBytesRefused) return Broken($"option {number} has {length} bytes of data");
            if (length <= NbdLimits.OptionBytes)
            {
                if (input.Length < HeadBytes + length) return NegotiationRead.NeedMore;
                if (++_options > NbdLimits.Options) return Broken($"more than {NbdLimits.Options} options");
                option = new OptionRequest((NbdOption)number, input.Slice(HeadBytes, length).ToArray(), false);
                input = input.Slice(HeadBytes + length);
                return NegotiationRead.Option;
            }

            (_skipped, _skip) = ((NbdOption)number, length);
            input = input.Slice(HeadBytes);
        }

        var skipped = Math.Min(input.Length, _skip);
        input = input.Slice(skipped);
        _skip -= (uint)skipped;
        if (_skip > 0) return NegotiationRead.NeedMore;
        if (++_options > NbdLimits.Options) return Broken($"more than {NbdLimits.Options} options");
        option = new OptionRequest(_skipped, [], true);
        return NegotiationRead.Option;
    }

    /// <summary>Answers an option.</summary>
    /// <param name="option">The option.</param>
    /// <param name="exports">The exports there are; of no interest where <see cref="OptionRequest.NeedsExports"/> is false.</param>
    /// <param name="output">Where the answer goes.</param>
    public NegotiationStep Answer(in OptionRequest option, IReadOnlyList<ExportFacts> exports, IBufferWriter<byte> output)
    {
        var isFixed = (_client!.Value & HandshakeFlags.FixedNewstyle) != 0;
        if (!isFixed && option.Option != NbdOption.ExportName) return Close($"option {option.Option} of a client that did not agree to the fixed newstyle");
        if (hasTls && !_isSecure && option.Option is not (NbdOption.StartTls or NbdOption.Abort))
        {
            // EXPORT_NAME cannot be answered with an error.
            return option.Option == NbdOption.ExportName ? Close("an export was asked for without TLS") : Error(output, option, NbdOptionReply.TlsRequired, "this server serves over TLS only");
        }

        if (option.IsTooBig && option.Option != NbdOption.ExportName) return Error(output, option, NbdOptionReply.TooBig, $"the option's data is longer than {NbdLimits.OptionBytes} bytes");
        switch (option.Option)
        {
            case NbdOption.ExportName:
                return ExportName(option, exports, output);
            case NbdOption.Abort:
                OptionReplies.Plain(output, option.Option, NbdOptionReply.Ack);
                return Close("the client gave up");
            case NbdOption.List when option.Data.Length == 0:
                foreach (var export in exports) OptionReplies.Server(output, export);
                return Ack(output, option);
            case NbdOption.StartTls when option.Data.Length == 0:
                return StartTls(option, output);
            case NbdOption.StructuredReply when option.Data.Length == 0:
                _structured = true;
                return Ack(output, option);
            case NbdOption.List or NbdOption.StartTls or NbdOption.StructuredReply:
                return Error(output, option, NbdOptionReply.Invalid, "the option takes no data");
            case NbdOption.Info or NbdOption.Go:
                return Info(option, exports, output);
            case NbdOption.ListMetaContext or NbdOption.SetMetaContext:
                return MetaContext(option, exports, output);
            default:
                return Error(output, option, NbdOptionReply.Unsupported, "the option is unknown");
        }
    }

    private static NegotiationStep Error(IBufferWriter<byte> output, in OptionRequest option, NbdOptionReply reply, string text)
    {
        OptionReplies.Error(output, option.Option, reply, text);
        return NegotiationStep.Haggle;
    }

    private static NegotiationStep Ack(IBufferWriter<byte> output, in OptionRequest option)
    {
        OptionReplies.Plain(output, option.Option, NbdOptionReply.Ack);
        return NegotiationStep.Haggle;
    }

    private static string NoExport(string name) => name.Length == 0 ? "there is no default export: name one" : $"there is no export '{name}'";

    private static ExportFacts? Find(IReadOnlyList<ExportFacts> exports, string name) => exports.FirstOrDefault(export => export.Name == name);

    private NegotiationStep ExportName(in OptionRequest option, IReadOnlyList<ExportFacts> exports, IBufferWriter<byte> output)
    {
        if (option.IsTooBig || !OptionRequest.TryText(option.Data, out var name)) return Close("the export's name makes no sense");
        if (Find(exports, name) is not { } export) return Close(NoExport(name));
        OptionReplies.ExportName(output, export, _structured, (_client!.Value & HandshakeFlags.NoZeroes) == 0);
        return Begin(export, knowsBlockSize: false);
    }

    private NegotiationStep StartTls(in OptionRequest option, IBufferWriter<byte> output)
    {
        if (!hasTls) return Error(output, option, NbdOptionReply.Policy, "this server has no certificate (grid.nbd.tls)");
        if (_isSecure) return Error(output, option, NbdOptionReply.Invalid, "TLS is spoken already");
        OptionReplies.Plain(output, option.Option, NbdOptionReply.Ack);
        // Nothing that was agreed on in the clear counts.
        (_isSecure, _structured, _contextFor) = (true, false, null);
        return NegotiationStep.StartTls;
    }

    private NegotiationStep Info(in OptionRequest option, IReadOnlyList<ExportFacts> exports, IBufferWriter<byte> output)
    {
        if (!option.TryInfo(out var name, out var wantsName, out var wantsDescription, out var wantsBlockSize))
            return Error(output, option, NbdOptionReply.Invalid, "the option's data makes no sense");
        if (Find(exports, name) is not { } export) return Error(output, option, NbdOptionReply.Unknown, NoExport(name));
        OptionReplies.Export(output, option.Option, export, _structured);
        if (wantsName) OptionReplies.Text(output, option.Option, NbdInfo.Name, export.Name);
        if (wantsDescription) OptionReplies.Text(output, option.Option, NbdInfo.Description, export.Description);
        if (wantsBlockSize) OptionReplies.BlockSize(output, option.Option, export);
        OptionReplies.Plain(output, option.Option, NbdOptionReply.Ack);
        return option.Option == NbdOption.Go ? Begin(export, wantsBlockSize) : NegotiationStep.Haggle;
    }

    private NegotiationStep MetaContext(in OptionRequest option, IReadOnlyList<ExportFacts> exports, IBufferWriter<byte> output)
    {
        var selects = option.Option == NbdOption.SetMetaContext;
        // What was selected before is replaced even where this fails.
        if (selects) _contextFor = null;
        if (!_structured) return Error(output, option, NbdOptionReply.Invalid, "structured replies must be agreed on first");
        if (!option.TryQueries(out var name, out var queries)) return Error(output, option, NbdOptionReply.Invalid, "the option's data makes no sense");
        if (queries.Count > NbdLimits.Queries) return Error(output, option, NbdOptionReply.TooBig, $"more than {NbdLimits.Queries} queries");
        if (Find(exports, name) is null) return Error(output, option, NbdOptionReply.Unknown, NoExport(name));
        if (queries.Exists(query => !query.Contains(':', StringComparison.Ordinal))) return Error(output, option, NbdOptionReply.Invalid, "a query names no namespace");
        if (queries.Contains(Context) || (!selects && (queries.Count == 0 || queries.Contains(ContextWildcard))))
        {
            OptionReplies.MetaContext(output, option.Option, selects ? ContextId : 0, Context);
            if (selects) _contextFor = name;
        }

        return Ack(output, option);
    }

    private NegotiationStep Begin(ExportFacts export, bool knowsBlockSize)
    {
        Terms = new TransmissionTerms(export, _structured, _contextFor == export.Name, knowsBlockSize ? export.MinBlockBytes : 1);
        return NegotiationStep.Transmission;
    }

    private NegotiationStep Close(string why)
    {
        Trouble = why;
        return NegotiationStep.Close;
    }

    private NegotiationRead Broken(string why)
    {
        Trouble = why;
        return NegotiationRead.Broken;
    }
}
