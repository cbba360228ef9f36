using System.Buffers.Binary;
using System.Text;

namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>The client's side of the fixed newstyle handshake: structured replies and <c>base:allocation</c> where the server has them, then GO. Whatever the server sends, it ends with terms or with an error.</summary>
/// <param name="stream">The connection.</param>
/// <param name="export">The export's name.</param>
internal sealed class OriginHandshake(Stream stream, string export)
{
    private const int MostReplies = 256;
    private const int MostReplyBytes = 64 << 10;
    private const int DefaultMaxBlockBytes = 32 << 20;
    private const string Context = "base:allocation";

    private readonly byte[] _name = Encoding.UTF8.GetBytes(export);
    private int _replies;

    /// <summary>Does it.</summary>
    /// <exception cref="NbdPeerException">The server has no such export, or does not speak the protocol.</exception>
    /// <exception cref="IOException">The connection broke.</exception>
    public async Task<OriginTerms> RunAsync(CancellationToken cancellation)
    {
        var greeting = new byte[18];
        await stream.ReadExactlyAsync(greeting, cancellation).ConfigureAwait(false);
        if (BinaryPrimitives.ReadUInt64BigEndian(greeting) != NbdMagic.Init || BinaryPrimitives.ReadUInt64BigEndian(greeting.AsSpan(8)) != NbdMagic.Option)
            throw new NbdPeerException("it is no NBD server, or one of the old style");
        var server = (HandshakeFlags)BinaryPrimitives.ReadUInt16BigEndian(greeting.AsSpan(16));
        if ((server & HandshakeFlags.FixedNewstyle) == 0) throw new NbdPeerException("it does not speak the fixed newstyle handshake");
        var flags = new byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(flags, (uint)(server & HandshakeFlags.All));
        await stream.WriteAsync(flags, cancellation).ConfigureAwait(false);
        var isStructured = await AskAsync(NbdOption.StructuredReply, [], null, cancellation).ConfigureAwait(false);
        uint? allocation = null;
        if (isStructured) await AskAsync(NbdOption.SetMetaContext, MetaContext(), (reply, data) => allocation = ContextOf(reply, data) ?? allocation, cancellation).ConfigureAwait(false);
        return await GoAsync(isStructured, allocation, cancellation).ConfigureAwait(false);
    }

    private async Task<OriginTerms> GoAsync(bool isStructured, uint? allocation, CancellationToken cancellation)
    {
        var (size, can) = (-1L, default(TransmissionFlags));
        var (least, most) = (1u, (uint)DefaultMaxBlockBytes);
        var data = new byte[sizeof(uint) + _name.Length + (2 * sizeof(ushort))];
        BinaryPrimitives.WriteUInt32BigEndian(data, (uint)_name.Length);
        _name.CopyTo(data, sizeof(uint));
        BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(sizeof(uint) + _name.Length), 1);
        BinaryPrimitives.WriteUInt16BigEndian(data.AsSpan(sizeof(uint) + _name.Length + sizeof(ushort)), (ushort)NbdInfo.BlockSize);
        var isAcknowledged = await AskAsync(NbdOption.Go, data, Info, cancellation).ConfigureAwait(false);
        if (!isAcknowledged) throw new NbdPeerException("it does not know the option GO");
        if (size < 0) throw new NbdPeerException("it did not say how large the export is");
        return new OriginTerms(size, can, isStructured, allocation, (int)least, (int)Math.Min(most, DefaultMaxBlockBytes));

