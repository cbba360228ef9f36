using System.Buffers;

namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>
/// A request to another server. What its answer brings goes into the asker's buffer only while the asker is there: one that has given up has its buffer for itself at once, and the answer is read
/// over when it comes.
/// </summary>
/// <param name="command">What is asked for.</param>
/// <param name="flags">How.</param>
/// <param name="offset">Where it begins.</param>
/// <param name="lengthBytes">How far it goes.</param>
internal sealed class OriginRequest(NbdCommand command, CommandFlags flags, long offset, uint lengthBytes)
{
    private const int SectorBytes = 512;
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource _answered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly List<(uint Begin, uint End)> _covered = [];
    private List<Extent>? _extents;
    private NbdException? _error;
    private bool _isGivenUp;

    /// <summary>What is asked for.</summary>
    public NbdCommand Command => command;

    /// <summary>How.</summary>
    public CommandFlags Flags => flags;

    /// <summary>Where it begins.</summary>
    public long Offset => offset;

    /// <summary>How far it goes.</summary>
    public uint LengthBytes => lengthBytes;

    /// <summary>What a read fills.</summary>
    public Memory<byte> Destination { get; init; }

    /// <summary>What a write carries.</summary>
    public ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>Completes with the answer: <see cref="NbdException"/> where the server answered with an error, another <see cref="IOException"/> where it did not answer.</summary>
    public Task Answered => _answered.Task;

    /// <summary>What a block status found.</summary>
    public IReadOnlyList<Extent> Extents => _extents ?? [];

    /// <summary>Claims a part of the range for bytes that come next.</summary>
    /// <param name="at">Where, from the request's beginning.</param>
    /// <param name="bytes">How many.</param>
    /// <exception cref="NbdPeerException">It is not of the request, or came before.</exception>
    public void Cover(ulong at, uint bytes)
    {
        if (command != NbdCommand.Read) throw new NbdPeerException($"bytes answer a {command}");
        if (bytes == 0 || at > lengthBytes || bytes > lengthBytes - at) throw new NbdPeerException("bytes lie outside of what was asked for");
        var (begin, end) = ((uint)at, (uint)at + bytes);
        if (_covered.Count > lengthBytes / SectorBytes) throw new NbdPeerException("an answer is in more pieces than it has sectors");
        foreach (var (otherBegin, otherEnd) in _covered)
            if (begin < otherEnd && otherBegin < end) throw new NbdPeerException("bytes came twice");
        _covered.Add((begin, end));
    }

    /// <summary>Bytes of a part that was claimed.</summary>
    public void Fill(uint at, in ReadOnlySequence<byte> bytes)
    {
        lock (_gate)
        {
            if (!_isGivenUp) bytes.CopyTo(Destination.Span[(int)at..]);
        }
    }

    /// <summary>A part that was claimed is zero.</summary>
    public void Zero(uint at, uint bytes)
    {
        lock (_gate)
        {
            if (!_isGivenUp) Destination.Span.Slice((int)at, (int)bytes).Clear();
        }
    }

    /// <summary>What a block status found.</summary>
    public void Tell(List<Extent> extents) => _extents = extents;

    /// <summary>The server could not do it. Of several reasons the first counts.</summary>
    public void Fail(uint error, string text) => _error ??= new NbdException(Known(error), text.Length > 0 ? text : $"error {error}");

    /// <summary>The answer is whole.</summary>
    /// <exception cref="NbdPeerException">It is not.</exception>
    public void Complete()
    {
        if (_error is not null)
        {
            _answered.TrySetException(_error);
            return;
        }

        if (command == NbdCommand.Read && _covered.Sum(part => (long)(part.End - part.Begin)) != lengthBytes) throw new NbdPeerException("an answer lacks bytes");
        if (command == NbdCommand.BlockStatus && _extents is null) throw new NbdPeerException("an answer lacks the extents");
        _answered.TrySetResult();
    }

    /// <summary>The connection is lost.</summary>
    public void Lose(IOException why) => _answered.TrySetException(why);

    /// <summary>The asker does not wait any more: its buffers are its own when this returns.</summary>
    public void GiveUp()
    {
        lock (_gate) _isGivenUp = true;
        // Nobody looks at what it comes to.
        _answered.TrySetCanceled();
    }

    private static NbdError Known(uint error) =>
        (NbdError)error is NbdError.Perm or NbdError.NoSpace or NbdError.Invalid or NbdError.NotSupported or NbdError.Overflow ? (NbdError)error : NbdError.Io;
}
