using System.Collections;
using Grid.Node.Cluster;

namespace Grid.Tests.Cluster;

/// <summary>
/// Guards of several nodes in one simulated world, driven by a seed: a network that loses, delays and reorders, cut links, paused, killed and new nodes, clocks of different rates,
/// a cluster that removes who cannot be reached, and objects that want any shard on any node at any time, whatever a coordinator would say. After every step no shard may have two owners.
/// </summary>
internal sealed class GuardWorld
{
    public const int Shards = 3;
    private const int StepMs = 20;
    private readonly Random _random;
    private readonly int _detectMs;
    private readonly int _stableMs;
    private readonly LeaseTimings _timings = LeaseTimings.Default;
    private readonly List<Machine> _machines = [];
    private readonly HashSet<(string, string)> _cuts = [];
    private readonly PriorityQueue<(ClusterNode From, ClusterNode To, GuardMessage Message), long> _mail = new();
    private readonly Dictionary<ClusterNode, Standing> _members = [];
    private readonly HashSet<ClusterNode> _unreachable = [];
    private readonly Dictionary<ClusterNode, long> _missedSince = [];
    private readonly List<string> _story = [];
    private ClusterView _newest = ClusterView.Empty;
    private ulong _incarnation = 1;
    private long _uid;
    private int _version;

    public GuardWorld(int seed, int machines)
    {
        _random = new Random(seed);
        // In some worlds a node that is missed is removed long before its lease is over.
        (_detectMs, _stableMs) = (_random.Next(200, 3000), _random.Next(0, 1500));
        for (var i = 0; i < machines; i++) Start($"n{i}");
        foreach (var machine in _machines) _members[machine.Node] = Standing.Up;
        Changed();
        foreach (var machine in _machines) See(machine);
    }

    public long NowMs { get; private set; }

    public bool IsLossy { get; set; } = true;

    public int Served { get; private set; }

    public string Story => string.Join('\n', _story.TakeLast(60));

    /// <summary>One step of time, with some trouble or none.</summary>
    public void Step(bool trouble)
    {
        NowMs += StepMs;
        if (trouble && _random.Next(40) == 0) MakeTrouble();
        Membership();
        foreach (var machine in _machines.ToArray())
        {
            if (machine.IsDead || NowMs < machine.PausedUntilMs) continue;
            if (machine.SeenVersion < _version && InMajority(machine) && _random.Next(4) == 0) See(machine);
            Deliver(machine);
            machine.Guard.Tick(machine.Clock(NowMs));
            Objects(machine, trouble);
            Send(machine);
        }
    }

    /// <summary>Everything works again.</summary>
    public void Heal()
    {
        _story.Add($"{NowMs} healed");
        _cuts.Clear();
        IsLossy = false;
        foreach (var machine in _machines.ToArray())
        {
            machine.PausedUntilMs = 0;
            if (machine.IsDead || machine.SeenVersion == 0 || _members.ContainsKey(machine.Node)) continue;
            // It was removed: its process ends, and whoever runs it starts it again.
            machine.IsDead = true;
            Start(machine.Node.Address);
        }
    }

    /// <summary>The machines that may serve a shard at this instant.</summary>
    public IReadOnlyList<string> Owners(int shard) =>
        [.. from machine in _machines where !machine.IsDead && machine.MayServe(shard, NowMs) select $"{machine.Node} until {machine.Table.DeadlineMs} at {machine.Clock(NowMs)}"];

    /// <summary>Has an object of some member want a shard, and says whether it is served there.</summary>
    public bool WantAndAsk(int shard)
    {
        var machine = _machines.Where(m => !m.IsDead && _members.GetValueOrDefault(m.Node) == Standing.Up).MinBy(m => m.Node);
        // Half of the members were killed or have left: there is no cluster that may serve.
        if (machine is null || Core().Count == 0) return true;
        if (machine.MayServe(shard, NowMs)) return true;
        if (machine.Table.Find(shard) is null) machine.Guard.Claims.Want(shard, machine.Clock(NowMs));
        return false;
    }

    private static (string, string) Link(string a, string b) => string.CompareOrdinal(a, b) < 0 ? (a, b) : (b, a);

    private bool AreLinked(ClusterNode a, ClusterNode b) => !_cuts.Contains(Link(a.Address, b.Address));

    private Machine? Running(ClusterNode node) => _machines.Find(machine => machine.Node == node && !machine.IsDead);

    private void Start(string address)
    {
        var node = new ClusterNode(address, ++_uid);
        var rate = 1 + ((_random.NextDouble() - 0.5) * 0.06);
        _machines.Add(new Machine(node, _timings, rate, _random.Next(100_000), () => _incarnation++));
    }

