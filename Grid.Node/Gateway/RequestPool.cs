using Grid.Node.Objects;

namespace Grid.Node.Gateway;

/// <summary>
/// The requests of one connection: at most as many as its window grants, made on demand and used again. One reader rents; any thread
/// gives back. What was claimed while queued is not given back but forgotten, and another may be made in its place.
/// </summary>
internal sealed class RequestPool(IRequestSink sink, int windowRequests, int windowBytes)
{
    private readonly Lock _allLock = new();
    private readonly List<ObjectRequest> _all = [];
    private ObjectRequest? _free;
    private ObjectRequest? _returned;
    private int _rented;
    private int _rentedBytes;
    private TaskCompletionSource? _waiter;

    /// <summary>Requests out.</summary>
    public int Rented => Volatile.Read(ref _rented);

    /// <summary>Rents a request; null while the window is full.</summary>
    public ObjectRequest? TryRent(int bytes)
    {
        // A single request may exceed what is left, or the largest frame could never pass a small window.
        if (_rented >= windowRequests || (Volatile.Read(ref _rentedBytes) > 0 && Volatile.Read(ref _rentedBytes) + bytes > windowBytes)) return null;
        var request = _free ?? Interlocked.Exchange(ref _returned, null);
        if (request is null)
        {
            request = new ObjectRequest(sink);
            lock (_allLock) _all.Add(request);
        }
        else
        {
            _free = request.Next;
            request.Next = null;
        }

        Interlocked.Increment(ref _rented);
        Interlocked.Add(ref _rentedBytes, bytes);
        request.WindowBytes = bytes;
        return request;
    }

    /// <summary>Gives a request back.</summary>
    /// <param name="request">The request.</param>
    /// <param name="reusable">False where an old mailbox may still hold it.</param>
    public void Return(ObjectRequest request, bool reusable)
    {
        var bytes = request.WindowBytes;
        if (reusable)
        {
            request.Reset();
            ObjectRequest? head;
            do
            {
                head = Volatile.Read(ref _returned);
                request.Next = head;
            }
            while (Interlocked.CompareExchange(ref _returned, request, head) != head);
        }
        else
        {
            lock (_allLock) _all.Remove(request);
        }

        Interlocked.Add(ref _rentedBytes, -bytes);
        Interlocked.Decrement(ref _rented);
        Volatile.Read(ref _waiter)?.TrySetResult();
    }

    /// <summary>Waits until something was given back since the last failed rent.</summary>
    public async ValueTask WaitAsync(int bytes)
    {
        while (true)
        {
            var waiter = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Interlocked.Exchange(ref _waiter, waiter);
            var rentedBytes = Volatile.Read(ref _rentedBytes);
            if (Volatile.Read(ref _rented) < windowRequests && (rentedBytes == 0 || rentedBytes + bytes <= windowBytes)) break;
            await waiter.Task.ConfigureAwait(false);
        }

        Volatile.Write(ref _waiter, null);
    }

    /// <summary>Every request there is, for whoever has to claim some.</summary>
    public ObjectRequest[] All()
    {
        lock (_allLock) return [.. _all];
    }
}
