using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Grid.Node.Frontends.Nbd;
using Xunit;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>An answer to an option.</summary>
internal sealed record OptionAnswer(NbdOption Option, NbdOptionReply Reply, byte[] Data)
{
    public bool IsLast => Reply is not (NbdOptionReply.Server or NbdOptionReply.Info or NbdOptionReply.MetaContext);

    public string Text => Encoding.UTF8.GetString(Data);
}

/// <summary>A reply to a request: simple, or all of its one chunk.</summary>
internal sealed record RequestAnswer(ulong Cookie, NbdError Error, ChunkType Type, byte[] Data);

/// <summary>What clients send, made by hand from the protocol's text, and what servers answer, read the same way.</summary>
internal static class NbdBytes
{
    public static byte[] Flags(uint flags = 3) => Big(flags);

    public static byte[] Option(NbdOption option, params byte[] data) => [.. Big(NbdMagic.Option), .. Big((uint)option), .. Big((uint)data.Length), .. data];

    public static byte[] Named(string name) => [.. Big((uint)Encoding.UTF8.GetByteCount(name)), .. Encoding.UTF8.GetBytes(name)];

    public static byte[] Info(string name, params NbdInfo[] infos) => [.. Named(name), .. Big((ushort)infos.Length), .. infos.SelectMany(info => Big((ushort)info))];

    public static byte[] Queries(string name, params string[] queries) => [.. Named(name), .. Big((uint)queries.Length), .. queries.SelectMany(Named)];

    public static byte[] Request(NbdCommand command, ulong cookie, ulong offset = 0, uint length = 0, CommandFlags flags = 0, byte[]? data = null) =>
        [.. Big(NbdMagic.Request), .. Big((ushort)flags), .. Big((ushort)command), .. Big(cookie), .. Big(offset), .. Big(length), .. data ?? []];

    public static byte[] Big(ulong value)
    {
        var bytes = new byte[8];
        BinaryPrimitives.WriteUInt64BigEndian(bytes, value);
        return bytes;
    }

    public static byte[] Big(uint value) => Big((ulong)value)[4..];

    public static byte[] Big(ushort value) => Big((ulong)value)[6..];

    public static uint UInt32(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt32BigEndian(bytes);

    public static ulong UInt64(ReadOnlySpan<byte> bytes) => BinaryPrimitives.ReadUInt64BigEndian(bytes);

    /// <summary>Takes the answers to options off the bytes, until something else begins.</summary>
    public static List<OptionAnswer> OptionAnswers(ref ReadOnlySpan<byte> bytes)
    {
        var answers = new List<OptionAnswer>();
        while (bytes.Length >= 20 && UInt64(bytes) == NbdMagic.OptionReply)
        {
            var length = (int)UInt32(bytes[16..]);
            answers.Add(new OptionAnswer((NbdOption)UInt32(bytes[8..]), (NbdOptionReply)UInt32(bytes[12..]), bytes.Slice(20, length).ToArray()));
            bytes = bytes[(20 + length)..];
        }

        return answers;
    }

    /// <summary>Takes replies to requests off the bytes, all of them.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="isRead">Which cookies are reads, with their lengths: what a simple reply does not say.</param>
    public static List<RequestAnswer> RequestAnswers(ReadOnlySpan<byte> bytes, Func<ulong, int> isRead)
    {
        var answers = new List<RequestAnswer>();
        while (bytes.Length > 0)
        {
            if (UInt32(bytes) == NbdMagic.SimpleReply)
            {
                var (error, cookie) = ((NbdError)UInt32(bytes[4..]), UInt64(bytes[8..]));
                var data = error == NbdError.None ? isRead(cookie) : 0;
                answers.Add(new RequestAnswer(cookie, error, ChunkType.None, bytes.Slice(16, data).ToArray()));
                bytes = bytes[(16 + data)..];
                continue;
            }

            Assert.Equal(NbdMagic.StructuredReply, UInt32(bytes));
            Assert.Equal(1, BinaryPrimitives.ReadUInt16BigEndian(bytes[4..]));
            var type = (ChunkType)BinaryPrimitives.ReadUInt16BigEndian(bytes[6..]);
            var length = (int)UInt32(bytes[16..]);
            var payload = bytes.Slice(20, length);
            answers.Add(new RequestAnswer(UInt64(bytes[8..]), type == ChunkType.Error ? (NbdError)UInt32(payload) : NbdError.None, type, payload.ToArray()));
            bytes = bytes[(20 + length)..];
        }

        return answers;
    }
}

/// <summary>The session as a server runs it, without socket and grid: the device is an array. What comes in is carried out at once.</summary>
internal sealed class PureSession(IReadOnlyList<ExportFacts> exports, bool hasTls = false)
{
    private readonly Negotiation _negotiation = new(hasTls);
    private readonly ArrayBufferWriter<byte> _output = new();
    private RequestReader? _requests;
    private byte[] _pending = [];
    private byte[]? _data;
    private byte[]? _device;