    // ---- trouble ----

    private void MakeTrouble()
    {
        var machine = _machines[_random.Next(_machines.Count)];
        var other = _machines[_random.Next(_machines.Count)];
        switch (_random.Next(8))
        {
            case 0 or 1 when machine.Node.Address != other.Node.Address:
                Tell($"cut {machine.Node.Address} {other.Node.Address}");
                _cuts.Add(Link(machine.Node.Address, other.Node.Address));
                break;
            case 2:
                Tell($"cut off {machine.Node.Address}");
                foreach (var one in _machines.Where(one => one != machine)) _cuts.Add(Link(one.Node.Address, machine.Node.Address));
                break;
            case 3 or 4:
                Tell("links heal");
                _cuts.Clear();
                break;
            case 5:
                machine.PausedUntilMs = NowMs + _random.Next(100, 9000);
                Tell($"pause {machine.Node} until {machine.PausedUntilMs}");
                break;
            case 6 when !machine.IsDead && _machines.Count(m => !m.IsDead) > 2:
                Tell($"kill {machine.Node}");
                machine.IsDead = true;
                if (_random.Next(2) == 0) Start(machine.Node.Address);
                break;
            case 7 when machine is { IsDead: false, HasParted: false } && _members.GetValueOrDefault(machine.Node) == Standing.Up && _random.Next(3) == 0:
                Tell($"leaves {machine.Node}");
                machine.HasParted = true;
                foreach (var shard in Enumerable.Range(0, Shards)) machine.End(shard);
                machine.Guard.Part(machine.Clock(NowMs));
                break;
        }
    }

    // ---- the cluster: those who reach each other and are more than half remove who is missed ----

    private void Membership()
    {
        var core = Core();
        if (core.Count == 0) return;
        // Where nothing new is to be agreed on, the next step may be taken.
        var agreed = core.All(machine => machine.SeenVersion == _version || _members[machine.Node] == Standing.Joining);
        foreach (var node in _members.Keys.ToArray())
        {
            var isMissed = core.TrueForAll(machine => machine.Node != node);
            if (!isMissed) _missedSince.Remove(node);
            else _missedSince.TryAdd(node, NowMs);
            var missedMs = isMissed ? NowMs - _missedSince[node] : 0;
            if (!isMissed && _members[node] != Standing.Down && _unreachable.Remove(node)) Changed();
            else if (missedMs > _detectMs && _unreachable.Add(node)) Changed();
            else if (missedMs > _detectMs + _stableMs && _members[node] != Standing.Down) Become(node, Standing.Down);
            else if (agreed && _members[node] == Standing.Down && Remove(node)) return;
            else if (agreed && _unreachable.Count == 0 && _members[node] == Standing.Joining) Become(node, Standing.Up);
            else if (Running(node) is { HasParted: true } && _members[node] == Standing.Up) Become(node, Standing.Leaving);
            else if (agreed && _members[node] == Standing.Leaving && _unreachable.Count == 0 && Remove(node))
            {
                if (Running(node) is { } gone) gone.IsDead = true;
                Start(node.Address);
                return;
            }
        }

        // A new life at an address: the old one is downed, then the new one joins; one at a time.
        if (!agreed || _unreachable.Count > 0 || _members.ContainsValue(Standing.Joining)) return;
        var newcomer = _machines.Find(machine => !machine.IsDead && !_members.ContainsKey(machine.Node) && machine.SeenVersion == 0 && core.TrueForAll(one => AreLinked(one.Node, machine.Node)));
        if (newcomer is null) return;
        if (_members.Keys.FirstOrDefault(node => node.Address == newcomer.Node.Address) is { Address: not null } old)
        {
            if (_members[old] != Standing.Down) Become(old, Standing.Down);
            return;
        }

        _members.Add(newcomer.Node, Standing.Joining);
        Changed();
        See(newcomer);
    }

    private void Become(ClusterNode node, Standing standing)
    {
        _members[node] = standing;
        Changed();
    }

    private bool Remove(ClusterNode node)
    {
        Tell($"removed {node}");
        _members.Remove(node);
        _unreachable.Remove(node);
        _missedSince.Remove(node);
        return Changed();
    }

    private bool Changed()
    {
        _version++;
        _newest = new ClusterView(_members, _unreachable);
        return true;
    }

    private void See(Machine machine)
    {
        machine.SeenVersion = _version;
        machine.Guard.OnView(_newest, machine.Clock(NowMs));
    }

