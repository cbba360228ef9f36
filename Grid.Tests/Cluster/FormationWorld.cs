using Grid.Node.Cluster.Formation;

namespace Grid.Tests.Cluster;

/// <summary>
/// Nodes that look for their cluster, in a world of lost, late and reordered messages, links that are cut one by one, crashes and restarts. Akka's part is played by
/// <see cref="Circle"/>: a node is taken in by any member of it that it reaches, later than it asked, and the dead are seen as Up for some seconds.
/// </summary>
internal sealed class FormationWorld
{
    public static readonly FormationTimes Times = new(TimeSpan.FromSeconds(5));
    private static readonly TimeSpan StepTime = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan DeadSeenAsUp = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan DeadRemoved = TimeSpan.FromSeconds(8);
    private static readonly IReadOnlyList<Fact> Facts = [new("shards", "128")];

    private readonly Random _random;
    private readonly Slot[] _slots;
    private readonly bool[,] _cut;
    private readonly Electorate _electorate;
    private readonly List<(TimeSpan At, int From, int To, object Message)> _wire = [];
    private readonly Queue<string> _story = new();
    private readonly double _wildness;
    private int _uids;

    public FormationWorld(int seed, int nodes, int needed)
    {
        _random = new Random(seed);
        _wildness = Math.Pow(4, (2 * _random.NextDouble()) - 0.5);
        _slots = [.. Enumerable.Range(0, nodes).Select(_ => new Slot { StartAt = Between(0, 10) })];
        _cut = new bool[nodes, nodes];
        Needed = needed;
        _electorate = Electorate.Listed(Enumerable.Range(0, nodes).Select(Name), needed);
    }

    public TimeSpan Now { get; private set; }

    public int Needed { get; }

    /// <summary>Clusters that were established, in order.</summary>
    public List<Circle> Established { get; } = [];

    /// <summary>The first breach of the rules; null: none.</summary>
    public string? Breach { get; private set; }

    public string Story => string.Join('\n', _story);

    public bool AllServe => _slots.All(slot => slot.Run is { Decider.IsSettled: true });

    public int LiveIn(Circle circle) => _slots.Count(slot => slot.Run?.Circle == circle);

    public void Step(bool trouble)
    {
        Now += StepTime;
        if (trouble) Trouble();
        Deliver();
        for (var i = 0; i < _slots.Length; i++) StepNode(i, trouble);
        foreach (var circle in Established)
            if (LiveIn(circle) <= _slots.Length - Needed) circle.LowAt = Now;
        foreach (var circle in _slots.Select(slot => slot.Run?.Circle).OfType<Circle>().Distinct()) circle.Forget(Now - DeadRemoved);
    }

    public void Heal()
    {
        Array.Clear(_cut);
        foreach (var slot in _slots.Where(slot => slot.Run == null)) slot.StartAt = Now;
        Tell("everything is mended");
    }

    private void Trouble()
    {
        if (_random.NextDouble() < 0.01 * _wildness)
        {
            var (a, b) = (_random.Next(_slots.Length), _random.Next(_slots.Length));
            if (a != b) _cut[a, b] = _cut[b, a] = !_cut[a, b];
        }

        if (_random.NextDouble() < 0.002 * _wildness)
        {
            Array.Clear(_cut);
            Tell("all links work");
        }

        if (_random.NextDouble() < 0.006 * _wildness) Crash(_random.Next(_slots.Length), "crashes");
    }

    private void Crash(int i, string why)
    {
        var slot = _slots[i];
        if (slot.Run is not { } run) return;
        run.Circle?.Die(run.Self, Now);
        slot.Run = null;
        // Often at once: that is when what it promised still holds.
        slot.StartAt = Now + (_random.Next(3) > 0 ? Between(0.1, 2) : Between(2, 20));
        Tell($"{Name(i)} {why}");
    }

    private void Deliver()
    {
        var due = _wire.Where(message => message.At <= Now).ToArray();
        _wire.RemoveAll(message => message.At <= Now);
        foreach (var (_, from, to, message) in due)
        {
            if (_cut[from, to] || _slots[to].Run is not { } run) continue;
            if (message is ContactQuestion question) Send(to, from, run.Decider.Reply(question, SightOf(run), Now));
            else run.Decider.Hear((ContactAnswer)message, Now);
        }
    }

    private void Send(int from, int to, object message)
    {
        if (_random.NextDouble() < 0.05) return;
        var delay = _random.Next(10) > 0 ? Between(0, 0.2) : Between(0, 6);
        _wire.Add((Now + delay, from, to, message));
    }

    private void StepNode(int i, bool trouble)
    {
        var slot = _slots[i];
        if (slot.Run == null && Now >= slot.StartAt)
        {
            var self = new Incarnation(Name(i), ++_uids);
            slot.Run = new Run(self, new JoinDecider(self, Facts, _electorate, Times, _random, Now));
        }

        if (slot.Run is not { } run) return;
        Enter(i, run);
        // Now and then a process stands still.
        if (trouble && _random.NextDouble() < 0.001) run.LookAt = Now + Between(1, 8);
        if (Now < run.LookAt) return;
        run.LookAt = Now + Times.AskEvery;
        run.Decider.Book.Set(Enumerable.Range(0, _slots.Length).Select(Name), Now);
        foreach (var (contact, question) in run.Decider.Inquire(Now)) Send(i, Index(contact), question);
        if (!run.Serves) Follow(i, run, run.Decider.Decide(SightOf(run), Now));
    }

