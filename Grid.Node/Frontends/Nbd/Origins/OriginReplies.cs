using System.Buffers;
using System.Text;

namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>Cuts replies out of what another server sends, and hands them to the requests they answer. It knows no socket. What is no reply of a request that is waiting is an error.</summary>
/// <param name="terms">What was agreed on.</param>
/// <param name="take">Finds the request of a cookie.</param>
/// <param name="done">Told that a request's answer is whole.</param>
internal sealed class OriginReplies(OriginTerms terms, Func<ulong, OriginRequest?> take, Action<ulong> done)
{
    private const int SimpleBytes = 16;
    private const int ChunkBytes = 20;
    private const int OffsetBytes = 8;
    private const int ExtentBytes = 8;
    private const ushort DoneFlag = 1;

    /// <summary>The longest chunk that is not a read's bytes.</summary>
    private const uint MostOtherBytes = 64 << 10;

    private OriginRequest? _request;
    private ulong _cookie;
    private uint _at;
    private uint _left;
    private bool _isLast;

    /// <summary>Reads as much as there is.</summary>
    /// <param name="input">What has come; advanced past what was read.</param>
    /// <exception cref="NbdPeerException">It makes no sense: the connection is of no use any more.</exception>
    public void Read(ref ReadOnlySequence<byte> input)
    {
        while (true)
        {
            if (_left > 0)
            {
                var bytes = (uint)Math.Min(input.Length, _left);
                if (bytes == 0) return;
                _request!.Fill(_at, input.Slice(0, bytes));
                input = input.Slice(bytes);
                (_at, _left) = (_at + bytes, _left - bytes);
                if (_left > 0) return;
                End();
                continue;
            }

            if (!TryHead(ref input)) return;
        }
    }

    private bool TryHead(ref ReadOnlySequence<byte> input)
    {
        var reader = new SequenceReader<byte>(input);
        if (!reader.TryReadBigEndian(out int magic)) return false;
        return (uint)magic switch
        {
            NbdMagic.SimpleReply => TrySimple(ref input),
            NbdMagic.StructuredReply when terms.Structured => TryChunk(ref input),
            _ => throw new NbdPeerException($"{magic:x} stands where a reply must begin"),
        };
    }

    private bool TrySimple(ref ReadOnlySequence<byte> input)
    {
        if (input.Length < SimpleBytes) return false;
        var reader = new SequenceReader<byte>(input.Slice(sizeof(uint)));
        reader.TryReadBigEndian(out int error);
        reader.TryReadBigEndian(out long cookie);
        Begin((ulong)cookie, isLast: true);
        if (terms.Structured && _request!.Command is NbdCommand.Read or NbdCommand.BlockStatus) throw new NbdPeerException($"a simple reply answers a {_request!.Command}");
        input = input.Slice(SimpleBytes);
        if (error != 0) _request!.Fail((uint)error, "");
        else if (_request!.Command == NbdCommand.Read)
        {
            _request.Cover(0, _request.LengthBytes);
            (_at, _left) = (0, _request.LengthBytes);
            return true;
        }

        End();
        return true;
    }

    private bool TryChunk(ref ReadOnlySequence<byte> input)
    {
        if (input.Length < ChunkBytes) return false;
        var reader = new SequenceReader<byte>(input.Slice(sizeof(uint)));
        reader.TryReadBigEndian(out short flags);
        reader.TryReadBigEndian(out short typeBits);
        reader.TryReadBigEndian(out long cookie);
        reader.TryReadBigEndian(out int lengthBits);
        var (type, length) = ((ChunkType)(ushort)typeBits, (uint)lengthBits);
        if (type == ChunkType.OffsetData)
        {
            if (input.Length < ChunkBytes + OffsetBytes) return false;
            reader.TryReadBigEndian(out long offset);
            Begin((ulong)cookie, (flags & DoneFlag) != 0);
            if (length <= OffsetBytes) throw new NbdPeerException("a chunk of bytes has none");
            var at = InRequest((ulong)offset);
            _request!.Cover(at, length - OffsetBytes);
            (_at, _left) = ((uint)at, length - OffsetBytes);
            input = input.Slice(ChunkBytes + OffsetBytes);
            return true;
        }

        if (length > MostOtherBytes) throw new NbdPeerException($"a chunk of type {(ushort)type} has {length} bytes");
        if (input.Length < ChunkBytes + length) return false;
        Begin((ulong)cookie, (flags & DoneFlag) != 0);
        var payload = input.Slice(ChunkBytes, length).ToArray();
        input = input.Slice(ChunkBytes + length);
        Other(type, payload);
        End();
        return true;
    }

    private void Other(ChunkType type, byte[] payload)
    {
        var reader = new SequenceReader<byte>(new ReadOnlySequence<byte>(payload));
        switch (type)
        {
            case ChunkType.None when payload.Length == 0 && _isLast:
                return;
            case ChunkType.OffsetHole when payload.Length == OffsetBytes + sizeof(uint):
                reader.TryReadBigEndian(out long offset);
                reader.TryReadBigEndian(out int bytes);
                var at = InRequest((ulong)offset);
                _request!.Cover(at, (uint)bytes);
                _request.Zero((uint)at, (uint)bytes);
                return;
            case ChunkType.BlockStatus when _request!.Command == NbdCommand.BlockStatus && terms.Allocation is not null:
                _request.Tell(Extents(payload));
                return;
            case var _ when ((ushort)type & (1 << 15)) != 0 && payload.Length >= sizeof(uint) + sizeof(ushort):
                reader.TryReadBigEndian(out int error);
                reader.TryReadBigEndian(out short textBits);
                var text = (ushort)textBits;
                if (error == 0 || text > payload.Length - sizeof(uint) - sizeof(ushort)) throw new NbdPeerException("an error makes no sense");
                _request!.Fail((uint)error, Encoding.UTF8.GetString(payload.AsSpan(sizeof(uint) + sizeof(ushort), text)));
                return;
            default:
                throw new NbdPeerException($"a chunk of type {(ushort)type} with {payload.Length} bytes answers a {_request!.Command}");
        }
    }

    private List<Extent> Extents(byte[] payload)
    {
        var reader = new SequenceReader<byte>(new ReadOnlySequence<byte>(payload));
        if (!reader.TryReadBigEndian(out int context) || (uint)context != terms.Allocation || reader.Remaining % ExtentBytes != 0 || reader.Remaining == 0)
            throw new NbdPeerException("extents make no sense");
        var extents = new List<Extent>();
        var left = (long)_request!.LengthBytes;
        while (left > 0 && reader.TryReadBigEndian(out int length) && reader.TryReadBigEndian(out int state))
        {
            if (length == 0) throw new NbdPeerException("an extent is empty");
            // The last may reach past what was asked for.
            var bytes = (uint)Math.Min((uint)length, left);
            extents.Add(new Extent(bytes, (ExtentState)state & (ExtentState.Hole | ExtentState.Zero)));
            left -= bytes;
        }

        return extents;
    }

    private ulong InRequest(ulong offset)
    {
        if (_request!.Command != NbdCommand.Read) throw new NbdPeerException($"bytes answer a {_request.Command}");
        return offset >= (ulong)_request.Offset ? offset - (ulong)_request.Offset : throw new NbdPeerException("bytes lie outside of what was asked for");
    }

    private void Begin(ulong cookie, bool isLast)
    {
        _request = take(cookie) ?? throw new NbdPeerException("a reply answers nothing that was asked");
        (_cookie, _isLast) = (cookie, isLast);
    }

    private void End()
    {
        if (!_isLast) return;
        _request!.Complete();
        done(_cookie);
        _request = null;
    }
}