    private bool InMajority(Machine machine) => Core().Contains(machine);

    /// <summary>The running members that all reach each other and are more than half of those that are up.</summary>
    private List<Machine> Core()
    {
        foreach (var first in _machines)
        {
            if (!CanAct(first)) continue;
            var core = new List<Machine>();
            foreach (var machine in _machines)
                if (CanAct(machine) && AreLinked(first.Node, machine.Node) && core.TrueForAll(one => AreLinked(one.Node, machine.Node))) core.Add(machine);
            if (!core.Contains(first)) continue;
            var up = _members.Count(member => member.Value is Standing.Up or Standing.Leaving or Standing.Down);
            if (core.Count(machine => _members[machine.Node] is Standing.Up or Standing.Leaving) * 2 > up) return core;
        }

        return [];
    }

    private bool CanAct(Machine machine) =>
        !machine.IsDead && NowMs >= machine.PausedUntilMs && _members.TryGetValue(machine.Node, out var standing) && standing != Standing.Down;

    // ---- messages and objects ----

    private void Send(Machine machine)
    {
        while (machine.Guard.Outgoing.TryDequeue(out var next))
        {
            if (!AreLinked(machine.Node, next.To) || (IsLossy && _random.Next(12) == 0)) continue;
            for (var copies = IsLossy && _random.Next(20) == 0 ? 2 : 1; copies > 0; copies--)
                _mail.Enqueue((machine.Node, next.To, next.Message), NowMs + _random.Next(1, IsLossy && _random.Next(10) == 0 ? 3000 : 60));
        }
    }

    private void Deliver(Machine machine)
    {
        // What is due for others, too, goes to their boxes: a paused process finds it when it goes on.
        while (_mail.TryPeek(out var mail, out var due) && due <= NowMs)
        {
            _mail.Dequeue();
            if (Running(mail.To) is { } to) to.Box.Enqueue((mail.From, mail.Message));
        }

        while (machine.Box.TryDequeue(out var mail)) machine.Guard.Receive(mail.From, mail.Message, machine.Clock(NowMs));
    }

    private void Objects(Machine machine, bool trouble)
    {
        var claims = machine.Guard.Claims;
        while (claims.Opened.TryDequeue(out var life))
        {
            Tell($"{machine.Node} opens {life.Shard} as {life.Incarnation}");
            if (life.TryEnter()) machine.Lives.Add(life);
            Served++;
        }

        while (claims.Closed.TryDequeue(out var life)) machine.EndsAt[life] = NowMs + _random.Next(0, 800);
        foreach (var (life, at) in machine.EndsAt.ToArray())
        {
            if (at > NowMs) continue;
            machine.EndsAt.Remove(life);
            machine.Lives.Remove(life);
            if (life.Leave()) claims.Emptied(life.Shard, machine.Clock(NowMs));
        }

        if (trouble && _random.Next(25) == 0)
        {
            var shard = _random.Next(Shards);
            if (machine.Table.Find(shard) is null) claims.Want(shard, machine.Clock(NowMs));
        }
    }

    private void Tell(string text) => _story.Add($"{NowMs} {text}");

    private sealed class Machine(ClusterNode node, LeaseTimings timings, double rate, long offset, Func<ulong> incarnation)
    {
        public ClusterNode Node { get; } = node;

        public ShardTable Table { get; private set; } = null!;

        public Guard Guard => field ??= new Guard(Node, timings, Table = new ShardTable(Shards), new NodeCard(Node.Address, "", "", ""), Clock(0) + timings.OverAfterMs, incarnation, (_, _) => false);

        public Queue<(ClusterNode From, GuardMessage Message)> Box { get; } = new();

        public List<ShardLife> Lives { get; } = [];

        public Dictionary<ShardLife, long> EndsAt { get; } = [];

        public bool IsDead { get; set; }

        public bool HasParted { get; set; }

        public long PausedUntilMs { get; set; }

        public int SeenVersion { get; set; }

        public long Clock(long nowMs) => offset + (long)(nowMs * rate);

        /// <summary>A paused process may go on with what it was about to do: its lease alone counts.</summary>
        public bool MayServe(int shard, long nowMs) => Table is not null && Table.DeadlineMs > Clock(nowMs) && Lives.Exists(life => life.Shard == shard);

        /// <summary>A graceful end: the objects are gone before the node says so.</summary>
        public void End(int shard)
        {
            foreach (var life in Lives.Where(life => life.Shard == shard)) life.Close();
            Lives.RemoveAll(life => life.Shard == shard);
            EndsAt.Clear();
            Table.Set(shard, null);
        }
    }
}
