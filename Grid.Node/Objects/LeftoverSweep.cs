using Akka.Actor;
using Akka.Event;
using Grid.Node.Journal;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>
/// Brings to life the objects whose journals hold what a deletion or a cleaning that was cut short left: each goes on with it by itself. One at a time, some time after the node's start and
/// then now and again, for a node that died may be another one than this. (What destroyed pools left is the pool registry's business.)
/// </summary>
internal sealed class LeftoverSweep(ObjectServices services, Func<IActorRef> region, LeftoverSettings settings) : ActorBase, IWithTimers
{
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Queue<ObjectKey> _found = new();
    private string _after = "";
    private bool _isLast;
    private ObjectKey? _waitsFor;
    private int _woken;

    public ITimerScheduler Timers { get; set; } = null!;

    private sealed record Looked(LeftoverPart? Part, Exception? Failure) : INoSerializationVerificationNeeded;

    protected override void PreStart() => GoOnIn(settings.FirstAfter);

    protected override bool Receive(object message)
    {
        switch (message)
        {
            case GoOn:
                Step();
                return true;
            case Looked looked:
                OnLooked(looked);
                return true;
            case Activated activated when activated.Key == _waitsFor:
                _waitsFor = null;
                _woken++;
                GoOnIn(settings.Pause);
                return true;
            case ActivationFailed failed when failed.Key == _waitsFor:
                _waitsFor = null;
                GoOnIn(settings.Pause);
                return true;
            case Activated or ActivationFailed:
                // Given up already.
                return true;
            default:
                return false;
        }
    }

    private void Step()
    {
        _waitsFor = null;
        // What it wakes takes memory: not where there is none.
        if (services.IsCrowded) GoOnIn(settings.PauseWhenCrowded);
        else if (_found.TryDequeue(out var key)) Wake(key);
        else if (_isLast) Rest();
        else _ = LookAsync(_after).PipeTo(Self);
    }

    private void Wake(ObjectKey key)
    {
        if (services.Registry.TryGet(key, out _) || !services.Pools.TryGet(key.Pool, out _))
        {
            Self.Tell(GoOn.Instance, Self);
            return;
        }

        _waitsFor = key;
        region().Tell(new Activate(key), Self);
        GoOnIn(settings.Patience);
    }

    private void Rest()
    {
        if (_woken > 0) _log.Info("{0} objects were brought to life to give space in the journal back", _woken);
        (_after, _isLast, _woken) = ("", false, 0);
        GoOnIn(settings.Every);
    }

    private void OnLooked(Looked looked)
    {
        if (looked.Part is not { } part)
        {
            _log.Warning("The journal could not be searched for what deletions left; again in {0}: {1}", settings.PauseWhenCrowded, looked.Failure!.Message);
            GoOnIn(settings.PauseWhenCrowded);
            return;
        }

        foreach (var key in part.Objects) _found.Enqueue(key);
        (_after, _isLast) = (part.Last, part.IsLast);
        GoOnIn(settings.Pause);
    }

    private async Task<Looked> LookAsync(string after)
    {
        try
        {
            var limits = services.Limits.Upkeep;
            return new Looked(await services.Journal.FindLeftoversAsync(after, settings.AtOnce, limits.CleanMinDeadBytes, limits.CleanDeadPercent).ConfigureAwait(false), null);
        }
        catch (Exception failure)
        {
            return new Looked(null, failure);
        }
    }

    private void GoOnIn(TimeSpan delay) => Timers.StartSingleTimer(nameof(GoOn), GoOn.Instance, delay);

    private sealed class GoOn
    {
        public static readonly GoOn Instance = new();
    }
}

/// <summary>How fast what was left is searched for.</summary>
internal sealed record LeftoverSettings
{
    /// <summary>How long after the node's start.</summary>
    public TimeSpan FirstAfter { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>How long after one search the next.</summary>
    public TimeSpan Every { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Journals looked at in one step: some milliseconds of one reading thread.</summary>
    public int AtOnce { get; init; } = 64;

    /// <summary>The pause after every step.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>The pause where memory is short or the journal fails.</summary>
    public TimeSpan PauseWhenCrowded { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How long an object may take to come to life.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(10);
}
