using Akka.Actor;
using Grid.Node.Hosting;
using Microsoft.Extensions.Logging;
using AkkaCluster = Akka.Cluster.Cluster;
using AkkaStatus = Akka.Cluster.MemberStatus;

namespace Grid.Node.Cluster.Formation;

/// <summary>
/// A node's way into its cluster: asks the contacts, does what <see cref="JoinDecider"/> decides, and answers the questions of other nodes for as long as it lives.
/// </summary>
internal sealed class ClusterDoor : ReceiveActor, IWithTimers
{
    /// <summary>Its name below /user: other nodes' questions go there.</summary>
    public const string Name = "grid-door";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private sealed record Look;

    private sealed record Found(IReadOnlyList<string> Contacts);

    private readonly AkkaCluster _cluster = AkkaCluster.Get(Context.System);
    private readonly JoinDecider _decider;
    private readonly IContactLine _line;
    private readonly FormationTimes _times;
    private readonly TimeProvider _time;
    private readonly TaskCompletionSource _serve;
    private readonly ILogger _log;
    private readonly long _origin;
    private string _told = "";
    private TimeSpan _waitingSince;
    private bool _finding;

    /// <summary>A door that begins to ask.</summary>
    /// <param name="decider">Makes the decider of a run that begins now.</param>
    /// <param name="line">The contacts.</param>
    /// <param name="times">How often they are asked.</param>
    /// <param name="time">The clock.</param>
    /// <param name="serve">Completes when the node is a member of an established cluster, and fails when it never will be.</param>
    /// <param name="log">The log.</param>
    public ClusterDoor(Func<TimeSpan, JoinDecider> decider, IContactLine line, FormationTimes times, TimeProvider time, TaskCompletionSource serve, ILogger log)
    {
        (_line, _times, _time, _serve, _log) = (line, times, time, serve, log);
        _origin = time.GetTimestamp();
        _decider = decider(Now);
        Receive<ContactQuestion>(question => Sender.Tell(_decider.Reply(question, Sight(), Now)));
        Receive<ContactAnswer>(answer =>
        {
            _decider.Hear(answer, Now);
            Decide();
        });
        Receive<Look>(_ => OnLook());
        Receive<Found>(OnFound);
        Receive<Status.Failure>(failure =>
        {
            _finding = false;
            Say($"grid.cluster.formation.service cannot be looked up: {failure.Cause.Message}");
        });
    }

    /// <inheritdoc/>
    public ITimerScheduler Timers { get; set; } = null!;

    private TimeSpan Now => _time.GetElapsedTime(_origin);

    /// <inheritdoc/>
    protected override void PreStart()
    {
        if (!_decider.IsSettled) Timers.StartPeriodicTimer("look", new Look(), TimeSpan.Zero, _times.AskEvery);
    }

    private void OnLook()
    {
        if (!_finding)
        {
            _finding = true;
            _ = _line.FindAsync().PipeTo(Self, success: contacts => new Found(contacts));
        }

        foreach (var (contact, question) in _decider.Inquire(Now)) _line.Ask(contact, question, Self);
        Decide();
    }

    private void OnFound(Found found)
    {
        _finding = false;
        _decider.Book.Set(found.Contacts, Now);
    }

    private void Decide()
    {
        if (_serve.Task.IsCompleted) return;
        var decision = _decider.Decide(Sight(), Now);
        switch (decision)
        {
            case JoinDecision.Wait wait:
                Say($"Waiting for {wait.Why}. {_decider.Describe(Now)}");
                Remind(wait.Why);
                break;
            case JoinDecision.Form:
                Say($"Forms the cluster. {_decider.Describe(Now)}");
                _waitingSince = Now;
                _cluster.Join(_cluster.SelfAddress);
                break;
            case JoinDecision.Join join:
                Say($"Joins the cluster of {string.Join(", ", join.Members)}");
                _waitingSince = Now;
                _cluster.JoinSeedNodes(join.Members.Select(Address.Parse));
                break;
            case JoinDecision.Serve:
                End(() => _serve.TrySetResult());
                break;
            case JoinDecision.Refuse refuse:
                End(() => _serve.TrySetException(StartupException.Setting(refuse.Why)));
                break;
            case JoinDecision.GiveUp giveUp:
                End(() => _serve.TrySetException(new StartupException(ExitCodes.Downed, $"did not get into a cluster: {giveUp.Why}; start it again")));
                break;
        }
    }

    private void End(Action tell)
    {
        Timers.Cancel("look");
        tell();
    }

    private void Say(string what)
    {
        if (what == _told) return;
        _told = what;
        _log.LogInformation("{What}", what);
    }

    private void Remind(string why)
    {
        if (Now - _waitingSince < Patience) return;
        _waitingSince = Now;
        var state = _cluster.State;
        var unreachable = state.Unreachable.Count == 0 ? "none" : string.Join(", ", state.Unreachable.Select(member => member.Address));
        _log.LogWarning(
            "Not in a cluster yet: waiting for {Why}. {Contacts}. This node is {Status} among {Members} members; unreachable: {Unreachable}",
            why, _decider.Describe(Now), _cluster.SelfMember.Status, state.Members.Count, unreachable);
    }

    private Sight Sight()
    {
        var state = _cluster.State;
        if (state.Members.IsEmpty) return Formation.Sight.Nothing;
        var members = state.Members.Select(member => (Incarnation: Of(member), IsUp: member.Status == AkkaStatus.Up && !state.Unreachable.Contains(member))).ToArray();
        var self = new Incarnation(_cluster.SelfAddress.ToString(), _cluster.SelfUniqueAddress.Uid);
        return new Sight(
            members.Any(member => member.IsUp && member.Incarnation == self),
            [.. members.Select(member => member.Incarnation)],
            [.. members.Where(member => member.IsUp).Select(member => member.Incarnation)]);
    }

    private static Incarnation Of(Akka.Cluster.Member member) => new(member.Address.ToString(), member.UniqueAddress.Uid);
}
