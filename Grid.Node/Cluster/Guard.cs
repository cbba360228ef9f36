using System.Collections;

namespace Grid.Node.Cluster;

/// <summary>
/// A node's guard against a second owner: keeps its lease, answers the others' pings and claims, opens and closes its shards. Pure: fed with views of the cluster, messages
/// and the time, it says what to send. docs/consistency.md has the argument.
/// </summary>
internal sealed class Guard
{
    private readonly ClusterNode _self;
    private readonly LeaseTimings _timings;
    private readonly ShardTable _table;
    private readonly NodeCard _card;
    private readonly ServingLease _lease;
    private readonly PingBook _book;
    private readonly Dictionary<ClusterNode, Known> _known = [];
    private ClusterView _view = ClusterView.Empty;
    private long _pingedMs = long.MinValue / 2;
    private bool _hasParted;
    private bool _isDraining;

    /// <summary>Makes the guard of one life of a node.</summary>
    /// <param name="self">This node.</param>
    /// <param name="timings">The durations.</param>
    /// <param name="table">Where objects see what is open.</param>
    /// <param name="card">What others are told of this node.</param>
    /// <param name="mayServeFromMs">Before that it serves nothing.</param>
    /// <param name="newIncarnation">A number for a new life of a shard.</param>
    /// <param name="keepsFor">Told of every grant (shard, life) before it leaves; says whether this node keeps pages for that life.</param>
    public Guard(
        ClusterNode self, LeaseTimings timings, ShardTable table, NodeCard card, long mayServeFromMs, Func<ulong> newIncarnation, Func<int, ulong, bool> keepsFor)
    {
        (_self, _timings, _table, _card) = (self, timings, table, card);
        _lease = new ServingLease(self, timings, mayServeFromMs);
        _book = new PingBook(timings);
        Claims = new ShardClaims(self, timings, _book, table, newIncarnation)
        {
            KeepsFor = keepsFor,
            DataAddressOf = node => _known.TryGetValue(node, out var known) ? known.Card.DataAddress : null,
        };
    }

    public ShardClaims Claims { get; }

    /// <summary>Messages to send.</summary>
    public Queue<(ClusterNode To, GuardMessage Message)> Outgoing => Claims.Outgoing;

    /// <summary>Members there were before a downing left fewer than half of them; 0: none.</summary>
    public int Owed => _lease.Owed;

    /// <summary>The cluster looks like this now.</summary>
    public void OnView(ClusterView view, long nowMs)
    {
        _view = view;
        foreach (var node in _known.Keys)
            if (!view.Has(node)) _known.Remove(node);
        _lease.OnView(view);
        Claims.OnView(view, nowMs);
        Publish(nowMs);
    }

    /// <summary>Does what is due.</summary>
    public void Tick(long nowMs)
    {
        if (_hasParted)
        {
            // Said again and again, for one may be lost.
            if (nowMs - _pingedMs >= _timings.PingIntervalMs) SayParting(nowMs);
            return;
        }

        if (nowMs - _pingedMs >= _timings.PingIntervalMs) Ping(nowMs);
        Claims.Tick(nowMs);
        Publish(nowMs);
    }

    /// <summary>A message has come. Pings are answered by the view that was given last: it must have been taken after the ping came.</summary>
    public void Receive(ClusterNode from, GuardMessage message, long nowMs)
    {
        switch (message)
        {
            case Ping ping when ping.To == _self:
                if (_view.Has(from)) _known[from] = new Known(ping.Card, ping.Open, ping.IsDraining);
                // Fewer than half are left: what the others may still do cannot be known, so nobody is vouched for.
                if (Owed == 0 && !_hasParted && _book.Answers(from, _view, nowMs)) Outgoing.Enqueue((from, new Pong(from, ping.Number)));
                break;
            case Pong pong when pong.To == _self:
                _lease.OnPong(from, pong.Number);
                Publish(nowMs);
                break;
            case Claim claim when claim.To == _self && Owed == 0:
                Claims.OnClaim(from, claim.Shard, claim.Incarnation, nowMs);
                break;
            case Grant grant when grant.To == _self:
                Claims.OnGrant(from, grant, nowMs);
                break;
            case Parting:
                if (_view.Has(from)) _lease.OnParting(from);
                Claims.OnParting(from, nowMs);
                break;
        }
    }

    /// <summary>This node is about to leave: the others hear at once that no shard should come here any more.</summary>
    public void Drain(long nowMs)
    {
        _isDraining = true;
        Ping(nowMs);
    }

    /// <summary>This node leaves: it serves nothing from now on, and the others need not ask it any more.</summary>
    public void Part(long nowMs)
    {
        _hasParted = true;
        _lease.GiveUp();
        Publish(nowMs);
        SayParting(nowMs);
    }

    private void SayParting(long nowMs)
    {
        _pingedMs = nowMs;
        foreach (var node in _view.Members.Keys)
            if (node != _self) Outgoing.Enqueue((node, Parting.Instance));
    }

    /// <summary>What people and clients are shown.</summary>
    public GuardPicture Picture(long nowMs) => new(
        [.. from member in _view.Members orderby member.Key select Seen(member.Key, member.Value)],
        _lease.DeadlineMs(nowMs),
        Owed,
        [.. from waiting in Claims.Waiting(nowMs) select (waiting.Shard, (IReadOnlyList<string>)[.. waiting.WaitsFor.Select(node => node.Address)])],
        _table.Count,
        Claims.Parted.ToHashSet());

    private SeenNode Seen(ClusterNode node, Standing standing)
    {
        var known = node == _self ? new Known(_card, OwnShards(), _isDraining) : _known.GetValueOrDefault(node);
        return new SeenNode(node, standing, !_view.IsUnreachable(node), node == _self, known?.IsDraining == true, known?.Card, known?.Open);
    }

    private void Ping(long nowMs)
    {
        _pingedMs = nowMs;
        var number = _lease.Ping(nowMs);
        var open = OwnShards();
        foreach (var node in _view.Members.Keys)
            if (node != _self) Outgoing.Enqueue((node, new Ping(node, number, _card, open, _isDraining)));
    }

    private BitArray OwnShards()
    {
        var open = new BitArray(_table.Count);
        for (var shard = 0; shard < open.Length; shard++) open[shard] = _table.Find(shard) is not null;
        return open;
    }

    private void Publish(long nowMs) => _table.DeadlineMs = _lease.DeadlineMs(nowMs);

    private sealed record Known(NodeCard Card, BitArray Open, bool IsDraining);
}
