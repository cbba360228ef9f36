namespace Grid.Node.Cluster.Formation;

/// <summary>
/// Decides how a node comes into its cluster: joins one that contacts are members of, or, where more than half of the nodes say that there is none and promise themselves
/// to it, forms one. Pure: it is told the time, the contacts, their answers, and what the node sees of its cluster. docs/consistency.md has the argument why there are
/// never two clusters; the rules that it rests on are marked here by their numbers.
/// </summary>
internal sealed class JoinDecider
{
    private enum Phase
    {
        Outside,
        Forming,
        Joining,
        Settled,
    }

    private readonly Incarnation _self;
    private readonly IReadOnlyList<Fact> _facts;
    private readonly Electorate _electorate;
    private readonly FormationTimes _times;
    private readonly Random _random;
    private readonly ContactBook _book;
    private readonly Promises _given;
    private readonly Dictionary<Incarnation, TimeSpan> _received = [];
    private readonly HashSet<Incarnation> _askedToJoin = [];
    private Phase _phase = Phase.Outside;
    private Incarnation? _former;
    private TimeSpan? _candidateSince;
    private TimeSpan _standBackUntil = TimeSpan.MinValue;
    private TimeSpan _lastWord;
    private TimeSpan _lastJoin;

    /// <summary>A node that has just started.</summary>
    /// <param name="self">It.</param>
    /// <param name="facts">What it must share with its cluster.</param>
    /// <param name="electorate">Whose promises count.</param>
    /// <param name="times">How long things take.</param>
    /// <param name="random">Keeps nodes that want the same apart.</param>
    /// <param name="now">Now.</param>
    public JoinDecider(Incarnation self, IReadOnlyList<Fact> facts, Electorate electorate, FormationTimes times, Random random, TimeSpan now)
    {
        (_self, _facts, _electorate, _times, _random) = (self, facts, electorate, times, random);
        _book = new ContactBook(times, random, now);
        _given = new Promises(times, now);
    }

    /// <summary>The contacts and what they said.</summary>
    public ContactBook Book => _book;

    /// <summary>Whether the node is a member of an established cluster.</summary>
    public bool IsSettled => _phase == Phase.Settled;

    /// <summary>The node has a cluster of its own, by its settings.</summary>
    public void Settle() => _phase = Phase.Settled;

    /// <summary>The questions that leave now, one a contact.</summary>
    public IReadOnlyList<(string Contact, ContactQuestion Question)> Inquire(TimeSpan now)
    {
        var seeks = _phase == Phase.Forming ? Seeks.Renewal : _candidateSince != null ? Seeks.Promise : Seeks.Nothing;
        return [.. _book.Contacts.Select(contact => (contact, new ContactQuestion(_book.Ask(contact, now), _self, seeks)))];
    }

    /// <summary>Answers another node's question.</summary>
    public ContactAnswer Reply(ContactQuestion question, Sight sight, TimeSpan now)
    {
        var promise = question.Seeks != Seeks.Nothing && question.Asker != _self ? Promise(question, now) : TimeSpan.Zero;
        var standing = StandingOf(sight, now);
        return new ContactAnswer
        {
            Id = question.Id,
            Self = _self,
            Standing = standing,
            Facts = _facts,
            Electorate = _electorate.Text,
            PromiseMs = (int)promise.TotalMilliseconds,
            Members = standing == ContactStanding.Member ? [_self, .. sight.Up.Where(member => member != _self)] : [],
        };
    }

    /// <summary>Takes an answer.</summary>
    public void Hear(ContactAnswer answer, TimeSpan now)
    {
        if (_book.Hear(answer, now) is not { } heard || answer.Self == _self) return;
        if (answer.PromiseMs > 0 && Counts(answer))
            _received[answer.Self] = heard.Asked + (TimeSpan.FromMilliseconds(answer.PromiseMs) * FormationTimes.CountedShare);
    }

    /// <summary>What to do now.</summary>
    /// <param name="sight">What the node sees of its cluster.</param>
    /// <param name="now">Now.</param>
    public JoinDecision Decide(Sight sight, TimeSpan now)
    {
        if (_phase == Phase.Settled) return new JoinDecision.Serve();
        foreach (var member in Members(now))
            if (Fact.Difference(_facts, member.Facts) is var (mine, theirs))
                return new JoinDecision.Refuse($"{mine.Name} is {mine.Value} here and {theirs.Value} in the cluster of {member.Self}; all nodes of a cluster need the same");
        return _phase switch
        {
            Phase.Outside => Outside(now),
            Phase.Forming => Forming(sight, now),
            _ => Joining(sight, now),
        };
    }

