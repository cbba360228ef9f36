using System.IO.Pipelines;

namespace Grid.Node.Gateway;

/// <summary>
/// The answers of one connection. Any thread pushes answers; whoever holds the duty writes them all, flushes once, and looks again. The connection's reader takes the duty while it looks at requests, so
/// that what it caused is written by itself, without waking another thread. Once the client can't be written to any more, answers only give back what they hold.
/// </summary>
/// <param name="pipe">Where answers are written to.</param>
/// <param name="flushAboveBytes">After so many bytes that were written they are flushed, also while answers are left.</param>
/// <param name="gone">Fires when the client is gone: nobody waits for a flush then.</param>
internal abstract class AnswerOutput<T>(PipeWriter pipe, int flushAboveBytes, CancellationToken gone) : IThreadPoolWorkItem
    where T : class
{
    private const int Free = 0;
    private const int Held = 1;
    private T? _answered;
    private int _duty;
    private bool _isBroken;

    /// <summary>Whether the client can't be written to any more.</summary>
    public bool IsBroken => Volatile.Read(ref _isBroken);

    /// <summary>Where answers are written to.</summary>
    protected PipeWriter Pipe => pipe;

    /// <summary>Takes an answer; writes it if nobody else is about to.</summary>
    public void Push(T answer)
    {
        T? head;
        do
        {
            head = Volatile.Read(ref _answered);
            Link(answer, head);
        }
        while (Interlocked.CompareExchange(ref _answered, answer, head) != head);
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

    /// <summary>What an answer is linked to.</summary>
    protected abstract T? NextOf(T answer);

    /// <summary>Links an answer to another.</summary>
    protected abstract void Link(T answer, T? next);

    /// <summary>Writes one answer, unless <see cref="IsBroken"/>, and gives back what it holds.</summary>
    protected abstract void WriteOne(T answer);

    /// <summary>The client can't be written to any more.</summary>
    protected virtual void Break() => Volatile.Write(ref _isBroken, true);

    /// <summary>Sends what was written. Only for the duty's holder.</summary>
    protected async ValueTask FlushAsync()
    {
        if (_isBroken) return;
        try
        {
            var result = await pipe.FlushAsync(gone).ConfigureAwait(false);
            if (result.IsCompleted || result.IsCanceled) Break();
        }
        catch (Exception failure) when (failure is IOException or InvalidOperationException or OperationCanceledException)
        {
            // The client is gone; what it has asked for still runs to its end and is let go of.
            Break();
        }
    }

    private async ValueTask WriteAsync(T? answer)
    {
        while (answer is not null)
        {
            var next = NextOf(answer);
            WriteOne(answer);
            answer = next;
            if (!_isBroken && (answer is null || pipe.UnflushedBytes > flushAboveBytes)) await FlushAsync().ConfigureAwait(false);
        }
    }

    private T Reverse(T newest)
    {
        T? reversed = null;
        T? answer = newest;
        while (answer is not null)
        {
            var next = NextOf(answer);
            Link(answer, reversed);
            reversed = answer;
            answer = next;
        }

        return reversed!;
    }
}
