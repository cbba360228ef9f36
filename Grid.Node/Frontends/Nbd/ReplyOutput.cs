using System.Buffers;
using System.IO.Pipelines;
using Grid.Node.Gateway;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Frontends.Nbd;

/// <summary>
/// The replies of one connection. Any thread pushes replies; whoever holds the duty writes them all, flushes once, and looks again. The connection's reader takes the duty while it looks at requests, so
/// that what they cause is written by itself, without waking another thread. Where the client is gone replies are dropped, and what they hold goes back all the same.
/// </summary>
/// <param name="output">Where to.</param>
/// <param name="structured">Whether structured replies were agreed on.</param>
/// <param name="near">Where pages of this node's own objects are; null: none are.</param>
/// <param name="onWritten">Told of each reply that is written or dropped.</param>
/// <param name="gone">Cancelled when the client is gone, also by this.</param>
/// <param name="log">The log.</param>
internal sealed class ReplyOutput(PipeWriter output, bool structured, NearPages? near, Action<NbdReply> onWritten, CancellationTokenSource gone, ILogger log) : IThreadPoolWorkItem
{
    private const int Free = 0;
    private const int Held = 1;
    private const int FlushAboveBytes = 256 << 10;
    private NbdReply? _ready;
    private int _duty;
    private bool _isGone;

    /// <summary>Takes a reply; writes it if nobody else is about to.</summary>
    public void Push(NbdReply reply)
    {
        NbdReply? head;
        do
        {
            head = Volatile.Read(ref _ready);
            reply.Next = head;
        }
        while (Interlocked.CompareExchange(ref _ready, reply, head) != head);
        if (TryTakeDuty()) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: true);
    }

    /// <summary>Takes the duty to write; the taker must call <see cref="DrainAsync"/>.</summary>
    public bool TryTakeDuty() => Interlocked.CompareExchange(ref _duty, Held, Free) == Free;

    /// <summary>Writes what is ready until nothing is left, then gives the duty back. Only for its holder. What goes wrong is told otherwise: nobody need wait for it.</summary>
    public async Task DrainAsync()
    {
        do
        {
            try
            {
                while (Interlocked.Exchange(ref _ready, null) is { } batch) await WriteAsync(Reverse(batch)).ConfigureAwait(false);
            }
            finally
            {
                Interlocked.Exchange(ref _duty, Free);
            }
        }
        while (Volatile.Read(ref _ready) is not null && TryTakeDuty());
    }

    /// <summary>Sends what was written last, once nobody writes any more; nothing may be pushed from here on.</summary>
    public async Task EndAsync()
    {
        while (!TryTakeDuty()) await Task.Delay(1, CancellationToken.None).ConfigureAwait(false);
        await FlushAsync().ConfigureAwait(false);
    }

    /// <inheritdoc/>
    void IThreadPoolWorkItem.Execute() => _ = DrainAsync();

    private async ValueTask WriteAsync(NbdReply? reply)
    {
        var bytes = 0L;
        while (reply is not null)
        {
            var next = reply.Next;
            bytes += WriteOne(reply);
            reply = next;
            if (reply is not null && bytes <= FlushAboveBytes) continue;
            await FlushAsync().ConfigureAwait(false);
            bytes = 0;
        }
    }

    private long WriteOne(NbdReply reply)
    {
        try
        {
            if (!_isGone) Prepare(reply);
        }
        catch (InvalidDataException damaged)
        {
            log.LogError("NBD {Command} of {Bytes} bytes at {Offset} failed, a page in memory is damaged: {Why}", reply.Request.Command, reply.Request.LengthBytes, reply.Request.Offset, damaged.Message);
            reply.Fail(NbdError.Io, "a page in memory is damaged");
        }

        try
        {
            if (!_isGone) ReplyWriter.Write(output, structured, reply, near);
        }
        catch (InvalidOperationException)
        {
            // The pipe was completed under us: the client is gone.
            Gone();
        }

        if (reply.Near is { } held) near!.Release(held);
        reply.Near = null;
        var bytes = reply.Data is null ? NbdRequest.HeadBytes : reply.Request.LengthBytes;
        onWritten(reply);
        return bytes;
    }

    /// <summary>
    /// Before a read's reply is written: what could turn out to be damaged is decoded first, for nothing can be taken back once the reply's head is out. A page as it is goes from the store straight to the client.
    /// </summary>
    private void Prepare(NbdReply reply)
    {
        if (reply.Near is not { } pages || reply.Request.Command != NbdCommand.Read) return;
        var isNothing = !NearPages.HasPages(pages);
        if (!isNothing && near!.IsPlain(pages)) return;
        // From here on the reply is its own bytes, or none.
        reply.Near = null;
        try
        {
            if (isNothing) return;
            reply.Buffer = ArrayPool<byte>.Shared.Rent((int)reply.Request.LengthBytes);
            near!.CopyTo(pages, reply.Buffer.AsSpan(0, (int)reply.Request.LengthBytes));
            reply.Data = reply.Buffer;
        }
        finally
        {
            near!.Release(pages);
        }
    }

    private async ValueTask FlushAsync()
    {
        if (_isGone) return;
        try
        {
            var result = await output.FlushAsync(gone.Token).ConfigureAwait(false);
            if (!result.IsCompleted && !result.IsCanceled) return;
        }
        catch (Exception e) when (e is IOException or ConnectionResetException or ConnectionAbortedException or OperationCanceledException or InvalidOperationException)
        {
            log.LogDebug(e, "An NBD client is gone");
        }

        Gone();
    }

    private void Gone()
    {
        _isGone = true;
        gone.Cancel();
    }

    private static NbdReply Reverse(NbdReply newest)
    {
        NbdReply? reversed = null;
        NbdReply? reply = newest;
        while (reply is not null)
        {
            var next = reply.Next;
            reply.Next = reversed;
            reversed = reply;
            reply = next;
        }

        return reversed!;
    }
}