    private void Follow(int i, Run run, JoinDecision decision)
    {
        switch (decision)
        {
            case JoinDecision.Form:
                run.Circle = new Circle(run.Self);
                run.Circle.Add(run.Self);
                Tell($"{Name(i)} forms");
                break;
            case JoinDecision.Join join:
                if (join.Members.Contains(run.Self.Address)) Fail($"{run.Self} is told to join itself");
                run.Joins = [.. join.Members.Select(Index)];
                run.EnterAt = Now + Between(0.1, 3);
                break;
            case JoinDecision.Serve:
                run.Serves = true;
                OnServe(i, run);
                break;
            case JoinDecision.Refuse refuse:
                Fail($"{run.Self} refuses: {refuse.Why}");
                break;
            case JoinDecision.GiveUp giveUp:
                Crash(i, $"gives up: {giveUp.Why}");
                break;
        }
    }

    private void OnServe(int i, Run run)
    {
        var circle = run.Circle!;
        Tell($"{Name(i)} serves in the cluster of {circle.Former}#{circle.Former.Uid}");
        if (circle.Former != run.Self)
        {
            if (!Established.Contains(circle)) Fail($"{run.Self} serves in a cluster that nobody established");
            return;
        }

        Established.Add(circle);
        if (circle.Count < Needed) Fail($"{circle.Former} established a cluster of {circle.Count}");
        foreach (var other in Established.Where(other => other != circle && LiveIn(other) > 0))
            if (other.LowAt < Now - (Times.Stable * 1.5))
                Fail($"{circle.Former} established a cluster beside that of {other.Former}, of which {LiveIn(other)} of {_slots.Length} nodes live");
    }

    /// <summary>Akka's part: a member that is reached takes the node in, whichever cluster it is in by now.</summary>
    private void Enter(int i, Run run)
    {
        if (run.Circle != null || run.Joins.Length == 0 || Now < run.EnterAt) return;
        run.EnterAt = Now + Between(0.5, 3);
        var target = run.Joins[_random.Next(run.Joins.Length)];
        if (_cut[i, target] || _slots[target].Run?.Circle is not { } circle) return;
        circle.Add(run.Self);
        run.Circle = circle;
    }

    private Sight SightOf(Run run)
    {
        if (run.Circle is not { } circle) return Sight.Nothing;
        // Members differ in what they have heard of.
        if (Now >= run.LearnsAt)
        {
            run.Seen = circle.See(Now - DeadSeenAsUp);
            run.LearnsAt = Now + Between(0, 1.5);
        }

        var up = run.Seen.Up.Contains(run.Self);
        return run.Seen with { IsUp = up };
    }

    private TimeSpan Between(double fromSeconds, double toSeconds) => TimeSpan.FromSeconds(fromSeconds + ((toSeconds - fromSeconds) * _random.NextDouble()));

    private void Fail(string what)
    {
        Breach ??= what;
        Tell(what);
    }

    private void Tell(string what)
    {
        _story.Enqueue($"{Now.TotalSeconds:0.00} {what}");
        if (_story.Count > 60) _story.Dequeue();
    }

    private static string Name(int i) => $"n{i}";

    private static int Index(string name) => int.Parse(name.AsSpan(1), System.Globalization.CultureInfo.InvariantCulture);

    /// <summary>A cluster as Akka would keep it.</summary>
    public sealed class Circle(Incarnation former)
    {
        private readonly Dictionary<Incarnation, TimeSpan?> _diedAt = [];

        public Incarnation Former { get; } = former;

        /// <summary>When it last had so few live members that the others are enough to form another.</summary>
        public TimeSpan LowAt { get; set; } = TimeSpan.MinValue;

        public int Count => _diedAt.Count;

        public void Add(Incarnation member)
        {
            foreach (var earlier in _diedAt.Keys.Where(known => known.Address == member.Address).ToArray()) _diedAt.Remove(earlier);
            _diedAt[member] = null;
        }

        public void Die(Incarnation member, TimeSpan now)
        {
            if (_diedAt.ContainsKey(member)) _diedAt[member] = now;
        }

        public void Forget(TimeSpan deadBefore)
        {
            foreach (var (member, at) in _diedAt.ToArray())
                if (at < deadBefore) _diedAt.Remove(member);
        }

        public Sight See(TimeSpan deadBefore) => new(
            false, [.. _diedAt.Keys], [.. _diedAt.Where(member => member.Value is not { } at || at > deadBefore).Select(member => member.Key)]);
    }

    private sealed class Run(Incarnation self, JoinDecider decider)
    {
        public Incarnation Self { get; } = self;

        public JoinDecider Decider { get; } = decider;

        public Circle? Circle { get; set; }

        public bool Serves { get; set; }

        public int[] Joins { get; set; } = [];

        public TimeSpan EnterAt { get; set; }

        public TimeSpan LookAt { get; set; }

        public TimeSpan LearnsAt { get; set; }

        public Sight Seen { get; set; } = Sight.Nothing;
    }

    private sealed class Slot
    {
        public Run? Run { get; set; }

        public TimeSpan StartAt { get; set; }
    }
}
