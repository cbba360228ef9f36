using System.Buffers;
using System.IO.Pipelines;
using Grid.Node.Gateway;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Frontends.Nbd;

/// <summary>The replies of one connection. Where the client is gone they are dropped, and what they hold goes back all the same.</summary>
/// <param name="output">Where to.</param>
/// <param name="structured">Whether structured replies were agreed on.</param>
/// <param name="near">Where pages of this node's own objects are; null: none are.</param>
/// <param name="onWritten">Told of each reply that is written or dropped.</param>
/// <param name="gone">Cancelled when the client is gone, also by this.</param>
/// <param name="log">The log.</param>
internal sealed class ReplyOutput(PipeWriter output, bool structured, NearPages? near, Action<NbdReply> onWritten, CancellationTokenSource gone, ILogger log)
    : AnswerOutput<NbdReply>(output, FlushAboveBytes, gone.Token)
{
    private const int FlushAboveBytes = 256 << 10;

    /// <summary>Sends what was written last, once nobody writes any more; nothing may be pushed from here on.</summary>
    public async Task EndAsync()
    {
        while (!TryTakeDuty()) await Task.Delay(1, CancellationToken.None).ConfigureAwait(false);
        await FlushAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override NbdReply? NextOf(NbdReply answer) => answer.Next;

    /// <inheritdoc/>
    protected override void Link(NbdReply answer, NbdReply? next) => answer.Next = next;

    /// <inheritdoc/>
    protected override void WriteOne(NbdReply reply)
    {
        byte[]? decoded = null;
        try
        {
            if (!IsBroken)
            {
                decoded = Decode(reply);
                ReplyWriter.Write(Pipe, structured, reply, near);
            }
        }
        catch (InvalidOperationException)
        {
            // The pipe was completed under us: the client is gone.
            Break();
        }

        LetGo(reply);
        onWritten(reply);
        if (decoded is not null) ArrayPool<byte>.Shared.Return(decoded);
    }

    /// <inheritdoc/>
    protected override void Break()
    {
        base.Break();
        gone.Cancel();
    }

    /// <summary>
    /// Before a read's reply is written: what could turn out to be damaged is decoded first, for nothing can be taken back once the reply's head is out. A page as it is goes from the store straight to the client.
    /// </summary>
    /// <returns>A buffer that is free once the reply is written, or null.</returns>
    private byte[]? Decode(NbdReply reply)
    {
        if (reply.Near is not { } pages || reply.Request.Command != NbdCommand.Read) return null;
        var isNothing = !NearPages.HasPages(pages);
        if (!isNothing && near!.IsPlain(pages)) return null;
        var buffer = isNothing ? null : ArrayPool<byte>.Shared.Rent((int)reply.Request.LengthBytes);
        try
        {
            if (buffer is not null) near!.CopyTo(pages, buffer.AsSpan(0, (int)reply.Request.LengthBytes));
            reply.Data = buffer;
        }
        catch (InvalidDataException damaged)
        {
            log.LogError("NBD {Command} of {Bytes} bytes at {Offset} failed, a page in memory is damaged: {Why}", reply.Request.Command, reply.Request.LengthBytes, reply.Request.Offset, damaged.Message);
            reply.Fail(NbdError.Io, "a page in memory is damaged");
        }

        // From here on the reply is its own bytes, or none.
        LetGo(reply);
        return buffer;
    }

    private void LetGo(NbdReply reply)
    {
        if (reply.Near is { } pages) near!.Release(pages);
        reply.Near = null;
    }
}