    private IEnumerable<ContactAnswer> Others(TimeSpan now) => _book.Fresh(now).Where(answer => answer.Self.Address != _self.Address);

    private IEnumerable<ContactAnswer> Members(TimeSpan now) => Others(now).Where(answer => answer.Standing == ContactStanding.Member);

    private bool Counts(ContactAnswer answer) =>
        answer.Electorate == _electorate.Text && _electorate.Includes(answer.Self.Address) && Fact.Difference(_facts, answer.Facts) == null;

    private ContactStanding StandingOf(Sight sight, TimeSpan now) => _phase switch
    {
        Phase.Settled => sight.IsUp ? ContactStanding.Member : ContactStanding.Between,
        Phase.Forming => ContactStanding.Forming,
        Phase.Joining => ContactStanding.Between,
        _ => _given.MayPromise(now) ? ContactStanding.Outside : ContactStanding.Starting,
    };

    // Rule 1: a node in or on its way into a cluster promises nothing to others, and itself to the former for good.
    private TimeSpan Promise(ContactQuestion question, TimeSpan now)
    {
        if (_phase == Phase.Joining && question.Asker == _former) return _times.Stable;
        if (_phase != Phase.Outside || Members(now).Any()) return TimeSpan.Zero;
        return _electorate.Includes(question.Asker.Address) ? _given.Give(question.Asker, question.Seeks == Seeks.Renewal, now) : TimeSpan.Zero;
    }

    private JoinDecision Outside(TimeSpan now)
    {
        if (Members(now).MaxBy(member => member.Members.Count) is { } member) return Join([member.Self, .. member.Members], null, now);

        // Rule 2: a cluster that is not established is joined by those only that promised themselves to its former.
        if (_given.HeldBy(now) is { } former && Others(now).Any(answer => answer.Self == former && answer.Standing == ContactStanding.Forming)) return Join([former], former, now);

        if (WaitsFor(now) is { } reason)
        {
            _candidateSince = null;
            return new JoinDecision.Wait(reason);
        }

        // Rule 3: the former's own promise is one like the others.
        if (_candidateSince == null)
        {
            if (_given.Give(_self, false, now) == TimeSpan.Zero) return new JoinDecision.Wait(_given.HeldBy(now) is { } other ? $"{other}, to which this node has promised itself" : "a node with a lower address, which seeks promises too");
            _candidateSince = now;
        }

        var promised = 1 + _received.Count(promise => now < promise.Value);
        if (_given.HeldBy(now) == _self && promised >= _electorate.Needed)
        {
            (_phase, _former, _lastWord) = (Phase.Forming, _self, now);
            return new JoinDecision.Form();
        }

        if (now - _candidateSince > _times.Stable)
        {
            // Two that seek the same promises get in each other's way: one of them rests for longer.
            _candidateSince = null;
            _standBackUntil = now + (_times.Stable * (0.2 + (1.8 * _random.NextDouble())));
        }

        return new JoinDecision.Wait($"{_electorate.Needed} nodes to promise that they join a cluster formed here; {promised} now");
    }

    /// <summary>What keeps this node from seeking promises; null: nothing.</summary>
    private string? WaitsFor(TimeSpan now)
    {
        if (!_electorate.Includes(_self.Address)) return "a contact that is in a cluster: this node is not among the seed nodes and forms none";
        var nodes = _book.Contacts.Count;
        if (nodes > _electorate.Most)
            return $"{nodes} contacts are too many for grid.cluster.formation.contacts = {_electorate.Needed}, which must be more than half of all nodes: no cluster is formed";
        if (!_given.MayPromise(now) || now - _book.SameSince < _times.Stable) return "the contacts to be the same for grid.cluster.formation.stable";
        if (Others(now).FirstOrDefault(answer => answer.Standing is ContactStanding.Forming or ContactStanding.Between) is { } busy) return $"{busy.Self}, which is {Words(busy.Standing)}";
        if (_book.Hesitant(now) is { } silent) return $"an answer of {silent}, or its silence for longer";
        var ready = Others(now).Where(answer => answer.Standing == ContactStanding.Outside && Counts(answer)).Select(answer => answer.Self.Address).ToHashSet(StringComparer.Ordinal);
        if (ready.Count + 1 < _electorate.Needed) return $"{_electorate.Needed} nodes that are ready to form a cluster; {ready.Count + 1} with this one";
        if (ready.FirstOrDefault(address => string.CompareOrdinal(address, _self.Address) < 0) is { } lower) return $"{lower} to form a cluster: its address is lower";
        return now < _standBackUntil ? "another node to form a cluster, for some seconds" : null;
    }

