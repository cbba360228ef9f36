using System.IO.Pipelines;
using Grid.Node.Objects;

namespace Grid.Node.Gateway;

/// <summary>
/// The answers of one connection. Any thread pushes answered requests; whoever holds the duty writes them all, flushes once, and looks again.
/// The connection's reader takes the duty while it dispatches, so that what it caused is written by itself, without waking another thread.
/// </summary>
/// <param name="pipe">Where answers are written to.</param>
/// <param name="services">What the gateway uses.</param>
/// <param name="requests">Where written requests go back to.</param>
/// <param name="onNotice">Told of a written notice, which is of no window.</param>
/// <param name="onDamaged">Told of a page in memory that does not decode.</param>
internal sealed class ConnectionOutput(PipeWriter pipe, GatewayServices services, RequestPool requests, Action<ObjectRequest> onNotice, Action<Exception> onDamaged) : IThreadPoolWorkItem
{
    private const int Free = 0;
    private const int Held = 1;
    private const int FlushAboveBytes = 512 << 10;
    private ObjectRequest? _answered;
    private int _duty;
    private bool _isBroken;

    /// <summary>Whether the client can't be written to any more.</summary>
    public bool IsBroken => Volatile.Read(ref _isBroken);

    /// <summary>Takes an answered request; writes it if nobody else is about to.</summary>
    public void Push(ObjectRequest request)
    {
        ObjectRequest? head;
        do
        {
            head = Volatile.Read(ref _answered);
            request.Next = head;
        }
        while (Interlocked.CompareExchange(ref _answered, request, head) != head);
        if (TryTakeDuty()) ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: true);
    }

    /// <summary>Takes the duty to write; the taker must call <see cref="DrainAsync"/>.</summary>
    public bool TryTakeDuty() => Interlocked.CompareExchange(ref _duty, Held, Free) == Free;

    /// <summary>Writes what is answered until nothing is left, then gives the duty back. Only for its holder.</summary>
    public async ValueTask DrainAsync()
    {
        do
        {
            try
            {
                while (Interlocked.Exchange(ref _answered, null) is { } batch) await WriteAsync(Reverse(batch)).ConfigureAwait(false);
            }
            finally
            {
                Interlocked.Exchange(ref _duty, Free);
            }
        }
        while (Volatile.Read(ref _answered) is not null && TryTakeDuty());
    }

    /// <inheritdoc/>
    void IThreadPoolWorkItem.Execute() => _ = DrainAsync().AsTask();

    private async ValueTask WriteAsync(ObjectRequest? request)
    {
        while (request is not null)
        {
            var next = request.Next;
            WriteOne(request);
            request = next;
            if (!_isBroken && (request is null || pipe.UnflushedBytes > FlushAboveBytes)) await FlushAsync().ConfigureAwait(false);
        }
    }

    private void WriteOne(ObjectRequest request)
    {
        if (!request.IsForwarded) services.Metrics.Operation(request.Opcode, request.Status);
        PoolCounting.Count(request);
        try
        {
            if (!_isBroken) AnswerWriter.Write(pipe, request, services.Objects.Store);
        }
        catch (InvalidOperationException)
        {
            // The pipe was completed under us: the connection is gone, and so is who waits for the answer.
            _isBroken = true;
        }
        catch (InvalidDataException damaged)
        {
            // A page in memory does not decode. Half a frame is out: what follows would be read as part of it.
            _isBroken = true;
            onDamaged(damaged);
        }

        services.Objects.ReleaseAnswer(request);
        services.Objects.DropPages(request);
        services.Forwarder.LetGo(request);
        if (request.IsNotice) onNotice(request);
        else requests.Return(request, request.IsReusable);
    }

    private async ValueTask FlushAsync()
    {
        try
        {
            var result = await pipe.FlushAsync().ConfigureAwait(false);
            if (result.IsCompleted || result.IsCanceled) _isBroken = true;
        }
        catch (Exception failure) when (failure is IOException or InvalidOperationException or OperationCanceledException)
        {
            // The client is gone; its requests still run to their ends and are let go of.
            _isBroken = true;
        }
    }

    private static ObjectRequest Reverse(ObjectRequest newest)
    {
        ObjectRequest? reversed = null;
        ObjectRequest? request = newest;
        while (request is not null)
        {
            var next = request.Next;
            request.Next = reversed;
            reversed = request;
            request = next;
        }

        return reversed!;
    }
}