    /// <summary>Whether the server has closed the connection.</summary>
    public bool IsClosed { get; private set; }

    /// <summary>Why.</summary>
    public string Trouble => _requests?.Trouble ?? _negotiation.Trouble;

    public bool IsAtTls { get; private set; }

    public TransmissionTerms? Terms { get; private set; }

    /// <summary>Options that were read.</summary>
    public int Options { get; private set; }

    /// <summary>Requests that were read.</summary>
    public int Requests { get; private set; }

    public byte[] Output
    {
        get
        {
            var bytes = _output.WrittenSpan.ToArray();
            _output.ResetWrittenCount();
            return bytes;
        }
    }

    /// <summary>Bytes come in.</summary>
    public void Feed(params byte[] bytes)
    {
        if (IsClosed) return;
        var input = new ReadOnlySequence<byte>([.. _pending, .. bytes]);
        if (Terms is null) Negotiate(ref input);
        if (Terms is not null && !IsClosed) Transmit(ref input);
        _pending = input.ToArray();
    }

    private void Negotiate(ref ReadOnlySequence<byte> input)
    {
        IsAtTls = false;
        NegotiationRead found;
        while ((found = _negotiation.TryRead(ref input, out var option)) == NegotiationRead.Option)
        {
            Options++;
            var step = _negotiation.Answer(option, exports, _output);
            if (step == NegotiationStep.Haggle) continue;
            IsClosed = step == NegotiationStep.Close;
            IsAtTls = step == NegotiationStep.StartTls;
            Terms = step == NegotiationStep.Transmission ? _negotiation.Terms : null;
            return;
        }

        IsClosed = found == NegotiationRead.Broken;
    }

    private void Transmit(ref ReadOnlySequence<byte> input)
    {
        _requests ??= new RequestReader(Terms!);
        while (true)
        {
            var found = _requests.TryRead(ref input);
            if (found == RequestRead.NeedMore) return;
            IsClosed = found == RequestRead.Broken || (found == RequestRead.Request && _requests.Request.Command == NbdCommand.Disconnect);
            if (IsClosed) return;
            if (found == RequestRead.NeedBuffer)
            {
                _data = new byte[_requests.Request.LengthBytes];
                _requests.Take(_data);
                continue;
            }

            Requests++;
            ReplyWriter.Write(_output, Terms!.Structured, _requests.Error == NbdError.None ? CarryOut(_requests.Request) : new NbdReply(_requests.Request, _requests.Error, _requests.Trouble));
            _data = null;
        }
    }

    private NbdReply CarryOut(NbdRequest request)
    {
        // A range that was let through and is not in the device throws here.
        _device ??= new byte[exports.Max(export => (long)export.SizeBytes)];
        var range = request.Command == NbdCommand.Flush ? default : _device.AsSpan((int)request.Offset, (int)request.LengthBytes);
        switch (request.Command)
        {
            case NbdCommand.Write:
                _data!.CopyTo(range);
                break;
            case NbdCommand.Trim or NbdCommand.WriteZeroes:
                range.Clear();
                break;
        }

        return new NbdReply(request)
        {
            Data = request.Command == NbdCommand.Read && range.ContainsAnyExcept((byte)0) ? range.ToArray() : null,
            Extents = [new Extent(request.LengthBytes, ExtentState.Allocated)],
        };
    }
}
