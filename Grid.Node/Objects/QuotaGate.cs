using Akka.Actor;
using Grid.Node.Pools;
using Grid.Protocol;
using Status = Grid.Protocol.Status;

namespace Grid.Node.Objects;

/// <summary>The registry's answer to an object that asked for quota.</summary>
/// <param name="Granted">Whether there may be quota now.</param>
/// <param name="Failure">Why the registry could not be asked, if it could not.</param>
internal sealed record QuotaAnswer(bool Granted, string? Failure);

/// <summary>
/// Takes quota for an object's new pages. Where the node has none left, the request waits for the pool registry and so does everything that
/// comes after it, in order.
/// </summary>
internal sealed class QuotaGate(PoolEntry pool, IActorRef self)
{
    private readonly Queue<ObjectRequest> _parked = new();

    /// <summary>Whether requests wait for quota.</summary>
    public bool IsWaiting { get; private set; }

    /// <summary>Makes a request wait behind those that wait already.</summary>
    public void Park(ObjectRequest request) => _parked.Enqueue(request);

    /// <summary>
    /// Takes quota for new pages. False where the request has to wait: it is parked, first in line, and served again later, then perhaps
    /// with <see cref="ObjectRequest.Refusal"/> set.
    /// </summary>
    public bool TryTake(ObjectRequest request, int pages)
    {
        if (pages == 0 || pool.Quota.TryTake(pages)) return true;
        IsWaiting = true;
        _parked.Enqueue(request);
        _ = AskAsync(pages);
        return false;
    }

    /// <summary>Serves again what waited, in order, until something has to wait again.</summary>
    public void Resume(QuotaAnswer answer, Action<ObjectRequest> serve)
    {
        IsWaiting = false;
        var count = _parked.Count;
        for (var i = 0; i < count; i++)
        {
            var request = _parked.Dequeue();
            if (i == 0)
            {
                if (answer.Failure is { } failure)
                {
                    request.Fail(Status.FailedNotApplied, failure);
                    continue;
                }

                if (!answer.Granted) request.Refusal = RefusalReason.Quota;
            }

            serve(request);
        }
    }

    private async Task AskAsync(int pages)
    {
        try
        {
            self.Tell(new QuotaAnswer(await pool.Quota.BorrowAsync(pages).ConfigureAwait(false), null));
        }
        catch (Exception failure)
        {
            self.Tell(new QuotaAnswer(false, $"the pool registry could not be asked for quota: {failure.Message}"));
        }
    }
}