        void Info(NbdOptionReply reply, byte[] info)
        {
            if (reply != NbdOptionReply.Info || info.Length < sizeof(ushort)) throw new NbdPeerException("it answered GO with what is no information");
            switch ((NbdInfo)BinaryPrimitives.ReadUInt16BigEndian(info))
            {
                case NbdInfo.Export when info.Length == 12:
                    size = BinaryPrimitives.ReadInt64BigEndian(info.AsSpan(2));
                    can = (TransmissionFlags)BinaryPrimitives.ReadUInt16BigEndian(info.AsSpan(10));
                    if (size < 0) throw new NbdPeerException("its export is larger than 8 EiB");
                    break;
                case NbdInfo.BlockSize when info.Length == 14:
                    (least, most) = (BinaryPrimitives.ReadUInt32BigEndian(info.AsSpan(2)), BinaryPrimitives.ReadUInt32BigEndian(info.AsSpan(10)));
                    if (least is 0 or > 64 << 10 || (least & (least - 1)) != 0 || most < least) throw new NbdPeerException($"blocks of {least} to {most} bytes make no sense");
                    break;
                case NbdInfo.Export or NbdInfo.BlockSize:
                    throw new NbdPeerException("its information has a wrong length");
            }
        }
    }

    /// <summary>Sends an option and reads its answers.</summary>
    /// <returns>Whether it was acknowledged; false where the server does not have it.</returns>
    private async Task<bool> AskAsync(NbdOption option, byte[] data, Action<NbdOptionReply, byte[]>? information, CancellationToken cancellation)
    {
        var request = new byte[16 + data.Length];
        BinaryPrimitives.WriteUInt64BigEndian(request, NbdMagic.Option);
        BinaryPrimitives.WriteUInt32BigEndian(request.AsSpan(8), (uint)option);
        BinaryPrimitives.WriteUInt32BigEndian(request.AsSpan(12), (uint)data.Length);
        data.CopyTo(request, 16);
        await stream.WriteAsync(request, cancellation).ConfigureAwait(false);
        var head = new byte[20];
        while (true)
        {
            if (++_replies > MostReplies) throw new NbdPeerException($"more than {MostReplies} answers to options");
            await stream.ReadExactlyAsync(head, cancellation).ConfigureAwait(false);
            var (magic, about) = (BinaryPrimitives.ReadUInt64BigEndian(head), (NbdOption)BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(8)));
            var (reply, length) = ((NbdOptionReply)BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(12)), BinaryPrimitives.ReadUInt32BigEndian(head.AsSpan(16)));
            if (magic != NbdMagic.OptionReply || about != option) throw new NbdPeerException($"it answered option {option} with something else");
            if (length > MostReplyBytes) throw new NbdPeerException($"an answer to option {option} has {length} bytes");
            var answer = new byte[length];
            await stream.ReadExactlyAsync(answer, cancellation).ConfigureAwait(false);
            if (reply == NbdOptionReply.Ack) return true;
            if ((uint)reply < (1u << 31))
            {
                if (information is null) throw new NbdPeerException($"it answered option {option} with {reply}");
                information(reply, answer);
                continue;
            }

            // Of options that can be done without any error means no.
            if (reply == NbdOptionReply.Unsupported || (option != NbdOption.Go && reply != NbdOptionReply.TlsRequired)) return false;
            throw new NbdPeerException(Refusal(reply, Encoding.UTF8.GetString(answer)), isFinal: true);
        }
    }

    private string Refusal(NbdOptionReply reply, string text) => reply switch
    {
        NbdOptionReply.TlsRequired => "it serves over TLS only, which is not spoken to origins",
        NbdOptionReply.Unknown => $"it has no export '{export}'{(text.Length > 0 ? $": {text}" : "")}",
        _ => $"it refuses the export '{export}' ({reply}){(text.Length > 0 ? $": {text}" : "")}",
    };

    private byte[] MetaContext()
    {
        var query = Encoding.UTF8.GetBytes(Context);
        var data = new byte[sizeof(uint) + _name.Length + sizeof(uint) + sizeof(uint) + query.Length];
        BinaryPrimitives.WriteUInt32BigEndian(data, (uint)_name.Length);
        _name.CopyTo(data, sizeof(uint));
        BinaryPrimitives.WriteUInt32BigEndian(data.AsSpan(sizeof(uint) + _name.Length), 1);
        BinaryPrimitives.WriteUInt32BigEndian(data.AsSpan((2 * sizeof(uint)) + _name.Length), (uint)query.Length);
        query.CopyTo(data, (3 * sizeof(uint)) + _name.Length);
        return data;
    }

    private static uint? ContextOf(NbdOptionReply reply, byte[] data) =>
        reply == NbdOptionReply.MetaContext && data.Length > sizeof(uint) && Encoding.UTF8.GetString(data.AsSpan(sizeof(uint))) == Context ? BinaryPrimitives.ReadUInt32BigEndian(data) : null;
}