    // Rule 4: established is a cluster once its former has, at one moment, so many promises that hold, itself included, of nodes that are Up members of it in this run.
    private JoinDecision Forming(Sight sight, TimeSpan now)
    {
        var joined = sight.Up.Count(member => member == _self || (_received.TryGetValue(member, out var until) && now < until));
        if (sight.IsUp && joined >= _electorate.Needed)
        {
            _phase = Phase.Settled;
            return new JoinDecision.Serve();
        }

        if (Members(now).FirstOrDefault() is { } member) return new JoinDecision.GiveUp($"formed a cluster, but {member.Self} is in another one");
        return now - _lastWord > _times.GiveUpAfter
            ? new JoinDecision.GiveUp($"formed a cluster, but only {joined} of {_electorate.Needed} nodes came into it")
            : new JoinDecision.Wait($"{_electorate.Needed} nodes in the new cluster; {joined} now");
    }

    // Rule 5: who joins serves when a member that it sees says that the cluster is established. An address alone would not do: it may have another cluster by now.
    private JoinDecision Joining(Sight sight, TimeSpan now)
    {
        if (sight.IsUp && Members(now).Any(answer => sight.Members.Contains(answer.Self)))
        {
            _phase = Phase.Settled;
            return new JoinDecision.Serve();
        }

        // Of the cluster that it joins, that is; before it is taken in, any that could take it.
        var heard = Others(now).Any(answer =>
            answer.Self == _former || (answer.Standing == ContactStanding.Member && (sight.Members.Count == 0 || sight.Members.Contains(answer.Self))));
        if (heard) _lastWord = now;

        // Rule 6: a run that has asked to join a cluster never promises or forms again: that cluster could still take it. Where all that were asked have started anew only a new run of this node helps.
        if (sight.Members.Count == 0 && _askedToJoin.All(asked => Others(now).Any(answer => answer.Self.Address == asked.Address && answer.Self != asked)))
            return new JoinDecision.GiveUp($"all of the cluster that was found have started anew: {string.Join(", ", _askedToJoin)}");
        if (now - _lastWord > _times.GiveUpAfter)
            return new JoinDecision.GiveUp(_former is { } former ? $"nothing was heard of {former}, which formed a cluster" : "the cluster that was found does not answer any more");
        if (_former == null && sight.Members.Count == 0 && now - _lastJoin > _times.JoinAgainAfter && Members(now).MaxBy(member => member.Members.Count) is { } known)
            return Join([known.Self, .. known.Members], null, now);
        return new JoinDecision.Wait(sight.IsUp ? "word that the cluster is established" : "the cluster to take this node in");
    }

    private JoinDecision.Join Join(IReadOnlyList<Incarnation> members, Incarnation? former, TimeSpan now)
    {
        if (_phase == Phase.Outside) _lastWord = now;
        (_phase, _former, _lastJoin) = (Phase.Joining, former, now);
        _candidateSince = null;
        _askedToJoin.UnionWith(members.Where(member => member.Address != _self.Address));
        // Its own address would make Akka form a cluster: it is that of an earlier run.
        return new JoinDecision.Join([.. members.Select(member => member.Address).Where(address => address != _self.Address).Distinct(StringComparer.Ordinal)]);
    }

    /// <summary>What contacts said last, for the log.</summary>
    public string Describe(TimeSpan now) => _book.Contacts.Count == 0 ? "no contacts" : string.Join("; ", _book.Contacts.Select(contact =>
    {
        if (_book.Fresh(contact, now) is not { } answer) return $"{contact} does not answer";
        if (answer.Self == _self) return $"{contact} is this node";
        var name = contact == answer.Self.Address ? contact : $"{contact} ({answer.Self})";
        var difference = Fact.Difference(_facts, answer.Facts) is var (mine, theirs) ? $", with {mine.Name} = {theirs.Value} ({mine.Value} here)"
            : answer.Electorate != _electorate.Text ? $", counts other nodes when a cluster is formed: {answer.Electorate} ({_electorate.Text} here)" : "";
        return $"{name} is {Words(answer.Standing)}{difference}";
    }));

    private static string Words(ContactStanding standing) => standing switch
    {
        ContactStanding.Starting => "starting",
        ContactStanding.Outside => "in no cluster",
        ContactStanding.Forming => "forming a cluster",
        ContactStanding.Member => "in a cluster",
        _ => "joining or leaving a cluster",
    };
}
