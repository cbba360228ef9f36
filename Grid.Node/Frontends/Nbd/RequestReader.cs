using System.Buffers;

namespace Grid.Node.Frontends.Nbd;

/// <summary>What <see cref="RequestReader.TryRead"/> found.</summary>
internal enum RequestRead
{
    /// <summary>Nothing whole yet.</summary>
    NeedMore,

    /// <summary>A write's data comes next: give a buffer with <see cref="RequestReader.Take"/>.</summary>
    NeedBuffer,

    /// <summary>A request, with its data.</summary>
    Request,

    /// <summary>Something that no client may send: the connection is to be closed.</summary>
    Broken,
}

/// <summary>Cuts requests out of what a client sends. A request that is refused takes no buffer, and the data behind it is read over, so that the next one is found.</summary>
/// <param name="terms">What was agreed on.</param>
internal sealed class RequestReader(TransmissionTerms terms)
{
    private NbdRequest _request;
    private byte[]? _buffer;
    private bool _isInData;
    private uint _left;

    /// <summary>The request that was read last.</summary>
    public NbdRequest Request => _request;

    /// <summary>What is wrong with it; <see cref="NbdError.None"/> where it is to be carried out.</summary>
    public NbdError Error { get; private set; }

    /// <summary>What is wrong with it, or why the connection is to be closed.</summary>
    public string Trouble { get; private set; } = "";

    /// <summary>Gives the buffer for a write's data, which is in it once the request is read.</summary>
    /// <param name="buffer">At least the request's length.</param>
    public void Take(byte[] buffer) => _buffer = buffer;

    /// <summary>Takes the next request off the input.</summary>
    /// <param name="input">What has come; advanced past what was read.</param>
    public RequestRead TryRead(ref ReadOnlySequence<byte> input)
    {
        if (!_isInData)
        {
            if (input.Length < NbdRequest.HeadBytes) return RequestRead.NeedMore;
            if (!ReadHead(ref input)) return RequestRead.Broken;
            if (_request.Command != NbdCommand.Write || _left == 0) return RequestRead.Request;
            _isInData = true;
        }

        if (Error == NbdError.None && _buffer is null) return RequestRead.NeedBuffer;
        var bytes = (uint)Math.Min(input.Length, _left);
        if (_buffer is not null) input.Slice(0, bytes).CopyTo(_buffer.AsSpan((int)(_request.LengthBytes - _left)));
        input = input.Slice(bytes);
        _left -= bytes;
        if (_left > 0) return RequestRead.NeedMore;
        (_isInData, _buffer) = (false, null);
        return RequestRead.Request;
    }

    private bool ReadHead(ref ReadOnlySequence<byte> input)
    {
        var reader = new SequenceReader<byte>(input);
        reader.TryReadBigEndian(out int magic);
        reader.TryReadBigEndian(out short flags);
        reader.TryReadBigEndian(out short command);
        reader.TryReadBigEndian(out long cookie);
        reader.TryReadBigEndian(out long offset);
        reader.TryReadBigEndian(out int length);
        if ((uint)magic != NbdMagic.Request)
        {
            Trouble = $"{magic:x} stands where a request must begin";
            return false;
        }

        _request = new NbdRequest((CommandFlags)flags, (NbdCommand)command, (ulong)cookie, (ulong)offset, (uint)length);
        _left = _request.Command == NbdCommand.Write ? _request.LengthBytes : 0;
        if (_left > NbdLimits.PayloadBytesRefused)
        {
            Trouble = $"a write of {_left} bytes";
            return false;
        }

        input = input.Slice(NbdRequest.HeadBytes);
        Error = _request.Check(terms, out var why);
        Trouble = why;
        return true;
    }
}
