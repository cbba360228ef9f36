namespace Grid.Node.Cluster;

/// <summary>
/// Until when this node may serve. Every ping that was answered by enough members extends it, counted from the time the ping left. Enough: with this node
/// a strict majority of all members it knows, whatever their standing; only members that are up have a vote.
/// </summary>
/// <param name="self">This node.</param>
/// <param name="timings">The durations.</param>
/// <param name="mayServeFromMs">Before that it serves nothing: a cluster that formed anew waits until no lease of one before it can run.</param>
internal sealed class ServingLease(ClusterNode self, LeaseTimings timings, long mayServeFromMs)
{
    /// <summary>The lease of a node that is the only member: nobody can join, and so take anything over, without it.</summary>
    private const long Endless = long.MaxValue;

    private readonly List<Sent> _sent = [];
    private readonly HashSet<ClusterNode> _parted = [];
    private ClusterView _view = ClusterView.Empty;
    private long _number;
    private long _answeredMs = long.MinValue;
    private int _owed;
    private bool _isGivenUp;

    /// <summary>Members there were before a downing left fewer than half of them; a majority of so many must be up again before this node serves. 0: none.</summary>
    public int Owed => _owed;

    /// <summary>A member has said that it leaves and serves nothing any more.</summary>
    public void OnParting(ClusterNode node) => _parted.Add(node);

    /// <summary>The members have changed.</summary>
    public void OnView(ClusterView view)
    {
        // Who has parted was not downed: nobody need fear that it serves on.
        var before = _view.Members.Keys.Count(node => view.Has(node) || !_parted.Contains(node));
        _parted.RemoveWhere(node => !view.Has(node));
        if (view.Members.Count * 2 < before) _owed = Math.Max(_owed, before);
        if (_owed > 0 && view.Members.Values.Count(standing => standing == Standing.Up) * 2 > _owed) _owed = 0;
        _view = view;
    }

    /// <summary>A ping leaves for all other members now; its number.</summary>
    public long Ping(long nowMs)
    {
        _sent.RemoveAll(old => nowMs - old.AtMs > timings.DurationMs);
        _sent.Add(new Sent(++_number, nowMs));
        return _number;
    }

    /// <summary>A member has answered.</summary>
    public void OnPong(ClusterNode from, long number)
    {
        var index = _sent.FindIndex(sent => sent.Number == number);
        if (index < 0) return;
        var ping = _sent[index];
        ping.Answered.Add(from);
        if (ping.AtMs > _answeredMs && HasMajority(ping)) _answeredMs = ping.AtMs;
    }

    /// <summary>From now on this node serves nothing.</summary>
    public void GiveUp() => _isGivenUp = true;

    /// <summary>The time at which the lease ends.</summary>
    public long DeadlineMs(long nowMs)
    {
        if (_isGivenUp || nowMs < mayServeFromMs || !_view.Has(self)) return long.MinValue;
        if (_view.Members.Count == 1 && _owed == 0) return Endless;
        return _owed > 0 || _answeredMs == long.MinValue ? long.MinValue : _answeredMs + timings.DurationMs;
    }

    private bool HasMajority(Sent ping)
    {
        var votes = 1 + ping.Answered.Count(node => node != self && _view.IsUp(node));
        return votes * 2 > Math.Max(_view.Members.Count, _owed);
    }

    private sealed record Sent(long Number, long AtMs)
    {
        public HashSet<ClusterNode> Answered { get; } = [];
    }
}
