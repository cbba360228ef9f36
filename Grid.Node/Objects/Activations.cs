using Akka.Actor;
using Grid.Protocol;
using Status = Grid.Protocol.Status;

namespace Grid.Node.Objects;

/// <summary>
/// Brings objects to life for this node's gateways: one <see cref="Activate"/> through the shard region for all requests that wait for
/// an object. A request that waits here is still queued: it can be claimed at any time.
/// </summary>
internal sealed class Activations : ActorBase, IWithTimers
{
    private const string Leaving = "this node is leaving the cluster";
    private static readonly TimeSpan TickInterval = TimeSpan.FromMilliseconds(100);

    /// <summary>What was asked while a shard changed hands may be lost: asked again soon, then ever less often.</summary>
    private const long AskAgainAfterMs = 100;
    private const long AskAgainAtMostAfterMs = 500;
    private readonly ObjectServices _services;
    private readonly Func<IActorRef> _region;
    private readonly TimeSpan _giveUpAfter;
    private readonly Dictionary<ObjectKey, Pending> _pending = [];

    public Activations(ObjectServices services, Func<IActorRef> region, TimeSpan giveUpAfter)
    {
        _services = services;
        _region = region;
        _giveUpAfter = giveUpAfter;
    }

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PreStart() => Timers.StartPeriodicTimer("tick", Tick.Instance, TickInterval);

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case ObjectRequest request:
                Wait(request);
                return true;
            case Activated activated:
                OnActivated(activated);
                return true;
            case ActivationFailed failed:
                if (_pending.Remove(failed.Key, out var pending)) Fail(pending, failed.Status, failed.Text);
                return true;
            case Tick:
                OnTick();
                return true;
            default:
                return false;
        }
    }

    private void Wait(ObjectRequest request)
    {
        if (_services.Registry.TryGet(request.Key, out var entry))
        {
            request.TellTo(entry);
            return;
        }

        if (_services.IsLeaving)
        {
            if (request.TryTake()) request.Fail(Status.NotServing, Leaving);
            return;
        }

        if (!_pending.TryGetValue(request.Key, out var pending))
        {
            pending = new Pending(Environment.TickCount64);
            _pending.Add(request.Key, pending);
            Ask(request.Key, pending);
        }

        pending.Requests.Add(request);
    }

    private void OnActivated(Activated activated)
    {
        if (!_pending.Remove(activated.Key, out var pending)) return;
        if (activated.DataAddress != _services.DataAddress)
        {
            _services.Whereabouts.Learn(activated.Key, activated.DataAddress);
            foreach (var request in pending.Requests)
                if (request.TryTake()) request.FailMoved(activated.DataAddress);
        }
        else if (_services.Registry.TryGet(activated.Key, out var entry))
        {
            foreach (var request in pending.Requests) request.TellTo(entry);
        }
        else
        {
            // It came and went again: ask anew, within the same patience.
            _pending.Add(activated.Key, pending);
            Ask(activated.Key, pending);
        }
    }

    private void OnTick()
    {
        if (_services.IsLeaving)
        {
            foreach (var pending in _pending.Values) Fail(pending, Status.NotServing, Leaving);
            _pending.Clear();
        }

        var now = Environment.TickCount64;
        List<ObjectKey>? hopeless = null;
        foreach (var (key, pending) in _pending)
        {
            if (now - pending.SinceMs > _giveUpAfter.TotalMilliseconds) (hopeless ??= []).Add(key);
            else if (now - pending.AskedMs >= pending.AskAgainAfterMs) Ask(key, pending);
        }

        if (hopeless is null) return;
        foreach (var key in hopeless)
            if (_pending.Remove(key, out var pending)) Fail(pending, Status.NotServing, "the object's owner did not answer in time");
    }

    private void Ask(ObjectKey key, Pending pending)
    {
        pending.AskAgainAfterMs = pending.AskedMs == 0 ? AskAgainAfterMs : Math.Min(AskAgainAtMostAfterMs, pending.AskAgainAfterMs * 2);
        pending.AskedMs = Environment.TickCount64;
        _region().Tell(new Activate(key), Self);
    }

    private static void Fail(Pending pending, Status status, string text)
    {
        foreach (var request in pending.Requests)
            if (request.TryTake()) request.Fail(status, text);
    }

    private sealed class Pending(long sinceMs)
    {
        public long SinceMs { get; } = sinceMs;

        public long AskedMs { get; set; }

        public long AskAgainAfterMs { get; set; }

        public List<ObjectRequest> Requests { get; } = [];
    }

    private sealed class Tick
    {
        public static readonly Tick Instance = new();
    }
}
